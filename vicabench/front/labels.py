"""Right answers in doubt: `vicabench audit --labels`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.audits.labels import Doubt, doubts_of, saw_videos
from vicabench.benchmarks.own import read_lines
from vicabench.errors import ConfigError, DataError, counted, csv_text
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.compare import runs_of
from vicabench.harnesses.protocols import find_protocol
from vicabench.reporting.doubts import DOUBT_COLUMNS, doubt_row, doubts_sheet, reviewed
from vicabench.reporting.files import made_folder, write_file
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import SHEET_FORMATS, Sheet, show_sheets
from vicabench.results.alike import check_alike
from vicabench.results.below import is_run
from vicabench.results.frames import frame_of
from vicabench.results.run import Run
from vicabench.results.store import PREDICTIONS
from vicabench.screen import as_text

if TYPE_CHECKING:
    from pandas import DataFrame

TOP = 10
LIST = "doubts.jsonl"


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Right answers in doubt, the strongest doubts first.

    Attributes:
        doubts: All doubts.
        asked: How many questions were looked at.
        runs: The runs that saw the videos.
        unseen: The runs that did not, and do not count.
        top: How many doubts the table lists.
    """

    doubts: tuple[Doubt, ...] = field(repr=False)
    asked: int
    runs: tuple[str, ...]
    unseen: tuple[str, ...]
    top: int = TOP

    def sheets(self) -> list[Sheet]:
        """The table of doubts."""
        return [
            doubts_sheet(
                self.doubts, asked=self.asked, runs=self.runs, unseen=self.unseen, top=self.top
            )
        ]

    def table(self, style: str = "text") -> str:
        """Format the table as `vicabench audit --labels` does.

        Args:
            style: `text`, `markdown`, `latex`, `csv` or `json`.

        Raises:
            ConfigError: For another style.
        """
        rows = [doubt_row(doubt) for doubt in self.doubts]
        if style == "text":
            return as_text(lambda page: show_sheets(page, self.sheets()))
        if style in SHEET_FORMATS:
            return SHEET_FORMATS[style](self.sheets())
        if style == "csv":
            return csv_text(DOUBT_COLUMNS, rows)
        if style == "json":
            looked = {"questions": self.asked, "runs": self.runs, "without_sight": self.unseen}
            return json.dumps({**looked, "doubts": rows}, indent=2)
        known = ", ".join(("text", *SHEET_FORMATS, "csv", "json"))
        raise ConfigError(f"There is no style '{style}'. Styles are {known}.")

    def frame(self) -> DataFrame:
        """One row per doubt."""
        return frame_of([doubt_row(doubt) for doubt in self.doubts], DOUBT_COLUMNS)

    def save(self, folder: str | Path) -> list[Path]:
        """Write `doubts.jsonl`, a list to review; verdicts in an existing one are kept.

        Raises:
            ConfigError: The file cannot be written.
            DataError: The file is there, and is not such a list.
        """
        file = made_folder(folder) / LIST
        read = read_lines(file) if file.exists() else ()
        before = [_listed(file, place, row) for place, row in read]
        write_file(file, reviewed([doubt_row(doubt) for doubt in self.doubts], before))
        return [file]

    def _repr_html_(self) -> str:
        return "".join(sheet_html(sheet) for sheet in self.sheets())


def _listed(file: Path, place: str, row: object) -> Mapping[str, Any]:
    if not isinstance(row, Mapping) or not {"id", "doubt", "verdict"} <= row.keys():
        raise DataError(
            f"{file.name}, {place}: not a line of a list of doubts, so the file is not "
            "overwritten. Name another file."
        )
    return row


def audit_labels(
    runs: Sequence[Run | str | Path] = (),
    *,
    source: Asked | None = None,
    protocol: str = "official",
    top: int = TOP,
    progress: bool = True,
    **selection: Any,
) -> Labels:
    """List right answers in doubt: a reason to look at the video, not a verdict.

    Where most of three or more runs that saw the videos agree on another answer; where answers
    about one scene cannot all be right (numbers, sides, orders, closest things); and numbers far
    from all others of the same thing.

    Args:
        runs: Runs on the same questions, or their paths.
        source: The benchmark; by default the questions of the runs. `selection` are further
            arguments of `vicabench.benchmark`.
        protocol: The grading protocol of the runs.
        top: How many doubts the table lists.
        progress: Whether to show the progress of building Rooms.

    Raises:
        ConfigError, DataError: Neither runs nor a benchmark is given, or runs were asked
            different questions.
    """
    rule = find_protocol(protocol)
    loaded = runs_of(runs) if runs else []
    check_alike(loaded, advice="Name runs of one benchmark.")
    if source is not None:
        asked = benchmark(source, videos_needed=False, progress=progress, **selection)
        questions, rubric = asked.questions, asked.benchmark.rubric
        _check_same({q.id for q in questions}, loaded)
    elif loaded and not selection:
        questions, rubric = tuple(loaded[0].questions), loaded[0].rubric
    else:
        raise ConfigError("Right answers are looked at in runs, or in a benchmark: name either.")
    seeing = [run for run in loaded if saw_videos(run)]
    grades = {run.name: run.grades(rule) for run in seeing}
    return Labels(
        doubts=tuple(doubts_of(questions, rubric, grades)),
        asked=len(questions),
        runs=tuple(grades),
        unseen=tuple(run.name for run in loaded if not saw_videos(run)),
        top=top,
    )


def _check_same(ids: set[str], runs: Sequence[Run]) -> None:
    for run in runs:
        if strangers := set(run.asked()) - ids:
            raise DataError(
                f"{run.path} has {counted(len(strangers), 'question')} that the benchmark does "
                "not have. Name the benchmark that it was asked."
            )


def is_of_runs(path: Path) -> bool:
    """Whether a path leads to a run, a folder of runs, or a predictions file."""
    if path.is_dir():
        return is_run(path) or any(path.rglob(PREDICTIONS))
    if not path.is_file():
        return False
    row = next(read_lines(path, every=True), ("", None))[1]
    return isinstance(row, Mapping) and "response" in row
