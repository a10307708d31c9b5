"""How the data of a benchmark lies in its repository and in a folder, as a download needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol, runtime_checkable

from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.hub import Listing


class Layout(Protocol):
    """The files of a benchmark, or of one of its subsets."""

    @property
    def name(self) -> str:
        """The name of the benchmark on the command line."""

    @property
    def repo(self) -> str:
        """The published repository."""

    @property
    def revision(self) -> str:
        """The revision of the published repository that is fetched by default."""

    @property
    def advice(self) -> str:
        """The end of a message that refuses a data set which lacks videos."""

    @property
    def folder(self) -> Path:
        """The default folder."""

    def tables(self, listing: Listing) -> tuple[str, ...]:
        """The files that hold questions; DataError for a repository of another layout."""

    def tables_in(self, folder: Path) -> tuple[str, ...]:
        """The same files in a folder; DataError without any."""

    def check(self, folder: Path, record: Fetched) -> dict[str, int]:
        """The number of questions of the subset; DataError if they are not what is assumed."""

    def owed(self, folder: Path, record: Fetched, files: Collection[str] | None) -> tuple[str, ...]:
        """What of `files` has to be brought: zips to unpack, and videos.

        `None` stands for a repository that is not asked: empty means that nothing is missing.
        """

    def wanted(self, folder: Path) -> Callable[[str], bool] | None:
        """Which members of a zip are unpacked; None for its videos in a folder of its name."""

    def missing(self, folder: Path, record: Fetched) -> tuple[list[str], int]:
        """The videos of questions that are not in the folder, and the number of all."""

    def command(self, folder: Path, record: Fetched | None = None, verb: str = "fetch") -> str:
        """The command that brings, or with `unpack` unpacks, the data into a folder."""


@runtime_checkable
class Fetchable(Protocol):
    """A benchmark whose data can be downloaded."""

    def layout(self, subset: str) -> Layout:
        """The layout of a subset, `full` for the default; ConfigError for an unknown one."""
