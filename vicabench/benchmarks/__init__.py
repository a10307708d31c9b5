"""Benchmarks: questions with ground truth, and the videos they are about.

A new benchmark is one module and one line in `BENCHMARKS`; a path to a `.jsonl` file is a
benchmark of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vicabench.errors import ConfigError
from vicabench.types import Benchmark

DEFAULT = "vsi-bench"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where and what to load: a subset, a local folder of the data, a folder of the videos.

    Without `videos_needed` nobody will decode, so that missing videos are no error. `progress`
    is called with (done, total) while something is being built.
    """

    subset: str = "full"
    data: Path | None = None
    videos: Path | None = None
    videos_needed: bool = True
    progress: Callable[[int, int], None] | None = None


def load_benchmark(name: str, source: Source) -> Benchmark:
    """Load a benchmark by name, or your own from the path of a `.jsonl` file.

    ConfigError for an unknown name or an option that this benchmark does not have, DataError if
    the data is missing or malformed.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name](source)
    if name.endswith(".jsonl"):
        return _own_questions(Path(name), source)
    raise ConfigError(
        f"There is no benchmark '{name}'. Known are {', '.join(BENCHMARKS)}, "
        "or give the path of your own questions.jsonl."
    )


def _vsi_bench(source: Source) -> Benchmark:
    from vicabench.benchmarks import vsi_bench

    _refuse("vsi-bench", videos=source.videos)
    return vsi_bench.load(
        subset=source.subset, folder=source.data, videos_needed=source.videos_needed
    )


def _rooms(source: Source) -> Benchmark:
    from vicabench.benchmarks import rooms

    _refuse("rooms", data=source.data, videos=source.videos, subset=source.subset)
    return rooms.load(progress=source.progress)


def _own_questions(path: Path, source: Source) -> Benchmark:
    from vicabench.benchmarks import own

    _refuse(path.name, data=source.data, subset=source.subset)
    return own.load(path, source.videos, videos_needed=source.videos_needed)


def _refuse(
    name: str, *, data: Path | None = None, videos: Path | None = None, subset: str = "full"
) -> None:
    """An option that would be ignored is an error, never silence."""
    given = {"--data": data, "--videos": videos, "--subset": None if subset == "full" else subset}
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f"The benchmark {name} has no option {option} (given: {value}).")


BENCHMARKS: dict[str, Callable[[Source], Benchmark]] = {
    "vsi-bench": _vsi_bench,
    "rooms": _rooms,
}
