"""Ranks of runs and published rows with their intervals: `vicabench rank`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.errors import ConfigError, DataError, counted, did_you_mean
from vicabench.front.compare import run_notes, runs_of
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reference import find_published, published_rows
from vicabench.reporting.comparison import p_text
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import NONE, Sheet, show_sheets
from vicabench.results.alike import check_alike, check_published, restricted_to_shared
from vicabench.results.run import Run
from vicabench.rubric import VSI, Rubric
from vicabench.scoring.clusters import LEVEL
from vicabench.scoring.compare import MICRO, OVERALL
from vicabench.scoring.ranks import Member, Rank, member_of, published_member, ranks_of
from vicabench.screen import as_text

if TYPE_CHECKING:
    from pandas import DataFrame

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Models, best first, with intervals of their ranks.

    Attributes:
        ranks: The models.
        by: The title of the score that they are ranked by.
        notes: What the ranking rests on.
    """

    ranks: tuple[Rank, ...]
    by: str
    notes: tuple[str, ...]

    @property
    def sheet(self) -> Sheet:
        """One row for each model."""
        rows = tuple(
            (
                each.name,
                f"{each.place}{'=' if each.tied else ''}",
                str(each.low) if each.low == each.high else f"{each.low}–{each.high}",
                f"{each.score:.1f}",
                NONE if each.p_next is None else p_text(each.p_next),
            )
            for each in self.ranks
        )
        return Sheet(
            title=f"Ranks by {self.by}, with simultaneous 95% intervals",
            columns=("", "rank", "interval", "score", "p next"),
            rows=rows,
            notes=self.notes,
        )

    def table(self) -> str:
        """The table as text."""
        return as_text(lambda page: show_sheets(page, [self.sheet]))

    @property
    def records(self) -> list[dict[str, Any]]:
        """One record for each model, best first."""
        return [asdict(each) for each in self.ranks]

    def frame(self) -> DataFrame:
        """One row for each model: `name`, `score`, `place`, `tied`, `low`, `high`, `p_next` ..."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        return pd.DataFrame(self.records)

    def __repr__(self) -> str:
        best = self.ranks[0]
        return f"<ranking of {counted(len(self.ranks), 'model')} by {self.by}: {best.name} first>"

    def _repr_html_(self) -> str:
        return sheet_html(self.sheet)


def rank(
    runs: Sequence[Run | str | Path] = (),
    *,
    published: Sequence[str] = (),
    by: str = OVERALL,
    protocol: str = "official",
    shared: bool = False,
) -> Ranking:
    """Rank runs, and printed rows beside them, with intervals that hold for all ranks together.

    Args:
        runs: Runs, or paths of run folders or predictions files, on the same questions.
        published: Names of published rows of VSI-Bench, or `all`.
        by: `overall`, `micro`, or a task.
        protocol: The grading protocol of the runs.
        shared: Whether runs with different questions are ranked on the questions they share.

    Raises:
        ConfigError: Fewer than two models, an unknown task or row, different questions without
            `shared`, or published rows beside runs of another benchmark.
        DataError: A run cannot be read, or the runs share no question.
    """
    rule = find_protocol(protocol)
    loaded = runs_of(runs) if runs else []
    if shared and not loaded:
        raise ConfigError("--shared is about the questions of runs: name some, or leave it out.")
    if shared:
        loaded = restricted_to_shared(loaded)
    check_alike(loaded)
    for run in loaded:
        check_published(bool(published), run.benchmark, run.questions)
    rubric = loaded[0].rubric_for(rule) if loaded else VSI
    name, title = _score(by, rubric)
    printed, lacking = _printed(published, name)
    members = [*_members(loaded, rule, name), *printed]
    if len(members) < 2:
        raise ConfigError("Ranks are about several models: give two at least.")
    notes = tuple(_notes(loaded, members, rule, lacking))
    return Ranking(ranks=tuple(ranks_of(members)), by=title, notes=notes)


def _members(runs: Sequence[Run], rule: Protocol, by: str) -> list[Member]:
    try:
        return [
            member_of(run.name, run.asked_grades(rule), run.rubric_for(rule), by) for run in runs
        ]
    except KeyError:
        raise DataError(f"These runs have no question of {by}: rank them by another.") from None


def _score(by: str, rubric: Rubric) -> tuple[str, str]:
    """The name and the title of a score, from either; ConfigError for neither."""
    names = {OVERALL: rubric.headline.title, MICRO: "Micro"}
    names |= {task.name: task.title for task in rubric.tasks}
    for name, title in names.items():
        if by.casefold() in (name.casefold(), title.casefold()):
            return name, title
    raise ConfigError(
        f"There is no score {by!r}. Scores are {', '.join(names)}.{did_you_mean(by, names)}"
    )


def _printed(words: Sequence[str], by: str) -> tuple[list[Member], list[str]]:
    """The printed rows to rank, and the names of those that do not print what it takes."""
    every = any(word == ALL for word in words)
    rows = published_rows() if every else [find_published(word) for word in words]
    known: dict[tuple[str, float], tuple[Member, str]] = {}
    lacking = []
    for row in rows:
        if member := published_member(row, by):
            known.setdefault((row.label, member.score), (member, row.source))
        else:
            lacking.append(row.label)
    if lacking and not every:
        raise ConfigError(
            f"{', '.join(lacking)}: the scores of all tasks on the whole benchmark are not "
            "printed, so that nothing follows about its rank. Leave it out."
        )
    several = Counter(member.name for member, _ in known.values())
    members = [
        member if several[member.name] == 1 else replace(member, name=f"{member.name} ({source})")
        for member, source in known.values()
    ]
    return members, lacking


def _notes(
    runs: Sequence[Run], members: Sequence[Member], rule: Protocol, lacking: Sequence[str]
) -> Iterator[str]:
    yield (
        f"interval: with a chance of {100 * (1 - LEVEL):g}% these contain the ranks of all true "
        "scores. p next: of the difference to the next model, after Holm's correction over all "
        f"pairs; above {LEVEL:g} the two cannot be told apart."
    )
    if runs:
        videos = next(len(each.parts_V) for each in members if each.parts_V is not None)
        yield (
            f"Runs: {counted(len(runs[0].asked()), 'question')} about {counted(videos, 'video')}, "
            f"protocol {rule.name}; paired permutation tests over videos."
        )
    if len(members) > len(runs):
        yield (
            "Printed scores are compared unpaired, with the largest spread that such scores can "
            "have on 5,130 independent questions; questions about one video are not independent."
        )
    if lacking:
        rows = counted(len(lacking), "row")
        yield f"Left out, as not all their tasks or questions are printed: {rows}."
    for run in runs:
        yield from run_notes(run)
