"""What of a benchmark is in training data: `vicabench audit --against`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.adapters.extras import explained
from vicabench.audits.frames import same_frames
from vicabench.audits.overlap import FRAMES, QUESTION, VIDEO, Overlap, overlap_of, with_frames
from vicabench.benchmarks.paths import is_video
from vicabench.errors import ConfigError, DataError, csv_text
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.progress import records_read
from vicabench.reporting.files import made_folder, write_file
from vicabench.reporting.leaks import (
    LEAK_COLUMNS,
    leak_rows,
    leaks_jsonl,
    overlap_record,
    overlap_sheet,
)
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import SHEET_FORMATS, Sheet, show_sheets
from vicabench.results.frames import frame_of
from vicabench.screen import as_text, console

if TYPE_CHECKING:
    from pandas import DataFrame

ENDINGS = (".json", ".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """What training data has of a benchmark."""

    overlap: Overlap = field(repr=False)

    @property
    def videos(self) -> tuple[str, ...]:
        """Ids of the questions whose videos are in the training data, by name or by frames."""
        return self._ids(VIDEO, FRAMES)

    @property
    def questions(self) -> tuple[str, ...]:
        """Ids of the questions that are asked there in the same words about the same video."""
        return self._ids(QUESTION)

    def _ids(self, *levels: str) -> tuple[str, ...]:
        ids = {key for level in levels for key in self.overlap.ids(level)}
        return tuple(q.id for q in self.overlap.questions if q.id in ids)

    def sheets(self) -> list[Sheet]:
        """The table, a row per task."""
        return [overlap_sheet(self.overlap)]

    def table(self, style: str = "text") -> str:
        """Format the table as `vicabench audit --against` does.

        Args:
            style: `text`, `markdown`, `latex`, `csv` or `json`.

        Raises:
            ConfigError: For another style.
        """
        if style == "text":
            return as_text(lambda page: show_sheets(page, self.sheets()))
        if style in SHEET_FORMATS:
            return SHEET_FORMATS[style](self.sheets())
        if style == "csv":
            return csv_text(LEAK_COLUMNS, leak_rows(self.overlap))
        if style == "json":
            return json.dumps(overlap_record(self.overlap), indent=2)
        known = ", ".join(("text", *SHEET_FORMATS, "csv", "json"))
        raise ConfigError(f"There is no style '{style}'. Styles are {known}.")

    def frame(self) -> DataFrame:
        """One row per question that was found, with the numbers of records."""
        return frame_of(leak_rows(self.overlap), LEAK_COLUMNS)

    def save(self, folder: str | Path) -> list[Path]:
        """Write `overlap.jsonl`, and the ids of `videos` to `leaked.txt`, for `score --without`.

        ConfigError for a file that cannot be written.
        """
        place = made_folder(folder)
        texts = {
            "overlap.jsonl": leaks_jsonl(self.overlap),
            "leaked.txt": "".join(f"{key}\n" for key in self.videos),
        }
        for name, text in texts.items():
            write_file(place / name, text)
        return [place / name for name in texts]

    def _repr_html_(self) -> str:
        return "".join(sheet_html(sheet) for sheet in self.sheets())


def audit_against(
    source: Asked,
    training: Sequence[str | Path],
    *,
    media: str | Path | None = None,
    progress: bool = True,
    **selection: Any,
) -> Leaks:
    """Find the videos and questions of a benchmark in training data.

    Args:
        source: The benchmark; `selection` are further arguments of `vicabench.benchmark`.
        training: Files of conversations (`.json`, `.jsonl`, `.parquet`), or folders of them, in
            the layout of ViCA-322K or another that `vicabench train` reads. They are streamed.
        media: A folder of training videos, whose frames are compared with those of the
            benchmark's videos.
        progress: Whether to show progress on standard error.

    Raises:
        ConfigError, DataError: There is no such file, or it cannot be read.
    """
    paths = [Path(given) for given in training]
    if not paths:
        raise ConfigError("Name the files of training data to look into.")
    files = [_checked(path) for path in paths if not path.is_dir()]
    inside = [file for path in paths if path.is_dir() for file in _inside(path)]
    shown = None if media is None else _videos_in(Path(media))
    asked = benchmark(source, videos_needed=shown is not None, progress=progress, **selection)
    rubric = asked.benchmark.rubric
    with explained(), records_read(console(stderr=True, quiet=not progress)) as advance:
        found = overlap_of(asked.questions, rubric, files, inside=inside, progress=advance)
        if shown is not None:
            videos = {q.video: asked.benchmark.files[q.video] for q in asked.questions}
            found = with_frames(found, same_frames(videos, shown, progress=advance))
    return Leaks(overlap=found)


def _videos_in(folder: Path) -> list[Path]:
    """The videos of a folder, at any depth."""
    found = sorted(path for path in folder.rglob("*") if is_video(path.name))
    if not found:
        raise DataError(f"{folder} holds no video. Name the folder of the training videos.")
    return found


def _inside(folder: Path) -> list[Path]:
    """The files of a folder that may hold records."""
    found = sorted(file for file in folder.rglob("*") if file.suffix in ENDINGS)
    if not found:
        raise DataError(f"{folder} holds no file that ends in {', '.join(ENDINGS)}.")
    return found


def _checked(path: Path) -> Path:
    if not path.is_file() or path.suffix not in ENDINGS:
        raise DataError(
            f"{path} is not a file of training data: name one that ends in {', '.join(ENDINGS)}, "
            "or a folder of them."
        )
    return path
