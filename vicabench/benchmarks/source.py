"""What a benchmark is loaded from, and what loads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from vicabench.errors import ConfigError
from vicabench.types import Benchmark


@dataclass(frozen=True, kw_only=True)
class Source:
    """What to load, and from where: a subset, a local data folder, a folder of videos.

    For a data set on the hub, `subset` is the name of a configuration (`full` for its default);
    `revision` and `split` apply only to such data sets.

    Without `videos_needed`, missing videos are allowed because nothing will be decoded. `progress`
    is called with (done, total) while a benchmark is built.
    """

    subset: str = "full"
    data: Path | None = None
    videos: Path | None = None
    videos_needed: bool = True
    revision: str | None = None
    split: str | None = None
    progress: Callable[[int, int], None] | None = None


@runtime_checkable
class Loader(Protocol):
    """What a benchmark is found as by its name: it loads what a source says."""

    def load(self, source: Source) -> Benchmark:
        """The benchmark; ConfigError for a part of the source that it does not have."""


@dataclass(frozen=True, kw_only=True)
class LoaderOf:
    """A function that loads a benchmark."""

    function: Callable[[Source], Benchmark]

    def load(self, source: Source) -> Benchmark:
        """Call the function."""
        return self.function(source)


def refuse(name: str, *, subset: str = "full", **options: object) -> None:
    """Raise ConfigError for options that would be ignored."""
    given = {f"--{option}": value for option, value in options.items()}
    given["--subset"] = None if subset == "full" else subset
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f"The benchmark {name} has no option {option} (given: {value}).")
