"""How a published data set lies in its repository and in a folder: tables, zips and videos."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from vicabench.benchmarks import fetched, loading, own
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.hub import Listing
from vicabench.benchmarks.paths import cache_dir, is_video, stays_inside
from vicabench.errors import DataError, counted
from vicabench.types import Question


@dataclass(kw_only=True)
class RepositoryLayout:
    """The layout of a subset of a published benchmark; see `layout.Layout`.

    Its zips are those that fit the first of `archives` that fits any.

    A file or member of a zip is the video `64_frame/a.mp4` if its path is that, or ends with it:
    archives of the same videos differ by a folder at their top.
    """

    name: str
    repo: str
    revision: str
    folder: Path
    patterns: tuple[str, ...]
    archives: tuple[str, ...]
    subset: str
    option: str
    size: str
    assumes: tuple[str, ...]
    questions_in: Callable[[Path, Fetched | None], tuple[Question, ...]]
    _videos: dict[Path, frozenset[str]] = field(default_factory=dict)

    def tables(self, listing: Listing) -> tuple[str, ...]:
        """The files that hold questions."""
        names = tuple(sorted(filter(self._is_table, listing.files)))
        if not any(is_data(name) for name in names):
            raise DataError(self._no_tables(f"{listing.repo} at {listing.revision}"))
        size = sum(listing.files[name].size for name in names)
        if size > loading.LARGEST:
            raise DataError(
                f"{listing.repo} is refused: its tables have {counted(size, 'byte')}, and no "
                f"questions have over {loading.LARGEST:,}."
            )
        return names

    def tables_in(self, folder: Path) -> tuple[str, ...]:
        """The same files in a folder."""
        inside = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        names = tuple(sorted(name for name in inside if self._is_table(name)))
        if not any(is_data(name) for name in names):
            if fetched.read(folder) is None:
                raise DataError(f"{self.name} is not in {folder}. {self._how_to_get(folder)}")
            raise DataError(
                f"{folder} has other subsets of {self.name}. {self._how_to_get(folder)}"
            )
        return names

    def _is_table(self, name: str) -> bool:
        ours = name in (fetched.DONE, fetched.UNDER_WAY) or name.startswith(".")
        fits = any(fnmatch(name, pattern) for pattern in self.patterns)
        return fits and not ours and stays_inside(name)

    @property
    def advice(self) -> str:
        """What is assumed of the data set, for the message that refuses one that differs."""
        assumed = "; ".join(self.assumes)
        known = f" Assumed is: {assumed}." if assumed else ""
        return f"{known} Choose a revision that is like this with --revision."

    def _no_tables(self, what: str) -> str:
        return (
            f"{what} differs from what is assumed of {self.name}: it has no file "
            f"{' or '.join(self.patterns)}.{self.advice}"
        )

    def check_unchanged(
        self, folder: Path, names: Iterable[str], record: Fetched | None
    ) -> dict[str, str]:
        """The digests of tables; DataError if they are not those that were fetched."""
        digests = own.digests(folder, names)
        for name, digest in digests.items():
            if record is not None and record.questions.get(name, digest) != digest:
                raise DataError(
                    f"{folder / name} is not the file that was fetched from {record.repo} at "
                    f"{record.revision}. Delete it and type: {self.command(folder, record)}"
                )
        return digests

    def check(self, folder: Path, record: Fetched) -> dict[str, int]:
        """The number of questions; refuses what differs from the assumptions."""
        self.check_unchanged(folder, self.tables_in(folder), record)
        questions = self.questions_in(folder, record)
        self._videos[folder] = frozenset(question.video for question in questions)
        return {self.subset: len(questions)}

    def videos(self, folder: Path, record: Fetched | None) -> frozenset[str]:
        """The videos of all questions, which are read once."""
        if folder not in self._videos:
            questions = self.questions_in(folder, record)
            self._videos[folder] = frozenset(question.video for question in questions)
        return self._videos[folder]

    def owed(self, folder: Path, record: Fetched, files: Collection[str] | None) -> tuple[str, ...]:
        """The missing videos that are files, and the zips that may hold the others."""
        videos = self.videos(folder, record)
        known = {name: video_of(name, videos) for name in record.videos}
        whole = {
            known[n] for n, size in record.videos.items() if fetched.has_size(folder / n, size)
        }
        lacking = videos - whole
        if not lacking or files is None:
            return tuple(sorted(lacking))
        plain = {name: video_of(name, lacking) for name in files if is_video(name)}
        found = sorted(name for name, video in plain.items() if video)
        lacking -= {plain[name] or "" for name in found}
        return (*found, *self._zips(record, files, lacking, known))

    def _zips(
        self,
        record: Fetched,
        files: Iterable[str],
        lacking: frozenset[str],
        known: Mapping[str, str | None],
    ) -> list[str]:
        """The zips that held lacking videos, and the unopened ones if some were never seen."""
        held = {
            record.held[name] for name in known if name in record.held and known[name] in lacking
        }
        opened = {record.held[name] for name in known if name in record.held and known[name]}
        unseen = lacking - set(known.values())
        return sorted(
            name
            for name in self._candidates(files)
            if name in held or (unseen and name not in opened)
        )

    def _candidates(self, files: Iterable[str]) -> list[str]:
        """The zips of the first pattern that fits any."""
        fits = ([name for name in files if fnmatch(name, each)] for each in self.archives)
        return next((names for names in fits if names), [])

    def wanted(self, folder: Path) -> Callable[[str], bool]:
        """The members of zips that are videos of questions."""
        videos = self._videos[folder]
        return lambda name: is_video(name) and video_of(name, videos) is not None

    def missing(self, folder: Path, record: Fetched | None) -> tuple[list[str], int]:
        """The videos of questions that are not there."""
        videos = self.videos(folder, record)
        files = self.files(folder, videos, record)
        return sorted(name for name in videos if not files[name].is_file()), len(videos)

    def files(
        self, folder: Path, videos: Collection[str], record: Fetched | None
    ) -> dict[str, Path]:
        """The file of every video, which may not exist."""
        if record is None:
            paths = (path for path in folder.rglob("*") if is_video(path.name))
            names: Iterable[str] = sorted(path.relative_to(folder).as_posix() for path in paths)
        else:
            names = record.videos
        found = {video_of(name, videos): folder / name for name in names}
        return {video: found.get(video, folder / video) for video in sorted(videos)}

    def check_videos(self, folder: Path, files: Mapping[str, Path], record: Fetched | None) -> None:
        """Refuse a folder that is incomplete, or whose videos were changed since.

        Single missing videos are allowed: only their questions fail.
        """
        missing = [file for file in files.values() if not file.is_file()]
        unfinished = record is not None and not fetched.is_finished(folder)
        if len(missing) == len(files) or (missing and unfinished):
            raise DataError(
                f"{len(missing)} of {counted(len(files), 'video')} of {self.name} are missing in "
                f"{folder}, for example {missing[0]}. {self._how_to_get(folder, record)}"
            )
        sizes = {} if record is None else {folder / n: size for n, size in record.videos.items()}
        changed = [
            file
            for file in files.values()
            if file in sizes and file.is_file() and not fetched.has_size(file, sizes[file])
        ]
        if changed:
            raise DataError(
                f"{len(changed)} of {counted(len(files), 'video')} in {folder} were changed after "
                f"the download: their sizes differ, for example {changed[0]}. "
                f"`{self.command(folder, record)}` fetches them again."
            )

    def _how_to_get(self, folder: Path, record: Fetched | None = None) -> str:
        size = f"{self.size}; " if self.size else ""
        return (
            f"`{self.command(folder, record)}` brings it ({size}it continues where it was "
            "interrupted)."
        )

    def command(self, folder: Path, record: Fetched | None = None, verb: str = "fetch") -> str:
        """The command that brings or unpacks the data."""
        place = "" if folder == cache_dir() / self.name else f" --data {folder}"
        repo = "" if record is None or record.repo == self.repo else f" --repo {record.repo}"
        return f"vicabench data {verb} {self.name}{self.option}{place}{repo}"


def is_data(name: str) -> bool:
    """Whether a file holds rows."""
    return name.endswith((".parquet", ".csv", ".json", ".jsonl"))


def video_of(name: str, videos: Collection[str]) -> str | None:
    """The video that a file or member is: its path, or the end of it."""
    parts = name.split("/")
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((tail for tail in tails if tail in videos), None)


def rows_in(path: Path) -> Iterator[object]:
    """The rows of a table: parquet, CSV with a header, JSON Lines, or a JSON list.

    Raises:
        DataError: If the file cannot be read.
    """
    if path.suffix == ".parquet":
        yield from (row for _, row in loading.read_rows(path))
    elif path.suffix == ".jsonl":
        yield from (row for _, row in own.read_lines(path))
    elif path.suffix == ".csv":
        yield from csv.DictReader(io.StringIO(own.read_text(path), newline=""))
    else:
        try:
            rows = json.loads(own.read_text(path))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path.name} is not JSON ({error}).") from None
        if not isinstance(rows, list):
            raise DataError(f"{path.name} holds no list of rows.")
        yield from rows
