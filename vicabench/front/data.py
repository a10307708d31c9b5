"""Benchmarks and training data on this machine: `vicabench data`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from vica.containers import VideoError, inspect
from vica.errors import VicaError

from vicabench import files
from vicabench.benchmarks import BENCHMARKS, DEFAULT, find_benchmark, known_names, split_name
from vicabench.benchmarks.check import Examination, examine
from vicabench.benchmarks.custom import FILE
from vicabench.benchmarks.fetch import Fetchable, Layout, unpack_local
from vicabench.benchmarks.fetch import fetch as fetch_benchmark
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.inventory import inventory as items
from vicabench.benchmarks.rooms import built as rooms_folder
from vicabench.benchmarks.training_data import TRAINING_SETS, fetch_training, training_folder
from vicabench.errors import ConfigError
from vicabench.front.dummy import dummy
from vicabench.front.progress import bar, byte_progress
from vicabench.harnesses.protocols import find_protocol
from vicabench.rooms.answerable import seen_rows
from vicabench.rooms.build import build
from vicabench.rooms.scene import GENERATOR
from vicabench.rooms.training import TrainingRooms, build_training
from vicabench.screen import console

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "answerable",
    "check",
    "dummy",
    "fetch",
    "inventory",
    "rooms",
    "training_rooms",
    "unpack",
]


def fetch(
    name: str,
    *,
    subset: str = "full",
    data: str | Path | None = None,
    revision: str | None = None,
    repo: str | None = None,
    questions_only: bool = False,
    keep_zips: bool = False,
    include: str | None = None,
    progress: bool = True,
) -> Fetched:
    """Download and check a benchmark or training data; continue an interrupted download.

    Args:
        name: A benchmark, such as `vsi-bench` or `revsi:32_frame`, or training data.
        subset: The subset of a benchmark whose questions and videos are needed.
        data: The folder; by default, one in the user's cache.
        revision: Commit, tag or branch; by default the folder's revision, or the newest.
        repo: Another data set on the hub with the same layout.
        questions_only: For benchmarks: whether to skip the videos.
        keep_zips: Whether to keep the zips after unpacking them.
        include: For training data: a pattern of the files to download, such as `ai2d*/*`.
        progress: Whether to show progress on standard error.

    Raises:
        ConfigError: For an unknown name, or arguments that do not apply to it.
        DataError: For a failed download or damaged files.
    """
    folder = place(name, data)
    _check_fetch(
        name, subset=subset, questions_only=questions_only, keep_zips=keep_zips, include=include
    )
    with byte_progress(_terminal(progress)) as advance:
        if name in TRAINING_SETS:
            return fetch_training(
                name,
                folder=folder,
                repo=repo,
                revision=revision,
                include=include or "*",
                progress=advance,
            )
        return fetch_benchmark(
            layout_of(name, subset),
            folder=folder,
            repo=repo,
            revision=revision,
            questions_only=questions_only,
            keep_zips=keep_zips,
            progress=advance,
        )


def _check_fetch(
    name: str, *, subset: str, questions_only: bool, keep_zips: bool, include: str | None
) -> None:
    """Raise ConfigError for arguments that do not apply to this benchmark or training data."""
    if name in TRAINING_SETS:
        if questions_only or keep_zips or subset != "full":
            raise ConfigError(
                f"--subset, --questions-only and --keep-zips are for benchmarks, not {name}."
            )
        return
    if include is not None:
        raise ConfigError(f"--include is for training data, not {name}.")
    if questions_only and keep_zips:
        raise ConfigError("--questions-only downloads no zips: leave out --keep-zips.")


def unpack(
    name: str = DEFAULT,
    *,
    subset: str = "full",
    data: str | Path | None = None,
    repo: str | None = None,
    keep_zips: bool = False,
    progress: bool = True,
) -> Fetched:
    """Unpack zips that were copied beside a benchmark's questions; needs no network."""
    folder = place(name, data, training=False)
    with byte_progress(_terminal(progress)) as advance:
        return unpack_local(
            layout_of(name, subset),
            folder=folder,
            repo=repo,
            keep_zips=keep_zips,
            progress=advance,
        )


