"""Which checkpoints make a series, and how much of the data each has seen.

The share stands in the zoo, or at the end of a name: `tiny-45p` has seen 45%, and a name without
such an ending is the final checkpoint, 100%.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape, glob
from os.path import normpath
from pathlib import Path

from vicabench.errors import ConfigError
from vicabench.reference import model_zoo
from vicabench.results.run import Run

PLACE = "{p}"
SHARES = tuple(range(5, 101, 5))
"""The percentages at which the authors of ViCA published checkpoints."""
_SHARE = r"(?P<share>\d{1,2}(?:\.\d+)?|100)"
_ENDING = re.compile(rf"[-_.]{_SHARE}p(?=$|@)")
_REVISION = re.compile(r"@[^@/]*$")
_MARKS = re.compile(r" \(blind\)(?: \(canonicalized\))?$| \(canonicalized\)$")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What answers (`spec`, as `--model` takes it), its series, and its share of the data.

    A share of whole percents is an int: it is printed as one.
    """

    spec: str
    series: str
    percent: float


def checkpoint(spec: str) -> Checkpoint:
    """The checkpoint that a spec names: from the zoo, or by the ending of its name."""
    name = _REVISION.sub("", spec)
    for model in model_zoo():
        if model.repo == name and model.percent is not None:
            return Checkpoint(spec=spec, series=model.series, percent=model.percent)
    found = _ENDING.search(spec)
    series = spec if found is None else spec[: found.start()] + spec[found.end() :]
    return Checkpoint(
        spec=spec,
        series=Path(series).name or series,
        percent=100 if found is None else _percent(found["share"]),
    )


def named_series(name: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of a series of the zoo, whatever the case of its name, least data first.

    ConfigError naming the series if there is none.
    """
    models = [m for m in model_zoo() if m.series and m.percent is not None]
    found = [m for m in models if m.series.casefold() == name.casefold()]
    if not found:
        known = ", ".join(dict.fromkeys(m.series for m in models))
        raise ConfigError(
            f"The zoo has no series '{name}'. It has {known}; name others by their checkpoints: "
            "--models ./mine-{p}p"
        )
    points = [
        Checkpoint(spec=m.repo, series=m.series, percent=m.percent)
        for m in found
        if m.percent is not None
    ]
    return tuple(sorted(points, key=lambda point: point.percent))


def expanded(spec: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of a spec, or of a pattern with `{p}` for the share of the data.

    Of folders those that are there, with any share; of hub ids every fifth percent. At 100 the
    name has no ending: `./tiny-{p}p` ends with `./tiny`, unless there is a `./tiny-100p` or, as in
    `./tiny/{p}p`, no name is left. ConfigError if a pattern for folders matches none.
    """
    if PLACE not in spec:
        return (checkpoint(spec),)
    spec = spec.rstrip("/")
    final = re.sub(r"[-_.]?\{p\}\w*", "", spec)
    name = Path(final).name
    last = final if final.rpartition("/")[2] else spec.replace(PLACE, "100")
    here = _folders(spec)
    if Path(last).is_dir():
        here.setdefault(100, last)
    if not here and _is_path(spec):
        raise ConfigError(f"No folder matches {spec}, with 0 to 100 for {PLACE}.")
    specs = here or {p: last if p == 100 else spec.replace(PLACE, str(p)) for p in SHARES}
    return tuple(Checkpoint(spec=specs[p], series=name, percent=p) for p in sorted(specs))


def _folders(pattern: str) -> dict[float, str]:
    """The folders that match a pattern, by their shares; ConfigError for two of one share."""
    first, *others = normpath(pattern).split(PLACE)
    again = "(?P=share)".join(map(re.escape, others))
    name = re.compile(re.escape(first) + _SHARE + again)
    paths = glob("*".join(map(escape, (first, *others))))  # noqa: PTH207  # of texts, as `name` is
    found: dict[float, str] = {}
    for match in map(name.fullmatch, map(normpath, sorted(paths))):
        if match and Path(match[0]).is_dir():
            folder = pattern.replace(PLACE, match["share"])
            there = found.setdefault(_percent(match["share"]), folder)
            if there != folder:
                raise ConfigError(f"{there} and {folder} have the same share. Leave one out.")
    return found


def _percent(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def grouped(points: Iterable[Checkpoint]) -> dict[str, tuple[Checkpoint, ...]]:
    """The checkpoints by series, least data first; each once.

    ConfigError if a series has two of the same share.
    """
    found: dict[str, dict[float, Checkpoint]] = {}
    for point in points:
        there = found.setdefault(point.series, {}).setdefault(point.percent, point)
        if there.spec != point.spec:
            raise ConfigError(
                f"{there.spec} and {point.spec} are both {point.series} at {point.percent}%: a "
                "curve has one checkpoint for each share of the data. Leave one out."
            )
    return {name: tuple(by[p] for p in sorted(by)) for name, by in found.items()}


def placed(runs: Sequence[Run]) -> dict[str, Mapping[float, Run]]:
    """Runs by series and share of the data, as their models' names say.

    Grey-frame and canonicalized runs are series of their own. ConfigError naming both if two have
    one place.
    """
    found: dict[str, dict[float, Run]] = {}
    for run in runs:
        model, mark = _marked(run.name)
        point = checkpoint(model)
        there = found.setdefault(point.series + mark, {}).setdefault(point.percent, run)
        if there is not run:
            raise ConfigError(
                f"{there.path} and {run.path} are both {point.series}{mark} at "
                f"{point.percent}%: a curve has one run for each share of the data. Leave one out."
            )
    return {name: {p: by[p] for p in sorted(by)} for name, by in found.items()}


def _marked(name: str) -> tuple[str, str]:
    """The model in the name of a run, and what marks how it was run or derived."""
    found = _MARKS.search(name)
    return (name[: found.start()], found[0]) if found else (name, "")


def _is_path(spec: str) -> bool:
    """Whether this is spelt as a path, and not as a hub id."""
    return spec.startswith((".", "/", "~")) or spec.count("/") != 1
