"""The runs below a folder: how far each is, and how it continues: `vicabench runs`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.errors import DataError, UserError, counted, printable
from vicabench.front.folders import RUNS
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.options import FRAMES
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import NONE, Sheet, mean_text, range_text
from vicabench.results.below import folders_below
from vicabench.results.frames import frame_of
from vicabench.results.run import Run, is_of_descriptions, load_any
from vicabench.results.store import CONFIG, PREDICTIONS, planned_repeats
from vicabench.types import Estimate, ModelOptions

if TYPE_CHECKING:
    from pandas import DataFrame

GIVEN = "run.yaml"
"""The file with the options of a run in its folder."""
COLUMNS = (
    *("path", "model", "benchmark", "planned", "answered", "failed", "not_asked"),
    *("score", "low", "high", "questions", "videos", "protocol", "left_out"),
    *("updated", "command", "problem"),
)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How far a run is.

    Attributes:
        planned: Questions that it was to ask; `answered`, `failed` and `not_asked` add up to it.
        score: The average, None for an unfinished or unreadable run, and for descriptions.
        left_out: Tasks without questions, which the average leaves out.
        updated: When its files were written last, in UTC.
        command: The command that continues it, or asks failed questions again; None for none.
        problem: Why the folder cannot be read; all counts are 0 then.
    """

    path: Path
    model: str = NONE
    benchmark: str = NONE
    planned: int = 0
    answered: int = 0
    failed: int = 0
    not_asked: int = 0
    score: Estimate | None = None
    left_out: tuple[str, ...] = ()
    updated: datetime
    command: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs below a folder, in natural order of their paths; `protocol` graded them."""

    folder: Path
    protocol: str
    states: tuple[RunState, ...]

    def records(self) -> list[dict[str, Any]]:
        """One dict per run with the columns of `frame`, as JSON values."""
        return [_record(state, self.protocol) for state in self.states]

    def frame(self) -> DataFrame:
        """One row per run: counts, score with its interval, age, and the command that continues."""
        return frame_of(self.records(), COLUMNS)

    def sheet(self) -> Sheet:
        """A table with the commands as notes."""
        now = datetime.now(UTC)
        return Sheet(
            title=f"{counted(len(self.states), 'run')} in {self.folder}",
            columns=("run\nmodel", "benchmark", "done", "failed", "score", "n\nvideos", "age"),
            rows=tuple(_row(state, now, self.folder) for state in self.states),
            texts=2,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if any(state.score for state in self.states):
            yield (
                f"Score: Avg. by the {self.protocol} protocol, with a 95% interval over videos; "
                "failed questions count as wrong."
            )
        for state in self.states:
            if state.left_out:
                yield f"{state.path}: Avg. leaves out {', '.join(state.left_out)}: no questions."
            if state.problem:
                yield f"{state.path} cannot be read: {state.problem}"
            if state.command:
                verb = "Continue" if state.not_asked else "Ask failed questions of"
                yield f"{verb} {state.path}: {state.command}"

    def __repr__(self) -> str:
        unfinished = sum(state.not_asked > 0 for state in self.states)
        broken = sum(state.problem is not None for state in self.states)
        more = f", {broken} unreadable" if broken else ""
        return (
            f"<{counted(len(self.states), 'run')} in {self.folder}, {unfinished} unfinished{more}>"
        )

    def _repr_html_(self) -> str:
        return sheet_html(self.sheet())


def runs(folder: str | Path = RUNS, *, protocol: str = "official") -> Runs:
    """List the runs below a folder: how far each is, its score, and how it continues.

    An unfinished run has no score; a run folder that cannot be read says why.

    Raises:
        ConfigError: The protocol is unknown.
        DataError: The folder does not exist, or holds no run.
    """
    rule, place = find_protocol(protocol), Path(folder)
    if not place.is_dir():
        raise DataError(f"{place} is not a folder. Name the folder that holds the runs.")
    states = tuple(_state(path, rule) for path in folders_below(place))
    return Runs(folder=place, protocol=rule.name, states=states)


def _state(path: Path, rule: Protocol) -> RunState:
    updated = _updated(path)
    try:
        run = load_any(path)
    except UserError as error:
        return RunState(path=path, updated=updated, problem=" ".join(str(error).split()))
    failed = sum(p.asked and p.response is None for p in run.predictions)
    gradable = not is_of_descriptions(run) and not run.incomplete
    scores = run.scores(rule) if gradable else None
    return RunState(
        path=path,
        model=run.name,
        benchmark=run.benchmark or NONE,
        planned=len(run.predictions) + run.unasked,
        answered=sum(p.response is not None for p in run.predictions),
        failed=failed,
        not_asked=run.never_asked,
        score=scores.overall if scores else None,
        left_out=tuple(scores.missing) if scores else (),
        updated=updated,
        command=_command(run, failed) if failed or run.never_asked else None,
    )


def _updated(path: Path) -> datetime:
    files = [file for name in (PREDICTIONS, CONFIG) if (file := path / name).exists()]
    return datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC)


def _command(run: Run, failed: int) -> str | None:
    """The command that continues the run; None for one that no `vicabench run` started."""
    starts = run.config["starts"] if run.config else []
    options = starts[-1].get("options") if starts else None
    if run.config is None or options is None:
        return None
    skipped = sum(not p.asked for p in run.predictions)
    again = ["--retry-errors"] if skipped or (failed and not run.never_asked) else []
    given = run.path / GIVEN
    words = ["--config", str(given)] if given.exists() else _words(run.config, options, starts[-1])
    return shlex.join(["vicabench", "run", *words, "--out", str(run.path), *again])


def _words(
    content: Mapping[str, Any], options: Mapping[str, Any], start: Mapping[str, Any]
) -> list[str]:
    """The options of a run whose folder does not hold them, from its configuration."""
    config, usual = content["config"], asdict(ModelOptions())
    words = ["--model", config["model"], "--benchmark", config["benchmark"]]
    numbers = {"subset": (config["subset"], "full"), "seed": (config["seed"], 0)}
    if config["frames"]:
        numbers["frames"] = (config["frames"], FRAMES)
    numbers["repeats"] = (planned_repeats(content["plan"]), 1)
    numbers |= {name: (options[name], usual[name]) for name in usual if name in options}
    for name, (value, default) in numbers.items():
        if value != default:
            flag = "--" + name.replace("_", "-")
            words += [flag] if value is True else [flag, str(value)]
    kinds = (start.get("asked") or {}).get("types") or []
    planned = {kind for asked in content["plan"]["videos"].values() for kind in asked.values()}
    if set(kinds) == planned and len(planned) < MANY:
        return [*words, "--tasks", ",".join(kinds)]
    return [*words, "--limit", str(len(content["plan"]["videos"]))]


MANY = 5
"""With fewer types of questions than this, a run was given a choice of tasks."""


def _record(state: RunState, protocol: str) -> dict[str, Any]:
    score = state.score
    return {
        **{name: getattr(state, name) for name in COLUMNS if hasattr(state, name)},
        "path": str(state.path),
        "score": None if score is None else score.mean,
        "low": None if score is None else score.low,
        "high": None if score is None else score.high,
        "questions": None if score is None else score.count,
        "videos": None if score is None else score.clusters,
        "protocol": protocol,
        "left_out": list(state.left_out),
        "updated": state.updated.isoformat(timespec="seconds"),
    }


def _row(state: RunState, now: datetime, folder: Path) -> tuple[str, ...]:
    score = state.score
    shown = "unreadable" if state.problem else "unfinished" if state.not_asked else NONE
    return (
        printable(f"{state.path.relative_to(folder)}\n{state.model}"),
        printable(state.benchmark),
        f"{state.answered}/{state.planned}",
        str(state.failed),
        shown if score is None else f"{mean_text(score)}\n{range_text(score)}",
        NONE if score is None else f"{score.count}\n{score.clusters}",
        _age((now - state.updated).total_seconds()),
    )


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
