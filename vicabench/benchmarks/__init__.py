"""Benchmarks: questions with ground truth, and the videos they are about.

A new benchmark is one module and one line in `BENCHMARKS`; a path to a `.jsonl`, `.json`, `.csv`,
`.tsv` or `.parquet` file is a benchmark of your own, and `owner/name` a data set of the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vicabench.errors import ConfigError, did_you_mean
from vicabench.types import Benchmark

DEFAULT = "vsi-bench"
OWN = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""File suffixes of your own questions."""


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


def load_benchmark(name: str, source: Source) -> Benchmark:
    """Load a benchmark by name, by hub id, or from the path of your own file.

    Raises:
        ConfigError: For an unknown name, or an option that this benchmark does not have.
        DataError: For missing or malformed data.
    """
    from vicabench.benchmarks import custom, tables

    if custom.is_described(name):
        _refuse(name, revision=source.revision, split=source.split, data=source.data)
        return custom.load(Path(name), source.videos, videos_needed=source.videos_needed)
    if name not in BENCHMARKS and not name.endswith(OWN) and tables.is_hub_id(name):
        return _from_hub(name, source)
    _refuse(name, revision=source.revision, split=source.split)
    if name in BENCHMARKS:
        return BENCHMARKS[name](source)
    if name.endswith(OWN):
        return _own_questions(Path(name), source)
    raise ConfigError(
        f"There is no benchmark '{name}'. Known are {', '.join(BENCHMARKS)}; or give the path of "
        f"your own questions ({', '.join(OWN)}) or of a folder with benchmark.yaml "
        "(`vicabench init` writes one), or the hub id of a data set, owner/name."
        f"{did_you_mean(name, BENCHMARKS)}"
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
    return rooms.load(videos_needed=source.videos_needed, progress=source.progress)


def _own_questions(path: Path, source: Source) -> Benchmark:
    from vicabench.benchmarks import own, tables

    _refuse(path.name, data=source.data, subset=source.subset)
    load = own.load if path.suffix == ".jsonl" else tables.load_file
    return load(path, source.videos, videos_needed=source.videos_needed)


def _from_hub(name: str, source: Source) -> Benchmark:
    from vicabench.benchmarks import tables

    _refuse(name, data=source.data)
    return tables.load_hub(
        name,
        revision=source.revision,
        config=None if source.subset == "full" else source.subset,
        split=source.split,
        videos=source.videos,
        videos_needed=source.videos_needed,
    )


def _refuse(name: str, *, subset: str = "full", **options: object) -> None:
    """Raise ConfigError for options that would be ignored."""
    given = {f"--{option}": value for option, value in options.items()}
    given["--subset"] = None if subset == "full" else subset
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f"The benchmark {name} has no option {option} (given: {value}).")


BENCHMARKS: dict[str, Callable[[Source], Benchmark]] = {
    "vsi-bench": _vsi_bench,
    "rooms": _rooms,
}
