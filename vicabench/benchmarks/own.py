"""Your own questions: a JSON Lines file with a folder of videos, or rows in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vicabench.benchmarks.loading import read_records
from vicabench.benchmarks.paths import refuse_links_out, video_file
from vicabench.errors import LFS_POINTER, ConfigError, DataError, an
from vicabench.files import digest_of
from vicabench.types import Benchmark, Question


def load(path: Path, videos: Path | None = None, *, videos_needed: bool = True) -> Benchmark:
    """Load the questions in `path`, their videos below `videos` (default: the file's folder).

    The name is the file's (`mine.jsonl`, never that of a published benchmark), the subset `full`,
    the revision the SHA-256 of the file.

    Raises:
        DataError: for a bad questions file, or when not one of its videos is there
            (unless `videos_needed` is False).
    """
    return benchmark_of(
        read_questions(path),
        name=path.name,
        subset="full",
        revision=digest(path),
        folder=path.parent if videos is None else videos,
        videos_needed=videos_needed,
        source=str(path),
    )


def benchmark_of(
    questions: tuple[Question, ...],
    *,
    name: str,
    subset: str,
    revision: str,
    folder: Path,
    videos_needed: bool,
    source: str | None = None,
    **more: Any,
) -> Benchmark:
    """A benchmark of questions whose videos lie below `folder`; `source` is its name in messages.

    `more` are further fields of `Benchmark`, such as its rubric.

    Raises:
        DataError: Without questions, for a video that is a link out of the folder, or if no video
            exists (unless `videos_needed` is False).
    """
    source = source or name
    if not questions:
        raise DataError(f"{source} has no questions.")
    files = {question.video: video_file(folder, question.video) for question in questions}
    refuse_links_out(folder, files.values())
    if videos_needed and not any(file.is_file() for file in files.values()):
        first = next(iter(files.values()))
        raise DataError(
            f"No video that {source} asks about ({len(files)} in all) is below {folder}: the first "
            f"was looked for at {first}. Say where they are with --videos DIR."
        )
    return Benchmark(
        name=name, subset=subset, revision=revision, questions=questions, files=files, **more
    )


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read the questions of a JSON Lines file, in its order.

    Raises:
        DataError: If the file cannot be read or is empty, or a line is invalid, which it names.
    """
    questions = read_records(path.name, read_lines(path))
    if not questions:
        raise DataError(f"{path} has no questions. Write one JSON object per line.")
    return questions


def read_lines(path: Path, *, every: bool = False) -> Iterator[tuple[str, object]]:
    """Yield `("line 3", value)` for every non-blank line of a JSON Lines file.

    Raises:
        DataError: For a line that is not JSON; with `every`, the error is the value of the line.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError for too many digits, too
            if not every:
                raise DataError(f"{path.name}, line {number}: not JSON ({error}).") from None
            yield f"line {number}", DataError(f"not JSON ({error}).")


def digest(path: Path) -> str:
    """Return `sha256:` and the hash of the file's content, the revision of files without a commit.

    Raises:
        DataError: If the file cannot be read.
    """
    return f"sha256:{hashlib.sha256(_content_of(path)).hexdigest()}"


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The digest of each of these files."""
    return {name: digest(folder / name) for name in names}


def digest_of_all(digests: Mapping[str, str]) -> str:
    """One digest for several files; that of the file if there is only one."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    return f"sha256:{digest_of(sorted(digests.items()))}"


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file; DataError if it cannot be read."""
    try:
        text = _content_of(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from None
    if text.startswith(LFS_POINTER):
        raise DataError(
            f"{path} is a Git-LFS pointer in place of the file. Type `git lfs pull` in its "
            "repository, or download the file."
        )
    return text


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def benchmark_of_rows(
    rows: Any, name: str, videos: Path | None, *, videos_needed: bool = True
) -> Benchmark:
    """A benchmark of rows with the columns of VSI-Bench; its revision is their digest.

    `videos` is the folder of their videos, the current one by default.

    Raises:
        ConfigError: For something that is not rows.
        DataError: Naming the row that is wrong, or if no video exists and `videos_needed`.
    """
    records = plain_rows(rows)
    questions = read_records(name, ((f"row {n}", row) for n, row in enumerate(records)))
    if not questions:
        raise DataError(f"{name} has no questions.")
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


def plain_rows(rows: Any) -> list[dict[str, Any]]:
    """Rows as dicts of JSON values, with None for missing cells; ConfigError for other objects."""
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # a DataFrame, without importing it
        rows = rows.to_dict("records")
    if isinstance(rows, Mapping | str) or not isinstance(rows, Iterable):
        raise ConfigError(
            f"Rows are a list of dicts or a DataFrame, not {an(type(rows).__name__)}."
        )
    plain = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ConfigError(f"Row {number} is {an(type(row).__name__)}, not a dict.")
        plain.append({str(key): _plain(value) for key, value in row.items()})
    return plain


def _plain(value: Any) -> Any:
    """A cell as a JSON value: numpy scalars and arrays as Python's, NaN and NaT as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if value is None or value != value:  # noqa: PLR0124  (NaN, and pandas' other missing values)
        return None
    if isinstance(value, str | int | float | bool):
        return value
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value
