"""VSI-Bench and its subsets, from a local folder in the layout of `nyu-visionx/VSI-Bench`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vicabench.benchmarks import fetched, loading, own
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.hub import Listing
from vicabench.benchmarks.loading import read_records
from vicabench.benchmarks.own import read_text
from vicabench.benchmarks.paths import cache_dir, refuse_links_out
from vicabench.benchmarks.source import Source, refuse
from vicabench.errors import ConfigError, DataError, counted, did_you_mean
from vicabench.types import Benchmark, Question

SUBSETS = ("full", "debiased", "pruned")
PRUNED_PARQUET, PRUNED_LIST, DEBIASED_PARQUET = (
    "test_pruned.parquet",
    "pruned_ids.txt",
    "test_debiased.parquet",
)
SUBSET_FILES = (PRUNED_PARQUET, PRUNED_LIST, DEBIASED_PARQUET)


COUNTS = {"full": 5130, "debiased": 2362, "pruned": 2768}
"""The questions of each subset, as published."""
LAST_ID = 5155


@cache
def published_pruned_ids() -> frozenset[str]:
    """Return the ids that VSI-Bench-Debiased omits, for data without that information.

    Source: github vision-x-nyu/test-set-training @472257c (arXiv 2511.04655).
    """
    file = resources.files("vicabench.benchmarks") / "pruned_ids.txt"
    return frozenset(file.read_text(encoding="utf-8").split())


def select(
    questions: tuple[Question, ...],
    rows: Sequence[Mapping[str, Any]],
    subset: str,
    folder: Path,
) -> tuple[Question, ...]:
    """Return the questions of `subset` in their order; `rows` are the same questions' rows.

    Raises:
        DataError: If neither a column nor a file defines the subset.
    """
    if subset == "full":
        return questions
    known = frozenset(question.id for question in questions)
    pruned = _pruned_column(rows)
    if pruned is None:
        pruned = _pruned_file(folder, known)
    if pruned is None:
        raise DataError(
            f"The subset {subset!r} cannot be told apart in {folder}: the questions have no column "
            f"'pruned', and there is no {', no '.join(SUBSET_FILES)}. Fetch a newer revision."
        )
    return tuple(q for q in questions if (q.id in pruned) == (subset == "pruned"))


def _pruned_column(rows: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the ids that the column marks; None unless it is boolean in every row."""
    if not all(isinstance(row.get("pruned"), bool) for row in rows):
        return None
    return frozenset(str(row["id"]) for row in rows if row["pruned"])


def _pruned_file(folder: Path, known: frozenset[str]) -> frozenset[str] | None:
    """Return the ids in the first existing file, checked to be ids of questions."""
    readers: dict[str, Callable[[Path], Iterable[str]]] = {
        PRUNED_PARQUET: _parquet_ids,
        PRUNED_LIST: _listed_ids,
        DEBIASED_PARQUET: _parquet_ids,
    }
    for name, read in readers.items():
        if not (folder / name).is_file():
            continue
        ids = frozenset(read(folder / name))
        if strangers := sorted(ids - known):
            raise DataError(
                f"{folder / name} names {counted(len(strangers), 'id')} that no question has, "
                f"for example {strangers[0]!r}. Fetch all files from one revision."
            )
        return known - ids if name == DEBIASED_PARQUET else ids
    return None


def _parquet_ids(path: Path) -> list[str]:
    rows = [row for _, row in loading.read_rows(path) if isinstance(row, dict)]
    if any(row.get("id") is None for row in rows):
        raise DataError(f"{path} has rows without an 'id'. Fetch or copy it again.")
    return [str(row["id"]) for row in rows]


def _listed_ids(path: Path) -> list[str]:
    return read_text(path).split()


NAME = "vsi-bench"
QUESTION_FILES = ("test-00000-of-00001.parquet", "test.jsonl")
"""The files that may hold all questions; the first existing one is read."""


@dataclass(frozen=True, kw_only=True)
class QuestionSet:
    """All questions of a folder with their rows, in the order of the file."""

    file: Path
    questions: tuple[Question, ...]
    rows: tuple[Mapping[str, Any], ...]


