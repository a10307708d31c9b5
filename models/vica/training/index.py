"""All data of a run as one sequence: checked, sampled, counted, and read on demand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from vica.errors import DataError, counted
from vica.training.config import Mixture
from vica.training.files import SUFFIX, is_row, read_json, read_parquet, scan_json, scan_parquet
from vica.training.records import Conversation, RecordError, conversation
from vica.training.sources import Part, drawn, parts

ROWS_AT_ONCE = 4096
SHOWN = 5
"""How many bad records a message lists."""

Progress = Callable[[Path, int], None]
"""Called with the file that is being read, and how many of its records have been read."""


def conversations(
    mixture: Mixture, *, media_needed: bool = True, progress: Progress | None = None
) -> Conversations:
    """Open all good conversations of a mixture; its bad records are listed in `.problems`.

    Args:
        mixture: The data.
        media_needed: Treat a record whose video or image is missing as bad.
        progress: Called while files are read.

    Raises:
        DataError: Data is missing, damaged or empty, or the share of bad records exceeds
            `mixture.max_bad`; names the first of them.
    """
    files: list[File] = []
    sampled: list[NDArray[np.void]] = []
    every = [part for source in mixture.sources for part in parts(source)]
    for number, part in enumerate(every):
        rows = _rows(part, len(files), media_needed, progress)
        sampled.append(rows[np.asarray(drawn(part.sampling, len(rows), mixture.seed, number), int)])
        files += [File(path, part.media) for path in part.files]
    data = Conversations(files, np.concatenate(sampled), media=media_needed)
    _check(data, mixture)
    return data


def _check(data: Conversations, mixture: Mixture) -> None:
    bad, total = len(data.problems), len(data) + len(data.problems)
    if not total:
        paths = ", ".join(source.path for source in mixture.sources)
        raise DataError(f"{paths}: no conversations were found")
    if bad > mixture.max_bad * total:
        listed = "".join(f"\n  {problem}" for problem in data.problems[:SHOWN])
        raise DataError(
            f"cannot train on {bad:,} of {counted(total, 'record')}, more than the share of "
            f"{mixture.max_bad:.2%} that mixture.max_bad allows. The first are:{listed}\n"
            "Correct them, set the folder of videos and images (media), or raise mixture.max_bad"
        )


def _rows(
    part: Part, first_file: int, media_needed: bool, progress: Progress | None
) -> NDArray[np.void]:
    """An index row for each record of a part."""
    exists = lru_cache(1 << 16)(is_there) if media_needed else lambda _: True
    blocks: list[NDArray[np.void]] = []
    for number, path in enumerate(part.files, start=first_file):
        count = 0
        for block in _blocks(path, number, part.media, exists):
            blocks.append(block)
            count += len(block)
            if progress:
                progress(path, count)
    return np.concatenate(blocks) if blocks else np.zeros(0, ROW)


def _blocks(
    path: Path, number: int, media: Path, exists: Callable[[Path], bool]
) -> Iterator[NDArray[np.void]]:
    """The rows of a file, in blocks of arrays: Python tuples take ten times the memory."""
    scan = scan_parquet if path.suffix == SUFFIX else scan_json
    rows: list[tuple[int, int, int, int, int, int, bool]] = []
    for index, scanned in enumerate(scan(path)):
        visual = _visual(scanned.record, path, index, media, exists)
        content = hashed(scanned.raw)
        bad = visual is None
        rows.append((number, index, scanned.place, scanned.size, content, visual or 0, bad))
        if len(rows) == ROWS_AT_ONCE:
            yield np.array(rows, ROW)
            rows.clear()
    yield np.array(rows, ROW)


def _visual(
    record: object, path: Path, index: int, media: Path, exists: Callable[[Path], bool]
) -> int | None:
    """A hash of the record's video or image, 0 for text alone, None for a bad record."""
    if isinstance(record, RecordError):
        return None
    try:
        seen = conversation(record, file=path, index=index, media=media, exists=exists).visual
    except RecordError:
        return None
    # Never 0, which means text alone, and within int64.
    return 0 if seen is None else (hashed(os.fsencode(seen)) >> 1) | 1


ROW = np.dtype(
    [
        ("file", np.uint32),
        ("index", np.uint32),
        ("place", np.uint64),
        ("size", np.uint32),
        ("content", np.uint64),
        ("visual", np.int64),
        ("bad", np.bool_),
    ],
)
"""`content` and `visual` are hashes; `visual` is 0 for text alone."""


class File(NamedTuple):
    """A file of records, and the folder that contains its videos and images."""

    path: Path
    media: Path


