"""Why two runs of one model score differently: `vicabench explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.errors import ConfigError, DataError
from vicabench.front.between import ask_between, command_between, kinds_between, placed
from vicabench.front.compare import differing_questions, run_notes
from vicabench.harnesses.protocols import Protocol, find_protocol, protocol_for
from vicabench.reporting.explained import columns_of, explained_sheets, split_records
from vicabench.reporting.files import write_spreadsheet
from vicabench.reporting.scores import sheet_html
from vicabench.results.alike import check_pair, restricted_to_shared
from vicabench.results.explanation import Explanation
from vicabench.results.frames import frame_of
from vicabench.results.run import Run, load_run, with_distinct_names
from vicabench.results.settings import ASKING, BENCHMARK, MODEL, OTHER, settings_between
from vicabench.rubric import OFFICIAL
from vicabench.scoring.parts import (
    FACTORS,
    Averaging,
    Combination,
    Split,
    combinations,
    split,
)

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The difference of two runs and its parts; `result` has all of it."""

    result: Explanation

    @property
    def overall(self) -> Split:
        """The parts of the difference of the headline scores."""
        return self.result.overall

    def frame(self) -> DataFrame:
        """One row per score: of A and of B, the difference and its parts, with 95% intervals."""
        return frame_of(split_records(self.result), columns_of(self.result))

    def save(self, path: str | Path) -> None:
        """Write the parts, a row per score, to a `.csv` or `.xlsx` file.

        ConfigError for another suffix, or a file that cannot be written.
        """
        inputs = [self.result.a.path, self.result.b.path]
        columns = columns_of(self.result)
        write_spreadsheet(Path(path), columns, split_records(self.result), keep=inputs)

    def __repr__(self) -> str:
        whole, a, b = self.overall, self.result.a, self.result.b
        parts = ", ".join(f"{name} {part.mean:+.1f}" for name, part in whole.parts.items())
        return f"<{b.name} minus {a.name}: {whole.difference.mean:+.1f} = {parts}>"

    def _repr_html_(self) -> str:
        return "".join(map(sheet_html, explained_sheets(self.result)))


def explain(
    a: Run | str | Path,
    b: Run | str | Path,
    *,
    protocol: str | Sequence[str] | None = None,
    shared: bool = False,
    between: Sequence[Run | str | Path] = (),
    run: int | None = None,
    run_folders: str | Path = "runs/between",
) -> Explained:
    """Split the difference of two runs of one model into asking, reading and aggregating.

    Both runs' replies are read and aggregated as both are. A part is the mean over the orders in
    which the three can be changed; the parts add up to the difference. What is behind the asking
    (prompt, frames, pixels, generation) only further runs can tell: `result.again` names them.

    Args:
        a: Run A: a run, or the path of a run folder or predictions file.
        b: Run B, which may be the same run.
        protocol: One protocol for both, or those of A and of B. By default that by which the
            harness of an imported run graded it, or that of the preset of a run; else `official`.
        shared: Whether runs with different questions are split on the questions they share.
        between: Runs with each part of the asking as in A or as in B, in all combinations.
        run: Ask those combinations now, about so many videos.
        run_folders: The folder for the runs of `run`; those that are there are continued.

    Raises:
        ConfigError: For an unknown protocol, an unfinished run, different questions without
            `shared`, or combinations that are missing or cannot be run.
        DataError: For runs of different benchmarks, or a damaged file.
    """
    first, second = _runs([a, b])
    rules = _protocols(first, second, protocol)
    _check(first, second)
    if not (shared or between or run) and first.path != second.path:
        check_pair(first, second)
    more = _runs(between)
    if run is not None:
        more += ask_between(first, second, Path(run_folders), run)
    alone: dict[Combination, Run] = {(0,): first, (1,): second}
    places = placed(first, second, more) if between or run else alone
    return Explained(result=_explanation(first, second, rules, places))


def _explanation(
    a: Run, b: Run, rules: tuple[Protocol, Protocol], places: Mapping[Combination, Run]
) -> Explanation:
    """All that is known about two runs, from them and the runs between them by their places."""
    used = dict(zip(places, restricted_to_shared(list(places.values())), strict=True))
    kinds = kinds_between(a, b) if len(used) > 2 else FACTORS[:1]
    found = Explanation(
        a=used[(0,) * len(kinds)],
        b=used[(1,) * len(kinds)],
        protocols=rules,
        splits=_splits(used, rules, (*kinds, *FACTORS[1:])),
        settings=tuple(settings_between(a.config, b.config)),
        again=() if len(used) > 2 or a.path == b.path else tuple(_again(a, b)),
        notes=(),
    )
    return replace(found, notes=tuple(_notes(found, a, b)))