def default_folder() -> Path:
    """Return the default folder of VSI-Bench."""
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
        DataError: If questions or videos are missing, changed or malformed, or their number
            is wrong; it says which command brings them. Without `videos_needed` the videos
            are not looked at.
    """
    if subset not in SUBSETS:
        near = did_you_mean(subset, SUBSETS)
        raise ConfigError(f"The subset {subset!r} is unknown. Choose {', '.join(SUBSETS)}.{near}")
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
        revision=own.digest(everything.file) if record is None else record.revision,
        questions=questions,
        files=files,
    )


def read_questions(folder: Path) -> QuestionSet:
    """Read every question in `folder`; DataError if there are none or one is malformed."""
    file = next((folder / name for name in QUESTION_FILES if (folder / name).is_file()), None)
    if file is None:
        raise DataError(f"VSI-Bench is not in {folder}. {how_to_get(folder)}")
    reader = loading.read_rows if file.suffix == ".parquet" else own.read_lines
    placed = tuple(reader(file))
    questions = read_records(file.name, placed)
    rows = tuple(row for _, row in placed if isinstance(row, dict))
    return QuestionSet(file=file, questions=questions, rows=rows)


def check_unchanged(file: Path, record: Fetched | None) -> None:
    """Refuse a questions file that differs from the downloaded one."""
    if record is None or file.name not in record.questions:
        return
    if own.digest(file) != record.questions[file.name]:
        raise DataError(
            f"{file} is not the file that was fetched from {record.repo} at {record.revision}. "
            f"Delete it and type: {fetch_command(file.parent, record)}"
        )


def check_count(questions: tuple[Question, ...], subset: str, repo: str) -> None:
    """Check for the published number of questions, or, in other data sets, for at least one."""
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


def check_videos(folder: Path, files: dict[str, Path], record: Fetched | None) -> None:
    """Refuse a folder that is incomplete, or whose videos were changed since.

    Single missing videos are allowed: only their questions fail.
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
            f"{folder}, for example {missing[0]}. {how_to_get(folder, record)}"
        )
    sizes = {} if record is None else record.videos
    changed = [file for file in files.values() if _is_changed(file, folder, sizes)]
    if changed:
        raise DataError(
            f"{len(changed)} of {counted(len(files), 'video')} in {folder} were changed after "
            f"the download: their sizes differ, for example {changed[0]}. "
            f"`{fetch_command(folder, record)}` fetches them again."
        )


def _is_changed(file: Path, folder: Path, sizes: Mapping[str, int]) -> bool:
    size = sizes.get(file.relative_to(folder).as_posix())
    return size is not None and file.is_file() and not fetched.has_size(file, size)


def how_to_get(folder: Path, record: Fetched | None = None) -> str:
    """Advice on how to download VSI-Bench, and what works without it."""
    return (
        f"`{fetch_command(folder, record)}` brings it (5.7 GB; it continues where it was "
        "interrupted). `--benchmark rooms` works offline."
    )


def fetch_command(folder: Path, record: Fetched | None = None, verb: str = "fetch") -> str:
    """Return the command that fetches the recorded data into `folder`."""
    repo = "" if record is None or record.repo == fetched.REPO else f" --repo {record.repo}"
    return f"vicabench data {verb} {NAME}{data_option(folder)}{repo}"


def data_option(folder: Path) -> str:
    """Return the option that names `folder`, empty for the default."""
    return "" if folder == default_folder() else f" --data {folder}"


class VsiLayout:
    """The layout of `nyu-visionx/VSI-Bench`: a zip for each of its parts; see `layout.Layout`."""

    name, repo, revision, advice = NAME, fetched.REPO, "main", ""

    @property
    def folder(self) -> Path:
        """The default folder."""
        return default_folder()

    def tables(self, listing: Listing) -> tuple[str, ...]:
        """The questions and the files of the subsets."""
        main = next((name for name in QUESTION_FILES if name in listing.files), None)
        if main is None:
            raise DataError(
                f"{listing.repo} at {listing.revision} is not laid out like VSI-Bench: it has "
                f"neither {' nor '.join(QUESTION_FILES)}."
            )
        return (main, *(name for name in SUBSET_FILES if name in listing.files))

    def tables_in(self, folder: Path) -> tuple[str, ...]:
        """The file of questions."""
        return (read_questions(folder).file.name,)

    def check(self, folder: Path, record: Fetched) -> dict[str, int]:
        """The number of questions; refuses changed ones, and another number than published."""
        everything = read_questions(folder)
        check_unchanged(everything.file, record)
        check_count(everything.questions, "full", record.repo)
        return {"full": len(everything.questions)}

    def owed(self, folder: Path, record: Fetched, files: Collection[str] | None) -> tuple[str, ...]:
        """The zips that are not unpacked, or whose videos are incomplete."""
        del files
        questions = read_questions(folder).questions
        zips = sorted({f"{question.video.split('/')[0]}.zip" for question in questions})
        damaged = {f"{name.split('/')[0]}.zip" for name in fetched.damaged(folder, record)}
        return tuple(name for name in zips if name not in record.archives or name in damaged)

    def wanted(self, folder: Path) -> None:
        """The videos in the zip's own folder."""
        del folder

    def missing(self, folder: Path, record: Fetched) -> tuple[list[str], int]:
        """The videos that questions name and no zip had."""
        del record
        questions = read_questions(folder).questions
        videos = sorted({f"{question.video}.mp4" for question in questions})
        return [name for name in videos if not (folder / name).is_file()], len(videos)

    def command(self, folder: Path, record: Fetched | None = None, verb: str = "fetch") -> str:
        """The command that brings or unpacks the data."""
        return fetch_command(folder, record, verb)


class VsiBench:
    """VSI-Bench, found by its name; see `source.Loader` and `layout.Fetchable`."""

    subsets = SUBSETS

    def load(self, source: Source) -> Benchmark:
        """Load a subset from a local folder."""
        refuse(NAME, videos=source.videos)
        return load(subset=source.subset, folder=source.data, videos_needed=source.videos_needed)

    def layout(self, subset: str) -> VsiLayout:
        """The layout, which all subsets share."""
        if subset not in SUBSETS:
            raise ConfigError(f"The subset {subset!r} is unknown. Choose {', '.join(SUBSETS)}.")
        return VsiLayout()


BENCHMARK = VsiBench()
