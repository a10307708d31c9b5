"""Your own questions as rows in memory: a list of dicts, or a pandas DataFrame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vicabench.config import digest_of
from vicabench.datasets.paths import video_file
from vicabench.datasets.records import read_records
from vicabench.errors import DataError
from vicabench.rows import plain_rows
from vicabench.types import Benchmark


def benchmark_of_rows(
    rows: Any, name: str, videos: Path | None, *, videos_needed: bool = True
) -> Benchmark:
    """A benchmark of rows in the columns of VSI-Bench; its revision is a digest of them.

    `videos` is the folder of their videos, the current one by default.

    Raises:
        ConfigError: For something that is not rows.
        DataError: Naming the row that is wrong, or if no video exists and `videos_needed`.
    """
    records = plain_rows(rows)
    questions = read_records(name, ((f"row {n}", row) for n, row in enumerate(records)))
    if not questions:
        raise DataError(f"{name} holds no question.")
    folder = videos or Path()
    files = {q.video: video_file(folder, q.video) for q in questions}
    if videos_needed and not any(file.is_file() for file in files.values()):
        first = next(iter(files.values()))
        raise DataError(
            f"No video of {name} is below {folder.absolute()}: the first was looked for at "
            f"{first}. Say where they are with videos=."
        )
    return Benchmark(
        name=name,
        subset="full",
        revision=f"sha256:{digest_of(records)}",
        questions=questions,
        files=files,
    )
