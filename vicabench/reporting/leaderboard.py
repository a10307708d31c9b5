"""What a leaderboard shows of each benchmark: models by protocol with ranks, blind and debiased."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol
from vicabench.reference import Published, is_vsi_bench, published_on, published_rows
from vicabench.reporting.overview import benchmark_of, by_benchmark, model_of
from vicabench.reporting.tables import TOO_FEW, WHOLE, meaning_of
from vicabench.results.run import UNSEEN, Run, with_distinct_names
from vicabench.results.subsets import debiased
from vicabench.scoring.ranks import Member, Rank, member_of, published_member, ranks_of
from vicabench.types import Estimate, Scores

FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row: a run by one protocol, or a printed row.

    Attributes:
        name: The model.
        protocol: The protocol that was asked for; empty for a printed row.
        rank: Its place among the runs on the same questions and the printed rows; None if it was
            asked other questions, or is incomplete.
        scores: The scores of the run; None for a printed row.
        printed: The printed row; None for a run.
        blind: The headline score of the same model that did not see the videos.
        debiased: The headline score on the questions that VSI-Bench-Debiased keeps.
        run: The run; None for a printed row.
    """

    name: str
    protocol: str
    rank: Rank | None
    scores: Scores | None
    printed: Published | None
    blind: Estimate | None
    debiased: Estimate | None
    run: Run | None

    @property
    def score(self) -> float:
        """The headline score in points; NaN without one."""
        if self.scores is not None:
            return self.scores.overall.mean
        assert self.printed is not None  # noqa: S101  (one of the two is there)
        return math.nan if self.printed.overall is None else self.printed.overall


@dataclass(frozen=True, kw_only=True)
class Board:
    """The entries of one benchmark, best first within each protocol."""

    name: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def boards(runs: Sequence[Run], protocols: Sequence[Protocol], *, published: bool) -> list[Board]:
    """One board for each benchmark of the runs; with `published`, its printed rows beside them."""
    return [
        _board(name, _named_here(members), protocols, published)
        for name, members in by_benchmark(runs).items()
    ]


def _named_here(runs: Sequence[Run]) -> list[Run]:
    """The runs of one benchmark, without what only tells them from those of another."""
    bare = [replace(run, name=run.name.removesuffix(f" ({run.path})")) for run in runs]
    return with_distinct_names(bare)


def _board(name: str, runs: Sequence[Run], protocols: Sequence[Protocol], published: bool) -> Board:
    seen, unseen = _split(runs)
    rows = _printed(seen[0]) if published else ()
    entries: list[Entry] = []
    for protocol in protocols:
        ranks = _ranks(seen, protocol, rows)
        entries += [_entry(run, protocol, ranks, unseen.get(model_of(run))) for run in seen]
        if protocol is protocols[0]:
            entries += [_printed_entry(row, ranks) for row in rows]
    ordered = sorted(entries, key=lambda each: -each.score if each.score == each.score else 1.0)
    return Board(name=name, entries=tuple(ordered), notes=tuple(_notes(seen, protocols, rows)))


def _split(runs: Sequence[Run]) -> tuple[list[Run], dict[str, Run]]:
    """The runs to list, and those that did not see the videos, by model.

    A model of which every run is blind is listed.
    """
    blind = {model_of(run): run for run in runs if _unseen(run)}
    sighted = {model_of(run) for run in runs if not _unseen(run)}
    listed = [run for run in runs if not _unseen(run) or model_of(run) not in sighted]
    return listed, {model: run for model, run in blind.items() if model in sighted}


def _unseen(run: Run) -> bool:
    adapter = run.config["config"]["adapter"] if run.config else {}
    return any(adapter.get(name) is True for name in UNSEEN)


def _printed(run: Run) -> tuple[Published, ...]:
    """The printed rows of a run's benchmark."""
    if is_vsi_bench(run.benchmark, run.questions) and run.benchmark is not None:
        return tuple(row for row in published_rows() if row.overall is not None)
    name, _, subset = benchmark_of(run).partition(":")
    return published_on(name, subset or FULL)


def _ranks(
    runs: Sequence[Run], protocol: Protocol, rows: Sequence[Published]
) -> Mapping[int, Rank]:
    """Ranks by run or printed row, of the largest set of finished runs on the same questions."""
    asked: dict[frozenset[str], list[Run]] = {}
    for run in runs:
        if not run.incomplete:
            asked.setdefault(frozenset(run.asked()), []).append(run)
    questions, alike = max(asked.items(), key=lambda item: len(item[1]), default=(frozenset(), []))
    members: list[tuple[int, Member]] = [
        (id(run), member_of(run.name, run.asked_grades(protocol), run.rubric_for(protocol)))
        for run in alike
    ]
    if len(questions) == WHOLE and is_vsi_bench(alike[0].benchmark, alike[0].questions):
        known = ((id(row), published_member(row)) for row in rows)
        members += [(key, member) for key, member in known if member]
    if len(members) < 2:
        return {}
    keyed = [replace(member, name=str(place)) for place, (_, member) in enumerate(members)]
    return {members[int(rank.name)][0]: rank for rank in ranks_of(keyed)}


def _entry(run: Run, protocol: Protocol, ranks: Mapping[int, Rank], blind: Run | None) -> Entry:
    scores = run.scores(protocol)
    return Entry(
        name=run.name,
        protocol=protocol.name,
        rank=ranks.get(id(run)),
        scores=scores,
        printed=None,
        blind=None if blind is None else blind.scores(protocol).overall,
        debiased=_debiased(run, protocol),
        run=run,
    )


def _printed_entry(row: Published, ranks: Mapping[int, Rank]) -> Entry:
    return Entry(
        name=row.label,
        protocol="",
        rank=ranks.get(id(row)),
        scores=None,
        printed=row,
        blind=None,
        debiased=None,
        run=None,
    )


def _debiased(run: Run, protocol: Protocol) -> Estimate | None:
    kept = debiased(run)
    return None if kept is None else kept.scores(protocol).overall


def _notes(
    runs: Sequence[Run], protocols: Sequence[Protocol], rows: Sequence[Published]
) -> list[str]:
    first = runs[0].scores(protocols[0])
    headline = first.rubric.headline
    notes = [
        f"{headline.title}: {meaning_of(headline)}. Ranges are 95% intervals over videos; "
        f"{TOO_FEW}. n = {first.overall.count:,} in {counted(first.overall.clusters, 'video')}, "
        "where nothing else is said.",
        "Rank: the place, and the ranks that the data allow, all at once with a chance of 95%; "
        "models whose ranges overlap may be equal. By protocol, over the runs on the same "
        "questions.",
    ]
    if rows:
        notes.append("Printed rows have no interval; their ranks are unpaired, and approximate.")
    notes += [f"{run.name}: {note}." for run in runs for note in run.notes]
    return notes


def report_of(run: Run, folder: Path) -> str | None:
    """The report beside a run's answers, as a path from a folder; None if there is none."""
    page = (run.path if run.path.is_dir() else run.path.parent) / "report.html"
    return Path(os.path.relpath(page, folder)).as_posix() if page.is_file() else None