def rooms(
    out: str | Path,
    *,
    scenes: int = 12,
    seed: int = 0,
    questions: int = 18,
    generator: str = GENERATOR,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Build furnished rooms with exact ground truth and return their questions file.

    Args:
        out: The folder for the questions and videos.
        scenes: The number of rooms.
        seed: The same seed gives the same rooms and questions.
        questions: Approximate number of questions per room.
        generator: `1`, or `2` for rooms that are harder to guess, each with every type of question.
        workers: Rendering processes; with more than one, a script that calls this needs the
            usual `if __name__ == "__main__":`.
        progress: Whether to show progress on standard error.
    """
    with bar(_terminal(progress), "rooms", scenes) as advance:
        build(
            Path(out),
            scenes=scenes,
            seed=seed,
            questions=questions,
            generator=generator,
            workers=workers,
            progress=advance,
        )
    return Path(out) / "questions.jsonl"


def training_rooms(
    out: str | Path,
    *,
    scenes: int = 800,
    seed: int = 1,
    grey: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Build training rooms and return their folder; with `grey` the films show only grey."""
    rooms = TrainingRooms(seed=seed, scenes=scenes, grey=grey)
    with bar(_terminal(progress), "Training rooms", scenes) as advance:
        build_training(Path(out), rooms, workers=workers, progress=advance)
    return Path(out)


def answerable(source: str | Path = "rooms", *, out: str | Path, any_pixel: bool = False) -> Path:
    """Write which frames of Rooms show what its questions ask about; returns the file.

    `vicabench.answerable` reads it. Questions about a whole room have no line.

    Args:
        source: `rooms`, or the folder of rooms that were built.
        out: The JSON Lines file.
        any_pixel: Whether a frame shows a thing of which it has one pixel, as `dummy` needs it;
            else as the questions of Rooms count things as visible.

    Raises:
        ConfigError: The file cannot be written.
        DataError: The folder is not one of Rooms.
    """
    folder = rooms_folder() if str(source) == "rooms" else Path(source)
    lines = "".join(json.dumps(row) + "\n" for row in seen_rows(folder, any_pixel=any_pixel))
    try:
        files.write(Path(out), lines)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}.") from None
    return Path(out)


def check(path: str | Path, *, videos: str | Path | None = None) -> Examination:
    """List every problem of a benchmark of your own, and summarise its questions.

    Args:
        path: A folder with `benchmark.yaml`, or a file of questions of VSI-Bench's types.
        videos: The folder of the videos; by default the one that the benchmark names.

    Raises:
        DataError: The description or the file cannot be read at all.
    """
    done = examine(Path(path), None if videos is None else Path(videos), watch=_undecodable)
    try:
        find_protocol(done.official)
    except ConfigError as error:
        return replace(done, problems=(f"{FILE}, official: {error}", *done.problems))
    return done


def _undecodable(video: Path) -> str | None:
    """Why a video cannot be decoded, as its container shows; None if it can."""
    try:
        inspect(video)
    except (VideoError, VicaError, OSError) as error:
        return " ".join(str(error).split())
    return None


def inventory() -> DataFrame:
    """One row per benchmark: its name, revision, questions, videos, and location on disk."""
    import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

    return pd.DataFrame([vars(item) for item in items()])


def place(name: str, data: str | Path | None, *, training: bool = True) -> Path:
    """The folder of downloadable data; ConfigError for an unknown name."""
    if training and name in TRAINING_SETS:
        return Path(data) if data else training_folder(name)
    others = TRAINING_SETS if training else ()
    return Path(data) if data else layout_of(name, "full", *others).folder


def layout_of(name: str, subset: str, *others: str) -> Layout:
    """How the data of a benchmark lies; `NAME:SUBSET` is a name, too.

    Raises:
        ConfigError: For a benchmark that is unknown, has no such subset or is not downloaded;
            `others` are named beside those that are.
    """
    base, variant = split_name(name)
    if base == "rooms":
        raise ConfigError(
            "rooms is not downloaded: `--benchmark rooms` builds it on first use, and "
            "`vicabench data rooms --scenes N --out DIR` builds more rooms."
        )
    loader = find_benchmark(base) if base in known_names() else None
    if not isinstance(loader, Fetchable):
        known = [name for name in BENCHMARKS if name != "rooms"]
        raise ConfigError(f"{name!r} cannot be downloaded. Choose {', '.join([*known, *others])}.")
    if variant and subset not in ("full", variant):
        raise ConfigError(f"{name} and the subset {subset!r} differ: give one of them.")
    return loader.layout(variant or subset)


def processes() -> int:
    """The default number of rendering processes."""
    return min(4, os.cpu_count() or 1)


def _terminal(progress: bool) -> Console:
    terminal = console(stderr=True)
    terminal.quiet = not progress
    return terminal
