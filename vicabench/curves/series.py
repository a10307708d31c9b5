"""Which checkpoints form a series, and how much of the data each has seen.

The share comes from the zoo, or from the end of the name: `tiny-45p` has seen 45%, and a name
without such an ending is the final checkpoint, 100%.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape, glob
from os.path import normpath
from pathlib import Path

from vicabench.errors import ConfigError, did_you_mean
from vicabench.reference import model_zoo
from vicabench.results.run import Run

PLACE = "{p}"
SHARES = tuple(range(5, 101, 5))
"""The percentages at which the authors of ViCA published checkpoints."""
_SHARE = r"(?P<share>\d{1,2}(?:\.\d+)?|100)"
_ENDING = re.compile(rf"[-_.]{_SHARE}p(?=$|@)")
_REVISION = re.compile(r"@[^@/]*$")
_MARKS = re.compile(r" \((?:blind|text only)\)(?: \(canonicalized\))?$| \(canonicalized\)$")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model (`spec`, as for `--model`), its series, and its share of the data.

    A share of whole percents is an int, so that it prints as one.
    """

    spec: str
    series: str
    percent: float


def checkpoint(spec: str) -> Checkpoint:
    """The checkpoint that a spec names, from the zoo or by the ending of its name."""
    name = _REVISION.sub("", spec)
    for model in model_zoo():
        if model.repo == name and model.percent is not None:
            return Checkpoint(spec=spec, series=model.series, percent=model.percent)
    ending = _ENDING.search(spec)
    series = spec if ending is None else spec[: ending.start()] + spec[ending.end() :]
    return Checkpoint(
        spec=spec,
        series=Path(series).name or series,
        percent=100 if ending is None else _percent(ending["share"]),
    )


def named_series(name: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of a series of the zoo (ignoring case), least data first.

    Raises:
        ConfigError: There is no such series; the message lists the known ones.
    """
    models = [m for m in model_zoo() if m.series and m.percent is not None]
    members = [m for m in models if m.series.casefold() == name.casefold()]
    if not members:
        known = ", ".join(dict.fromkeys(m.series for m in models))
        raise ConfigError(
            f"The zoo has no series '{name}'. It has {known}. Give the checkpoints of any other "
            "series by name: --models ./mine-{p}p."
            f"{did_you_mean(name, [m.series for m in models])}"
        )
    points = [
        Checkpoint(spec=m.repo, series=m.series, percent=m.percent)
        for m in members
        if m.percent is not None
    ]
    return tuple(sorted(points, key=lambda point: point.percent))


def expanded(spec: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of a spec, or of a pattern with `{p}` for the share of the data.

    A pattern for folders gives all that exist, with any share; one for hub ids every fifth
    percent. The name at 100 has no ending: `./tiny-{p}p` includes `./tiny`, unless there is a
    `./tiny-100p` or, as in `./tiny/{p}p`, no name would be left.

    Raises:
        ConfigError: A pattern for folders matches none.
    """
    if PLACE not in spec:
        return (checkpoint(spec),)
    spec = spec.rstrip("/")
    final = re.sub(r"[-_.]?\{p\}\w*", "", spec)
    name = Path(final).name
    last = final if final.rpartition("/")[2] else spec.replace(PLACE, "100")
    folders = _folders(spec)
    if Path(last).is_dir():
        folders.setdefault(100, last)
    if not folders and _is_path(spec):
        raise ConfigError(f"No folder matches {spec}, with 0 to 100 for {PLACE}.")
    specs = folders or {p: last if p == 100 else spec.replace(PLACE, str(p)) for p in SHARES}
    return tuple(Checkpoint(spec=specs[p], series=name, percent=p) for p in sorted(specs))


def _folders(pattern: str) -> dict[float, str]:
    """The folders that match a pattern, by share; raises ConfigError for two with one share."""
    first, *others = normpath(pattern).split(PLACE)
    rest = "(?P=share)".join(map(re.escape, others))
    name = re.compile(re.escape(first) + _SHARE + rest)
    paths = glob("*".join(map(escape, (first, *others))))  # noqa: PTH207  # strings, like `name`
    folders: dict[float, str] = {}
    for match in map(name.fullmatch, map(normpath, sorted(paths))):
        if match and Path(match[0]).is_dir():
            folder = pattern.replace(PLACE, match["share"])
            earlier = folders.setdefault(_percent(match["share"]), folder)
            if earlier != folder:
                raise ConfigError(f"{earlier} and {folder} have the same share. Leave one out.")
    return folders


def _percent(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def grouped(points: Iterable[Checkpoint]) -> dict[str, tuple[Checkpoint, ...]]:
    """The distinct checkpoints by series, least data first.

    Raises:
        ConfigError: A series has two checkpoints with the same share.
    """
    series: dict[str, dict[float, Checkpoint]] = {}
    for point in points:
        earlier = series.setdefault(point.series, {}).setdefault(point.percent, point)
        if earlier.spec != point.spec:
            raise ConfigError(
                f"{earlier.spec} and {point.spec} are both {point.series} at {point.percent}%, but "
                "a curve has one checkpoint for each share of the data. Leave one out."
            )
    return {name: tuple(by[p] for p in sorted(by)) for name, by in series.items()}


def placed(runs: Sequence[Run]) -> dict[str, Mapping[float, Run]]:
    """Runs by series and share of the data, according to the names of their models.

    Runs on grey frames and canonicalized runs form separate series.

    Raises:
        ConfigError: Two runs have the same series and share; the message names both.
    """
    series: dict[str, dict[float, Run]] = {}
    for run in runs:
        model, mark = _marked(run.name)
        point = checkpoint(model)
        earlier = series.setdefault(point.series + mark, {}).setdefault(point.percent, run)
        if earlier is not run:
            raise ConfigError(
                f"{earlier.path} and {run.path} are both {point.series}{mark} at "
                f"{point.percent}%, but a curve has one run for each share of the data. Leave one "
                "out."
            )
    return {name: {p: by[p] for p in sorted(by)} for name, by in series.items()}


def _marked(name: str) -> tuple[str, str]:
    """The model in the name of a run, and the mark of how it was run or derived."""
    mark = _MARKS.search(name)
    return (name[: mark.start()], mark[0]) if mark else (name, "")


def _is_path(spec: str) -> bool:
    """Whether this is written as a path, and not as a hub id."""
    return spec.startswith((".", "/", "~")) or spec.count("/") != 1
