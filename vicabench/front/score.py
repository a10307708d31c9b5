"""Scores of a run as a table, a flat dict or a DataFrame: `vicabench score`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.audits.rebalance import effective, weights_of
from vicabench.errors import ConfigError, counted
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reporting.files import write_spreadsheet
from vicabench.reporting.scores import FORMATS, score_records, show, table_html
from vicabench.reporting.tables import range_text
from vicabench.results.frames import flat, scores_frame
from vicabench.results.run import Run, load_run, run_of_rows
from vicabench.rubric import VARIANTS
from vicabench.scoring.stats import score_run
from vicabench.screen import as_text
from vicabench.types import Estimate, Scores

if TYPE_CHECKING:
    from pandas import DataFrame

TEXT = "text"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scores of one run by one protocol, with 95% intervals over videos."""

    run: Run = field(repr=False)
    scores: Scores = field(repr=False)

    @property
    def overall(self) -> Estimate:
        """The unweighted mean of the tasks, in [0, 100]."""
        return self.scores.overall

    @property
    def micro(self) -> Estimate:
        """The mean over questions, in [0, 100]."""
        return self.scores.micro

    @property
    def tasks(self) -> Mapping[str, Estimate]:
        """The score of each task that has questions, in [0, 100]."""
        return self.scores.tasks

    def table(self, style: str = TEXT) -> str:
        """Format the table as `vicabench score` does.

        Args:
            style: `text`, `markdown`, `latex`, `csv` or `json`.

        Raises:
            ConfigError: For another style.
        """
        if style == TEXT:
            return as_text(lambda page: show(page, [self.scores], ()))
        if style not in FORMATS:
            known = ", ".join([TEXT, *FORMATS])
            raise ConfigError(f"There is no table style {style!r}. Styles are {known}.")
        return FORMATS[style]([self.scores], (), ())

    def save(self, path: str | Path) -> None:
        """Write the scores, one row, to a `.csv` or `.xlsx` file.

        ConfigError for another suffix, or a file that cannot be written.
        """
        write_spreadsheet(Path(path), *score_records([self.scores], ()), keep=[self.run.path])

    def frame(self) -> DataFrame:
        """One row per task, then `overall` and `micro`, in [0, 100], with the 95% intervals."""
        return scores_frame(self.scores)

    def to_dict(self) -> dict[str, float]:
        """A flat dict for experiment trackers: `overall`, `overall_low`, `object_counting` ...

        Scores and interval ends are in [0, 100]; undefined intervals are left out. `questions`,
        `videos` and `outcome_failed` are counts.
        """
        return flat(self.scores)

    def __repr__(self) -> str:
        s = self.scores
        interval = f" [{range_text(s.overall)}]"
        return (
            f"<Score of {s.model}: {s.overall.mean:.1f}{interval}, "
            f"{counted(s.overall.count, 'question')} "
            f"in {counted(s.overall.clusters, 'video')}, protocol {s.protocol}>"
        )

    def _repr_html_(self) -> str:
        return table_html([self.scores])


def score(
    predictions: Any, protocol: str = "official", *, name: str = "rows", rebalanced: bool = False
) -> Score:
    """Grade predictions by a published protocol.

    Args:
        predictions: A run, the path of a run folder or predictions file, or rows: a list of
            dicts or a DataFrame with `id`, `question_type`, `ground_truth`, `response`, and
            `video` (or `dataset` and `scene_name`). `response` is None for a missing reply.
        protocol: The name of a grading protocol.
        name: The name of the model, for rows.
        rebalanced: Whether to weight answers and objects evenly within every type of questions,
            so that constants and habits score less (after FN-VSI).

    Raises:
        ConfigError: For an unknown protocol, or an object that is neither a run nor rows.
        DataError: For an invalid row or line, which it names.
    """
    rule = find_protocol(protocol)
    if isinstance(predictions, Run):
        run = predictions
    elif isinstance(predictions, str | Path):
        run = load_run(predictions)
    else:
        run = run_of_rows(predictions, name)
    return Score(run=run, scores=evenly_weighted(run, rule) if rebalanced else run.scores(rule))


def evenly_weighted(run: Run, protocol: Protocol) -> Scores:
    """The scores of a run in which every answer and every object of a type counts alike.

    Raises:
        ConfigError: The headline score counts groups of questions, which have no weights.
    """
    if run.rubric.headline.how == VARIANTS:
        raise ConfigError(
            f"{run.path}: {run.rubric.headline.title} counts groups of questions, for which there "
            "are no rebalanced scores. Leave out --rebalanced."
        )
    name = f"{run.name} (rebalanced)"
    if run.incomplete:
        scores = run.scores(protocol)
        return replace(scores, model=name)
    weights = weights_of(run.questions, run.rubric)
    return score_run(
        run.grades(protocol),
        model=name,
        rubric=run.rubric,
        notes=(*run.notes, *_notes(run, weights)),
        weights=weights,
    )


def _notes(run: Run, weights: Mapping[str, float]) -> Iterator[str]:
    """What the weights are, and how many even questions they are worth in each task."""
    parts = []
    for task in run.rubric.tasks:
        mine = [weights[q.id] for q in run.questions if q.task in task.types]
        if mine:
            parts.append(f"{task.title} {math.floor(effective(mine))}")
    yield (
        "weights with which every answer and every object of a question type counts nearly alike "
        "(raking, at most five times the mean; after FN-VSI, whose weights are not published); "
        f"the questions are worth so many of equal weight: {', '.join(parts)}"
    )
