"""VSI-Bench from a local folder in the layout of `nyu-visionx/VSI-Bench` (arXiv 2412.14171).

Questions are `test-00000-of-00001.parquet`, or `test.jsonl`; exactly one file is read, since a
glob over `test*.parquet` would count rows twice. Videos are `<dataset>/<scene_name>.mp4`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.datasets import fetched, jsonl, parquet
from vicabench.datasets.cache import cache_dir
from vicabench.datasets.paths import refuse_links_out
from vicabench.datasets.records import read_records
from vicabench.datasets.subsets import COUNTS, SUBSETS, select
from vicabench.errors import ConfigError, DataError
from vicabench.text import counted
from vicabench.types import Benchmark, Question

NAME = "vsi-bench"
QUESTION_FILES = ("test-00000-of-00001.parquet", "test.jsonl")
"""The files that hold all questions, the first of them that exists is read."""


@dataclass(frozen=True, kw_only=True)
class QuestionSet:
    """All questions of a folder, and the rows they come from, in the file's order."""

    file: Path
    questions: tuple[Question, ...]
    rows: tuple[Mapping[str, Any], ...]


def default_folder() -> Path:
    """Return where VSI-Bench is looked for and fetched to when no folder is named."""
    return cache_dir() / NAME


def load(
    *, subset: str = "full", folder: Path | None = None, videos_needed: bool = True
) -> Benchmark:
    """Load a subset (`full`, `debiased`, `pruned`) from `folder` (default: `default_folder()`).

    A folder that was fetched from a repository other than the published one is named after it;
    the published numbers of questions are required of every other folder. The revision is the
    recorded commit, or the digest of the questions file where nothing is recorded.

    Raises:
        ConfigError: for an unknown subset.
        DataError: when questions or videos are missing, changed or malformed, or their number
            is wrong; it says which command brings them. Without `videos_needed` the videos
            are not looked at.
    """
    if subset not in SUBSETS:
        raise ConfigError(f"The subset {subset!r} is unknown. Choose {', '.join(SUBSETS)}.")
    folder = default_folder() if folder is None else folder
    everything = read_questions(folder)
    record = fetched.read(folder)
    check_unchanged(everything.file, record)
    repo = fetched.REPO if record is None else record.repo
    check_count(everything.questions, "full", repo)
    questions = select(everything.questions, everything.rows, subset, folder)
    check_count(questions, subset, repo)
    files = {question.video: folder / f"{question.video}.mp4" for question in questions}
    refuse_links_out(folder, files.values())
    if videos_needed:
        check_videos(folder, files, record)
    return Benchmark(
        name=NAME if repo == fetched.REPO else repo,
        subset=subset,
        revision=jsonl.digest(everything.file) if record is None else record.revision,
        questions=questions,
        files=files,
    )


def read_questions(folder: Path) -> QuestionSet:
    """Read every question in `folder`; DataError when there are none, or one is malformed."""
    file = next((folder / name for name in QUESTION_FILES if (folder / name).is_file()), None)
    if file is None:
        raise DataError(f"VSI-Bench is not in {folder}. {how_to_get(folder)}")
    reader = parquet.read_rows if file.suffix == ".parquet" else jsonl.read_lines
    placed = tuple(reader(file))
    questions = read_records(file.name, placed)
    rows = tuple(row for _, row in placed if isinstance(row, dict))
    return QuestionSet(file=file, questions=questions, rows=rows)


def check_unchanged(file: Path, record: fetched.Fetched | None) -> None:
    """Refuse a questions file that is not the one that was fetched."""
    if record is None or file.name not in record.questions:
        return
    if jsonl.digest(file) != record.questions[file.name]:
        raise DataError(
            f"{file} is not the file that was fetched from {record.repo} at {record.revision}. "
            f"Delete it and type: {fetch_command(file.parent, record)}"
        )


def check_count(questions: tuple[Question, ...], subset: str, repo: str) -> None:
    """Require the published number of questions of the published data set, some of any other."""
    expected = COUNTS[subset]
    if repo == fetched.REPO and len(questions) != expected:
        raise DataError(
            f"The subset {subset!r} of {repo} has {counted(expected, 'question')}, but "
            f"{len(questions)} were "
            "read. Fetch it into an empty folder, or choose another --revision. For a data set of "
            "your own in this layout, say whose it is when you fetch or unpack it: "
            "--repo OWNER/NAME."
        )
    if not questions:
        raise DataError(f"The subset {subset!r} of {repo} has no questions.")


def check_videos(folder: Path, files: dict[str, Path], record: fetched.Fetched | None) -> None:
    """Refuse a folder that was not filled to the end, or whose videos were changed since.

    Single videos that are missing are no reason: they become errors of their own questions.
    """
    missing = [file for file in files.values() if not file.is_file()]
    zips = sorted({f"{file.parent.name}.zip" for file in missing})
    if missing and all((folder / name).is_file() for name in zips):
        raise DataError(
            f"{len(missing)} of {counted(len(files), 'video')} in {folder} are still in "
            f"{', '.join(zips)}. "
            f"Unpack them with: vicabench data unpack {NAME}{data_option(folder)}"
        )
    unfinished = record is not None and not fetched.is_finished(folder)
    if len(missing) == len(files) or (missing and unfinished):
        raise DataError(
            f"{len(missing)} of {counted(len(files), 'video')} of VSI-Bench are missing in "
            f"{folder}, {missing[0]} for one. {how_to_get(folder, record)}"
        )
    sizes = {} if record is None else record.videos
    changed = [file for file in files.values() if _is_changed(file, folder, sizes)]
    if changed:
        raise DataError(
            f"{len(changed)} of {counted(len(files), 'video')} in {folder} are not the ones that "
            f"were fetched: their sizes differ, {changed[0]} for one. "
            f"`{fetch_command(folder, record)}` brings them again."
        )


def _is_changed(file: Path, folder: Path, sizes: Mapping[str, int]) -> bool:
    size = sizes.get(file.relative_to(folder).as_posix())
    return size is not None and file.is_file() and not fetched.has_size(file, size)


def how_to_get(folder: Path, record: fetched.Fetched | None = None) -> str:
    """Say which command brings VSI-Bench, and what works without it."""
    return (
        f"`{fetch_command(folder, record)}` brings it (5.7 GB; it continues where it was "
        "interrupted). `--benchmark rooms` works offline."
    )


def fetch_command(folder: Path, record: fetched.Fetched | None = None) -> str:
    """Return the command that fetches into `folder` what is recorded there."""
    repo = "" if record is None or record.repo == fetched.REPO else f" --repo {record.repo}"
    return f"vicabench data fetch {NAME}{data_option(folder)}{repo}"


def data_option(folder: Path) -> str:
    """Return the option that names `folder`, where it is not the default."""
    return "" if folder == default_folder() else f" --data {folder}"
