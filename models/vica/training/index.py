"""The conversations of a run as a sequence that is read when it is asked.

A record takes 37 bytes of memory, wherever its text and its video are: where it lies, a hash of
what it says, and a hash of its video.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from vica.errors import DataError
from vica.training import jsonfiles, parquetfiles
from vica.training.records import RecordError, conversation
from vica.training.types import Conversation

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
    """A file of records, and the folder that its videos and images are below."""

    path: Path
    media: Path


@dataclass(frozen=True)
class Problem:
    """A record that is left out: where it is, and why."""

    file: Path
    index: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, record {self.index}: {self.reason}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups(Sequence[NDArray[np.int64]]):
    """The conversations about each video or image, in the order in which these come first.

    `[g]` are the indices of one group's conversations, ascending. Those of text alone are one
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
        """How many conversations each group has."""
        return np.diff(self.starts)


class Problems(Sequence[Problem]):
    """The records that are left out; each is judged again when it is asked why."""

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
        return Problem(path, index, "was bad when the data was opened, and is no more")


class Conversations(Sequence[Conversation]):
    """All good conversations of a mixture, in its order; `[i]` reads one from its file.

    It can be sent to other processes. `problems` are the records that were left out.
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
                f"{path}: has changed since the data was opened: record {row['index']} {error}"
            ) from error

    def __iter__(self) -> Iterator[Conversation]:
        return (self[number] for number in range(len(self)))

    @property
    def memory(self) -> int:
        """The bytes that are held for the good records."""
        return int(self._rows.nbytes)

    @property
    def about_nothing(self) -> NDArray[np.bool_]:
        """Of each conversation, whether it is text alone."""
        alone: NDArray[np.bool_] = self._rows["visual"] == 0
        return alone

    @property
    def visuals(self) -> int:
        """How many videos and images they are about."""
        return len(self.by_visual) - bool(self.about_nothing.any())

    @cached_property
    def digest(self) -> str:
        """`sha256:` and a hash of all conversations in their order, wherever their files are.

        Videos and images are in it by their names, not by what they show.
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
    """64 bits that no other content has, for all that a data set holds."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _conversation(files: Sequence[File], row: np.void, *, media: bool) -> Conversation:
    file = files[row["file"]]
    if file.path.suffix == parquetfiles.SUFFIX:
        record = parquetfiles.read(file.path, int(row["place"]))
    else:
        record = jsonfiles.read(file.path, int(row["place"]), int(row["size"]))
    return conversation(
        record,
        file=file.path,
        index=int(row["index"]),
        media=file.media,
        exists=is_there if media else lambda _: True,
    )


def is_there(visual: Path) -> bool:
    """Whether a video or image is there; the images of a parquet file are in it."""
    return parquetfiles.is_row(visual) or visual.is_file()