def _runs(given: Sequence[Run | str | Path]) -> list[Run]:
    for one in given:
        if not isinstance(one, Run | str | Path):
            raise ConfigError(f"Give runs or paths of run folders, not {type(one).__name__}.")
    return with_distinct_names([one if isinstance(one, Run) else load_run(one) for one in given])


def _protocols(a: Run, b: Run, given: str | Sequence[str] | None) -> tuple[Protocol, Protocol]:
    """The protocols of A and of B, of one name, two names or none."""
    named = [given] if given is None or isinstance(given, str) else list(given)
    if len(named) not in (1, 2):
        raise ConfigError("Name one protocol for both runs, or two: that of A, then that of B.")
    return _protocol(a, named[0]), _protocol(b, named[-1])


def _protocol(run: Run, name: str | None) -> Protocol:
    """The protocol of this name, else the one that the run records, as its benchmark has it."""
    adapter: Mapping[str, Any] = run.config["config"]["adapter"] if run.config else {}
    asked_as = adapter.get("asked_as")
    of_preset = asked_as.get("reading") if isinstance(asked_as, Mapping) else None
    named = name or adapter.get("protocol") or of_preset or OFFICIAL
    return protocol_for(run.rubric, find_protocol(str(named)))


def _check(a: Run, b: Run) -> None:
    for run in (a, b):
        if run.incomplete:
            raise ConfigError(f"{run.name} is {run.incomplete}. Finish it before it is explained.")
    if a.rubric != b.rubric:
        raise DataError(f"{a.name} and {b.name} are runs of benchmarks with different tasks.")


def _splits(
    runs: Mapping[Combination, Run], rules: tuple[Protocol, Protocol], factors: Sequence[str]
) -> dict[str, Split]:
    graded = {}
    for *asked, read, averaged in combinations(len(factors)):
        rule = rules[read].averaged_as(rules[averaged])
        graded[(*asked, read, averaged)] = runs[tuple(asked)].asked_grades(rule)
    rubric = next(iter(runs.values())).rubric
    a, b = (Averaging(rubric=rule.rubric(rubric), rounded=rule.rounded) for rule in rules)
    return split(graded, (a, b), factors)


def _again(a: Run, b: Run) -> Iterator[str]:
    """What has to be run to know which part of the asking makes the difference."""
    settings = settings_between(a.config, b.config)
    kinds = [kind for kind in (*ASKING, MODEL, OTHER) if any(s.kind == kind for s in settings)]
    asked = [kind for kind in kinds if kind in ASKING]
    if not kinds:
        yield (
            "The configurations name no difference of the asking. If replies differ, they do by "
            "what is not recorded, or by chance: repeat one of the runs to see how much."
        )
    elif kinds == asked[:1]:
        yield f"The asking differs in its {kinds[0]} alone: all of its part is that."
    elif len(asked) > 1:
        yield (
            f"The asking differs in {', '.join(asked)} at once. To know the part of each, name "
            "runs with each of these as in A or in B, in all combinations, with --between, or let "
            "--run ask them. The nearest to A:"
        )
        for kind in asked:
            typed = [f": {command}" for command in command_between(a, b, kind)] or ["."]
            changed = ", ".join(s.name for s in settings if s.kind == kind)
            yield f"- A again, with its {kind} as in B ({changed}){typed[0]}"
    if kinds and (further := [kind for kind in kinds if kind not in ASKING]):
        yield f"The part of the asking includes what else differs: {', '.join(further)}."


def _notes(found: Explanation, a: Run, b: Run) -> Iterator[str]:
    rules = found.protocols
    yield f"A is read and aggregated by {rules[0].name}, B by {rules[1].name}."
    used, asked = found.overall.difference.count, len(a.asked())
    if used < asked:
        yield f"Only the questions that all runs were asked count: {used:,} of A's {asked:,}."
    replies = [{p.question.id: p.response for p in run.predictions} for run in (found.a, found.b)]
    other = sum(replies[0].get(key) != replies[1].get(key) for key in replies[0] | replies[1])
    read = [_read_apart(run, rules) for run in (found.a, found.b)]
    yield (
        f"Replies that differ: {other:,} of {len(replies[0]):,}. Read differently by the two "
        f"protocols: {read[0]:,} of A, {read[1]:,} of B."
    )
    if a.config and b.config and a.config["config"]["model"] != b.config["config"]["model"]:
        yield f"The runs name different models: {a.name} and {b.name}."
    if any(setting.kind == BENCHMARK for setting in found.settings):
        yield "The runs name different questions or revisions: see the settings."
    yield from differing_questions(a, b)
    yield from run_notes(a)
    yield from run_notes(b) if b.path != a.path else ()


def _read_apart(run: Run, rules: tuple[Protocol, Protocol]) -> int:
    grades = (run.asked_grades(rule) for rule in rules)
    return sum(
        (a.read or "").lower() != (b.read or "").lower() for a, b in zip(*grades, strict=True)
    )