@dataclass(frozen=True)
class Problem:
    """A record that is left out: its location and the reason."""

    file: Path
    index: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, record {self.index}: {self.reason}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups(Sequence[NDArray[np.int64]]):
    """The conversations about each video or image, in order of their first conversations.

    `[g]` are the ascending indices of one group's conversations. All those of text alone form one
    group.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, group: int) -> NDArray[np.int64]: ...
    @overload
    def __getitem__(self, group: slice) -> list[NDArray[np.int64]]: ...
    def __getitem__(self, group: int | slice) -> NDArray[np.int64] | list[NDArray[np.int64]]:
        if isinstance(group, slice):
            return [self[g] for g in range(*group.indices(len(self)))]
        group = range(len(self))[group]
        return self.order[self.starts[group] : self.starts[group + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of conversations of each group."""
        return np.diff(self.starts)


class Problems(Sequence[Problem]):
    """The records that are left out; a record is parsed again to state the reason."""

    def __init__(self, files: Sequence[File], rows: NDArray[np.void], *, media: bool) -> None:
        self._files, self._rows, self._media = files, rows, media

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, number: int) -> Problem: ...
    @overload
    def __getitem__(self, number: slice) -> list[Problem]: ...
    def __getitem__(self, number: int | slice) -> Problem | list[Problem]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        row = self._rows[number]
        path, index = self._files[row["file"]].path, int(row["index"])
        try:
            _conversation(self._files, row, media=self._media)
        except RecordError as error:
            return Problem(path, index, str(error))
        return Problem(path, index, "was bad when the data was opened, but no longer is")


class Conversations(Sequence[Conversation]):
    """All good conversations of a mixture, in order; `[i]` reads one from its file.

    Instances can be pickled. `problems` are the records that were left out.
    """

    def __init__(self, files: Sequence[File], rows: NDArray[np.void], *, media: bool) -> None:
        self._files = tuple(files)
        self._rows = rows[~rows["bad"]]
        self.problems = Problems(self._files, rows[rows["bad"]], media=media)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, number: int) -> Conversation: ...
    @overload
    def __getitem__(self, number: slice) -> list[Conversation]: ...
    def __getitem__(self, number: int | slice) -> Conversation | list[Conversation]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        row = self._rows[number]
        try:
            return _conversation(self._files, row, media=False)
        except RecordError as error:
            path = self._files[row["file"]].path
            raise DataError(
                f"{path}: changed since the data was opened: record {row['index']} {error}"
            ) from error

    def __iter__(self) -> Iterator[Conversation]:
        return (self[number] for number in range(len(self)))

    @property
    def memory(self) -> int:
        """The bytes of memory for the good records."""
        return int(self._rows.nbytes)

    @property
    def about_nothing(self) -> NDArray[np.bool_]:
        """For each conversation, whether it is text alone."""
        alone: NDArray[np.bool_] = self._rows["visual"] == 0
        return alone

    @property
    def visuals(self) -> int:
        """The number of videos and images that the conversations are about."""
        return len(self.by_visual) - bool(self.about_nothing.any())

    @cached_property
    def digest(self) -> str:
        """`sha256:` and a hash of all conversations in order, independent of their files' paths.

        It includes the names of videos and images, not their contents.
        """
        content = np.ascontiguousarray(self._rows["content"]).astype("<u8")
        return f"sha256:{hashlib.sha256(content.tobytes()).hexdigest()}"

    @cached_property
    def by_visual(self) -> Groups:
        """The conversations grouped by their video or image."""
        visuals = self._rows["visual"]
        _, first, group = np.unique(visuals, return_index=True, return_inverse=True)
        key = first[group]
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1, append=len(key)))
        return Groups(order=order.astype(np.int64), starts=starts.astype(np.int64))


def hashed(content: bytes) -> int:
    """A 64-bit hash: collisions are negligible among the records of a data set."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _conversation(files: Sequence[File], row: np.void, *, media: bool) -> Conversation:
    file = files[row["file"]]
    if file.path.suffix == SUFFIX:
        record = read_parquet(file.path, int(row["place"]))
    else:
        record = read_json(file.path, int(row["place"]), int(row["size"]))
    return conversation(
        record,
        file=file.path,
        index=int(row["index"]),
        media=file.media,
        exists=is_there if media else lambda _: True,
    )


def is_there(visual: Path) -> bool:
    """Whether a video or image exists; images in a parquet file always do.

    A name that is too long for the disk does not.
    """
    try:
        return is_row(visual) or visual.is_file()
    except OSError:
        return False
