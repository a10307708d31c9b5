"""Check that runs were asked the same questions, so that their scores are comparable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vicabench.errors import ConfigError, DataError
from vicabench.reference import Published, is_vsi_bench, published_on, published_rows
from vicabench.results.run import Run
from vicabench.types import Question

SHARED = "Add --shared to the command to compare them on the questions they share."


def check_alike(runs: Sequence[Run], *, advice: str = SHARED) -> None:
    """Check that every run is finished and was asked the questions of the first.

    Raises:
        ConfigError: A run is incomplete, or two runs were asked different questions.
        DataError: Two runs share no question, or use one id for two questions.
    """
    for run in runs:
        if run.incomplete:
            raise ConfigError(f"{run.name} is {run.incomplete}. Finish it, or leave it out.")
    for run in runs[1:]:
        check_pair(runs[0], run, advice=advice)


def check_pair(a: Run, b: Run, *, advice: str = SHARED) -> None:
    """Check that two runs were asked the same questions so far; raises like `check_alike`."""
    ids_a, ids_b = _shared_with(a, b), b.asked()
    only_a, only_b = [k for k in ids_a if k not in ids_b], [k for k in ids_b if k not in ids_a]
    if only_a or only_b:
        raise ConfigError(
            f"{a.name} and {b.name} were not asked the same questions: "
            f"{len(ids_a) - len(only_a)} are shared, {_some(only_a)} only in {a.path}, "
            f"{_some(only_b)} only in {b.path}. {advice}"
        )


def restricted_to_shared(runs: Sequence[Run]) -> list[Run]:
    """The runs, each restricted to the questions that all of them were asked.

    Raises:
        DataError: The runs share no question, or use one id for two questions.
    """
    ids = set(runs[0].asked())
    for run in runs[1:]:
        _shared_with(runs[0], run)
        ids &= set(run.asked())
    if not ids:
        raise DataError("These runs have no question in common.")
    return [run.only(ids) for run in runs]


def _shared_with(a: Run, b: Run) -> dict[str, tuple[str, str]]:
    """The questions that `a` was asked; raises DataError if `b` has others under their ids."""
    asked_a, asked_b = a.asked(), b.asked()
    shared = [key for key in asked_a if key in asked_b]
    if not shared:
        raise DataError(
            f"{a.name} and {b.name} share no question, so there is nothing to compare. Compare "
            "runs of the same benchmark."
        )
    for key in shared:
        if asked_a[key] != asked_b[key]:
            (video_a, task_a), (video_b, task_b) = asked_a[key], asked_b[key]
            raise DataError(
                f"Question {key} is {task_a} about {video_a} in {a.name}, and {task_b} about "
                f"{video_b} in {b.name}: these are not runs on the same questions. Compare runs "
                "of the same benchmark."
            )
    return asked_a


def _some(ids: Sequence[str]) -> str:
    """The number of ids, and the first three of them."""
    if not ids:
        return "none"
    named = ", ".join(ids[:3])
    return f"{len(ids)} ({named}{', ...' if len(ids) > 3 else ''})"


def check_published(wanted: bool, benchmark: str | None, questions: Iterable[Question]) -> None:
    """ConfigError if published rows would stand beside runs of another benchmark.

    A file of VSI-Bench's own questions is known by them, whatever it is called.
    """
    if wanted and not is_vsi_bench(benchmark, questions):
        raise ConfigError(
            f"Published rows are about VSI-Bench; beside {benchmark} they would compare nothing. "
            "Leave out --published."
        )


def published_beside(wanted: bool, runs: Sequence[Run]) -> tuple[Published, ...]:
    """The published rows that stand beside these runs, if they are wanted: of their benchmark.

    Raises:
        ConfigError: Nothing is published on the benchmark, or the runs are on several.
    """
    if not wanted:
        return ()
    rows = [_published_on(run) for run in runs]
    if any(others != rows[0] for others in rows):
        raise ConfigError(
            "These runs are on several benchmarks, of which each has its own published rows. "
            "Leave out --published, or name the runs of one benchmark."
        )
    return rows[0]


def _published_on(run: Run) -> tuple[Published, ...]:
    config = run.config["config"] if run.config else {}
    name, subset = str(config.get("benchmark")), str(config.get("subset", "full"))
    rows = published_on(name, subset)
    if not rows:
        check_published(True, run.benchmark, run.questions)
        return published_rows()
    return rows


def in_natural_order(runs: Sequence[Run]) -> list[Run]:
    """Runs in the order of `runs/*` with numbers by size: `ViCA2-5p` before `ViCA2-10p`.

    Any other order was chosen, and is kept.
    """
    paths = [str(run.path) for run in runs]
    return sorted(runs, key=_natural) if len(runs) > 2 and paths == sorted(paths) else list(runs)


def _natural(run: Run) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(run.path).casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
