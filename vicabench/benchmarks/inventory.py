"""Local data of the benchmarks, for `vicabench data list`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vicabench import files
from vicabench.benchmarks import fetched, find_benchmark, known_names, vsi_bench
from vicabench.benchmarks.paths import cache_dir
from vicabench.benchmarks.published import Published
from vicabench.errors import DataError, UserError, counted


@dataclass(frozen=True, kw_only=True)
class Item:
    """A benchmark in a folder; `state` is the folder, or what it lacks."""

    name: str
    state: str
    revision: str = ""
    questions: int = 0
    videos: int = 0


def inventory() -> tuple[Item, ...]:
    """Return VSI-Bench, every Rooms folder in the cache and the other benchmarks, broken or not."""
    others = (name for name in known_names() if name not in (vsi_bench.NAME, "rooms"))
    return (
        _vsi_bench(vsi_bench.default_folder()),
        *_rooms(cache_dir() / "rooms"),
        *(_published(name) for name in others),
    )


def _published(name: str) -> Item:
    """A published benchmark in its default folder, with all subsets that were fetched."""
    try:
        loader = find_benchmark(name)
        if not isinstance(loader, Published):
            return Item(name=name, state="of another package")
        record = fetched.read(loader.folder)
        if record is None:
            return Item(name=name, state=f"no: {loader.layout('full').command(loader.folder)}")
    except UserError as error:
        return Item(name=name, state=f"unusable: {error}")
    return Item(
        name=name if record.repo == loader.repo else record.repo,
        state=f"{loader.folder}: {', '.join(record.subsets)}",
        revision=record.revision,
        questions=sum(record.subsets.values()),
        videos=len(record.videos) - len(fetched.damaged(loader.folder, record)),
    )


def _vsi_bench(folder: Path) -> Item:
    try:
        record = fetched.read(folder)
        if record is None and not any((folder / f).is_file() for f in vsi_bench.QUESTION_FILES):
            return Item(name=vsi_bench.NAME, state=f"no: {vsi_bench.fetch_command(folder)}")
        questions = vsi_bench.read_questions(folder).questions
    except DataError as error:
        return Item(name=vsi_bench.NAME, state=f"unusable: {error}")
    videos = {question.video for question in questions}
    present = sum((folder / f"{video}.mp4").is_file() for video in videos)
    unfinished = (
        "" if present == len(videos) else f" ({counted(len(videos) - present, 'video')} missing)"
    )
    return Item(
        name=vsi_bench.NAME if record is None or record.repo == fetched.REPO else record.repo,
        state=f"{folder}{unfinished}",
        revision="not recorded" if record is None else record.revision,
        questions=len(questions),
        videos=present,
    )


def _rooms(folder: Path) -> Iterator[Item]:
    from vicabench.rooms.folder import MANIFEST  # noqa: PLC0415

    manifests = sorted(folder.glob(f"*/{MANIFEST}"))
    if not manifests:
        yield Item(name="rooms", state="no: built on first use")
    for path in manifests:
        try:
            values = json.loads(files.read(path))
            yield Item(
                name="rooms",
                state=str(path.parent),
                revision=f"generator {values['generator']}, seed {values['seed']}",
                questions=values["questions"],
                videos=values["scenes"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield Item(name="rooms", state=f"unusable: {path} ({error})")
