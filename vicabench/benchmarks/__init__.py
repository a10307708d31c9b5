"""Benchmarks: questions with ground truth, and the videos they are about.

A benchmark of the program is one module with `BENCHMARK`, an object with `load(source)`, and one
line in `BENCHMARKS`. Other packages announce such an object, or a function `load(source)`, through
the entry-point group `vicabench.benchmarks` (docs/benchmarks.md). A path to a `.jsonl`, `.json`,
`.csv`, `.tsv` or `.parquet` file is a benchmark of your own, and `owner/name` a data set of the
hub.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from vicabench.benchmarks.source import Loader, LoaderOf, Source, refuse
from vicabench.errors import ConfigError, did_you_mean
from vicabench.types import Benchmark

__all__ = ["BENCHMARKS", "DEFAULT", "GROUP", "OWN", "Source", "find_benchmark", "load_benchmark"]

DEFAULT = "vsi-bench"
OWN = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""File suffixes of your own questions."""
BENCHMARKS: Mapping[str, str] = {
    "vsi-bench": "vicabench.benchmarks.vsi_bench",
    "rooms": "vicabench.benchmarks.rooms",
    "revsi": "vicabench.benchmarks.sets.revsi",
    "vsti-bench": "vicabench.benchmarks.sets.vsti_bench",
    "osi-bench": "vicabench.benchmarks.sets.osi_bench",
    "sti-bench": "vicabench.benchmarks.sets.sti_bench",
    "dsi-bench": "vicabench.benchmarks.sets.dsi_bench",
    "vsi-super-recall": "vicabench.benchmarks.sets.vsi_super_recall",
    "vsi-super-count": "vicabench.benchmarks.sets.vsi_super_count",
}
"""The module of each benchmark of the program."""
GROUP = "vicabench.benchmarks"


def load_benchmark(name: str, source: Source) -> Benchmark:
    """Load a benchmark by name, by hub id, or from the path of your own file.

    `NAME:VARIANT` is the subset VARIANT of the benchmark NAME.

    Raises:
        ConfigError: For an unknown name, or an option that this benchmark does not have.
        DataError: For missing or malformed data.
    """
    from vicabench.benchmarks import custom, tables

    known, source = _with_variant(name, source)
    if known is not None:
        refuse(known, revision=source.revision, split=source.split)
        return find_benchmark(known).load(source)
    if custom.is_described(name):
        refuse(name, revision=source.revision, split=source.split, data=source.data)
        return custom.load(Path(name), source.videos, videos_needed=source.videos_needed)
    if not name.endswith(OWN) and tables.is_hub_id(name):
        return _from_hub(name, source)
    refuse(name, revision=source.revision, split=source.split)
    if name.endswith(OWN):
        return _own_questions(Path(name), source)
    raise ConfigError(
        f"There is no benchmark '{name}'. Known are {', '.join(known_names())}; or give the path "
        f"of your own questions ({', '.join(OWN)}) or of a folder with benchmark.yaml "
        "(`vicabench init` writes one), or the hub id of a data set, owner/name."
        f"{did_you_mean(name.partition(':')[0], known_names())}"
    )


def known_names() -> tuple[str, ...]:
    """The names of all benchmarks, those of other packages last."""
    return tuple(dict.fromkeys([*BENCHMARKS, *sorted(_installed())]))


def find_benchmark(name: str) -> Loader:
    """What loads the benchmark of a known name.

    Raises:
        ConfigError: For an unknown name, or one of another package that cannot be loaded.
    """
    if name in BENCHMARKS:
        loader: Loader = importlib.import_module(BENCHMARKS[name]).BENCHMARK
        return loader
    installed = _installed()
    if name not in installed:
        raise ConfigError(f"There is no benchmark '{name}'. Known are {', '.join(known_names())}.")
    return _announced(installed[name])


def split_name(name: str) -> tuple[str, str | None]:
    """The name and the variant in `NAME:VARIANT`, if NAME is known; else all of it and None."""
    base, colon, variant = name.partition(":")
    return (base, variant) if colon and base in known_names() else (name, None)


def _with_variant(name: str, source: Source) -> tuple[str | None, Source]:
    """The known name, or None, and the source with the subset that the name says."""
    base, variant = split_name(name)
    if base not in known_names():
        return None, source
    if variant is None:
        return base, source
    if source.subset not in ("full", variant):
        raise ConfigError(f"{name} and the subset {source.subset!r} differ: give one of them.")
    if not variant:
        raise ConfigError(f"{name} names no variant after its colon.")
    return base, replace(source, subset=variant)


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _announced(entry: EntryPoint) -> Loader:
    """What another package announces: an object, a module with `BENCHMARK`, or a function."""
    where = f"The benchmark '{entry.name}' ({entry.value})"
    try:
        found = entry.load()
    except Exception as error:  # whatever the code of others raises while it is imported
        raise ConfigError(
            f"{where} could not be loaded: {type(error).__name__}: {error}."
        ) from error
    found = getattr(found, "BENCHMARK", found)
    if isinstance(found, Loader) and not isinstance(found, type):
        return found
    if callable(found) and not isinstance(found, type):
        return LoaderOf(function=found)
    raise ConfigError(
        f"{where} is neither an object with load(source), nor a module with such a BENCHMARK, nor "
        "a function load(source)."
    )


def _own_questions(path: Path, source: Source) -> Benchmark:
    from vicabench.benchmarks import own, tables

    refuse(path.name, data=source.data, subset=source.subset)
    load = own.load if path.suffix == ".jsonl" else tables.load_file
    return load(path, source.videos, videos_needed=source.videos_needed)


def _from_hub(name: str, source: Source) -> Benchmark:
    from vicabench.benchmarks import tables

    refuse(name, data=source.data)
    return tables.load_hub(
        name,
        revision=source.revision,
        config=None if source.subset == "full" else source.subset,
        split=source.split,
        videos=source.videos,
        videos_needed=source.videos_needed,
    )
