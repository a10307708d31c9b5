"""Build training rooms: short films, and conversations in the layout of ViCA-322K."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from vica.chat import PLACEHOLDER, SYSTEM, vsi_bench_question

from vicabench import files
from vicabench.errors import DataError
from vicabench.rooms import lessons, templates
from vicabench.rooms.build import Progress, check_not_importing_main, each
from vicabench.rooms.camera import Pose
from vicabench.rooms.facts import Facts, facts_of, sightings
from vicabench.rooms.folder import LOCK, publish, write
from vicabench.rooms.furniture import KINDS, make_scene
from vicabench.rooms.lessons import WORDS, exercises, places, save_lessons, things_seen
from vicabench.rooms.light import PLAIN
from vicabench.rooms.questions import ASKED, HARD, MEDIUM
from vicabench.rooms.render import colours
from vicabench.rooms.routes import LENGTHS, TURNS
from vicabench.rooms.scene import GENERATOR, Draft, Draw, Scene, check_least
from vicabench.rooms.walks import Walked, changed, changes, clip, poses

NUMERIC = (templates.COUNTING, templates.ABS_DISTANCE, templates.SIZE, templates.ROOM)
CHOICE = (
    templates.REL_DISTANCE,
    templates.DIRECTION_EASY,
    templates.DIRECTION_MEDIUM,
    templates.DIRECTION_HARD,
    templates.ROUTE,
    templates.ORDER,
)
_FIELD = re.compile(r"\{\w+\}")
_OPTION = "{option}"


def phrases() -> tuple[str, ...]:
    """The constant parts of ViCA's prompts for Rooms, and the names of things."""
    return tuple(dict.fromkeys(phrase for phrase in _all() if len(phrase) > 1))


def _all() -> Iterator[str]:
    yield from (f"system\n{SYSTEM}", "user\n", "assistant\n", ", ")
    yield from (kind.name for kind in KINDS)
    for template in (*NUMERIC, *lessons.TEMPLATES):
        yield from _pieces(vsi_bench_question(template))
    for template in CHOICE:
        yield from _pieces(vsi_bench_question(template, [f"{c}. {_OPTION}" for c in "ABCD"]))
    yield from (*MEDIUM.classes, *HARD.classes, *TURNS, *lessons.REPLIES)
    for number in range(1, 2 * max(LENGTHS) + 2):
        yield f"{number}. {_FIELD.split(templates.ROUTE_WALK)[0]}"
        yield f"{number}. {templates.ROUTE_TURN}"


def _pieces(prompt: str) -> list[str]:
    return _FIELD.split(prompt.removeprefix(PLACEHOLDER))


def conversation(name: str, video: str, draft: Draft) -> dict[str, Any]:
    """A record of ViCA-322K whose human turn is the prompt of ViCA's evaluation."""
    return {
        "id": name,
        "video": video,
        "conversations": [
            {"from": "human", "value": vsi_bench_question(draft.text, draft.options)},
            {"from": "gpt", "value": draft.answer},
        ],
    }


LIMITS: Mapping[str, int] = {
    "object_counting": 2,
    "object_abs_distance": 6,
    "object_size_estimation": 4,
    "room_size_estimation": 1,
    "object_rel_distance": 3,
    "object_rel_direction_easy": 1,
    "object_rel_direction_medium": 1,
    "object_rel_direction_hard": 1,
    "route_planning": 1,
    "obj_appearance_order": 3,
    "distance_from_middle": 4,
    "apart": 5,
    "oclock": 3,
    "best_frame": 2,
    "sooner": 2,
    "sooner_by_letter": 3,
    "nearer": 2,
    "nearer_by_letter": 5,
    "presence": 1,
    "camera_turn": 1,
    "longer_side": 1,
}
"""The most conversations of each kind about a walk."""

GREY = 128
RATE = 2.5
"""Samples per second that determine what is seen: half of the benchmark's."""

MANIFEST, FILMS, LESSONS = "training.json", "films", "lessons"
SOURCE, EXERCISES = "rooms/base", "exercises/rooms/base"
"""Separate sources in ViCA-322K's layout for the benchmark's kinds and for the exercises."""
PARTS, LESSON_WORDS = ".parts", "asked.json"
SCENE = vsi_bench_question(templates.ROOM).removeprefix(PLACEHOLDER)
"""The question whose id denotes the whole scene in the lessons."""


@dataclass(frozen=True, kw_only=True)
class TrainingRooms:
    """The settings of a folder of training data: `walks` films per room, of `frames` frames each.

    With `grey` the films are uniformly grey, to train a blind model.
    """

    generator: str = GENERATOR
    seed: int
    scenes: int
    walks: int = 4
    frames: int = 12
    width: int = 64
    height: int = 48
    grey: bool = False

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("scenes", 1), ("walks", 1), ("frames", 3)):
            check_least(name, getattr(self, name), least)


@dataclass(frozen=True, kw_only=True)
class _Folder:
    path: Path
    rooms: TrainingRooms

    def part(self, number: int) -> Path:
        return self.path / PARTS / f"{number}.json"

    def film(self, name: str) -> Path:
        return self.path / FILMS / f"{name}.mp4"

    def lessons(self, name: str) -> Path:
        return self.path / LESSONS / f"{name}.npz"


def build_training(
    out: Path, rooms: TrainingRooms, *, workers: int = 2, progress: Progress | None = None
) -> None:
    """Build a folder `out` of training data; the next call continues an interrupted build.

    Writes `films/<walk>.mp4`, `rooms/base/<kind>.json` (records like ViCA-322K's),
    `exercises/rooms/base/<kind>.json` (about the same films), `lessons/<walk>.npz` (what is where
    in the frames, see `lessons`), `asked.json` (the words of the lessons) and `training.json`.

    Raises:
        DataError: The folder holds something else or cannot be written.
    """
    check_least("workers", workers, 1)
    check_not_importing_main()
    folder = _Folder(path=out, rooms=rooms)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / LOCK):
            if not _is_whole(folder):
                _complete(folder, workers, progress or (lambda _done, _total: None))
    except OSError as error:
        raise DataError(
            f"Training rooms cannot be built in {out}: {error.strerror or error}."
        ) from error


def _is_whole(folder: _Folder) -> bool:
    """Whether the folder is finished; raises DataError if it holds other rooms."""
    for place, whole in ((folder.path, True), (folder.path / PARTS, False)):
        try:
            rooms = json.loads(files.read(place / MANIFEST))["rooms"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if rooms != asdict(folder.rooms):
            raise DataError(
                f"{folder.path} holds other training rooms than requested. Name another folder, "
                "or delete this one."
            )
        return whole
    return False


def _complete(folder: _Folder, workers: int, progress: Progress) -> None:
    for name in (PARTS, FILMS, LESSONS, SOURCE, EXERCISES):
        (folder.path / name).mkdir(parents=True, exist_ok=True)
    record = json.dumps({"rooms": asdict(folder.rooms)}, indent=2) + "\n"
    write(folder.path / PARTS / MANIFEST, record)
    total = folder.rooms.scenes
    owed = [number for number in range(total) if not folder.part(number).exists()]
    done = total - len(owed)
    for _ in each(_make, folder, owed, workers):
        done += 1
        progress(done, total)
    _join(folder)
    words = json.dumps({"words": WORDS, "scene": SCENE}, indent=2) + "\n"
    write(folder.path / LESSON_WORDS, words)
    write(folder.path / MANIFEST, record)
    for part in (folder.path / PARTS).iterdir():
        part.unlink()
    (folder.path / PARTS).rmdir()


def _join(folder: _Folder) -> None:
    """Write the conversations of all scenes, one file per kind."""
    kinds: dict[str, list[Any]] = {kind: [] for kind in LIMITS}
    for number in range(folder.rooms.scenes):
        for kind, records in json.loads(files.read(folder.part(number))).items():
            kinds[kind] += records
    for kind, records in kinds.items():
        source = SOURCE if kind in ASKED else EXERCISES
        write(folder.path / source / f"{kind}.json", json.dumps(records, ensure_ascii=False))


def _make(folder: _Folder, number: int) -> None:
    """Make the films, lessons and conversations of one room; its part is written last."""
    try:
        write(folder.part(number), json.dumps(_part(folder, number), ensure_ascii=False))
    except (RuntimeError, av.FFmpegError) as error:
        raise DataError(f"Training room {number} cannot be made: {error}.") from error


def _part(folder: _Folder, number: int) -> dict[str, list[dict[str, Any]]]:
    rooms = folder.rooms
    scene = make_scene(rooms.seed, number, rooms.generator)
    seen, looks = sightings(scene, rate=RATE), poses(scene, rooms.frames - 1)
    frames_THWC = np.stack([_picture(rooms, scene, look) for look in looks])
    things_THW, where_TN2 = things_seen(scene, looks), places(scene, looks)
    records: dict[str, list[dict[str, Any]]] = {kind: [] for kind in LIMITS}
    rng = np.random.default_rng([rooms.seed, number, 1])
    for walk, change in enumerate(changes(rooms.walks, rooms.frames - 1, rng)):
        name = f"{scene.name}-{walk}"
        walked = changed(scene, seen, looks, change)
        shown = frames_THWC[:, :, ::-1] if change.mirror else frames_THWC
        _film(folder, name, shown[walked.order])
        facts = facts_of(walked.scene, walked.sightings)
        lessons = folder.lessons(name)
        save_lessons(lessons, walked, facts, things_THW, where_TN2, mirror=change.mirror)
        for kind, draft in _drafts(walked, facts, number * rooms.walks + walk):
            entry = f"{name}-{kind}-{len(records[kind])}"
            records[kind].append(conversation(entry, f"{FILMS}/{name}.mp4", draft))
    return records


def _picture(rooms: TrainingRooms, scene: Scene, look: Pose) -> NDArray[np.uint8]:
    if rooms.grey:
        return np.full((rooms.height, rooms.width, 3), GREY, dtype=np.uint8)
    return colours(scene, look, rooms.width, rooms.height, PLAIN)


def _film(folder: _Folder, name: str, frames_THWC: NDArray[np.uint8]) -> None:
    draft = folder.path / PARTS / f"{name}.{os.getpid()}.mp4"
    clip(frames_THWC, draft)
    publish(draft, folder.film(name))


def _drafts(walked: Walked, facts: Facts, number: int) -> Iterator[tuple[str, Draft]]:
    """The questions about a walk with their kinds, up to the limit of each kind."""
    seed = walked.scene.seed
    for stream, (kind, ask) in enumerate(ASKED.items()):
        draw = Draw(seed=seed, scene=number, stream=stream)
        for draft in islice(ask(facts, draw), LIMITS[kind]):
            yield kind, draft
    rng = np.random.default_rng([seed, number, 2])
    drafts = list(exercises(walked, facts, rng))
    counts: dict[str, int] = {}
    for index in rng.permutation(len(drafts)):
        kind, draft = drafts[index]
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= LIMITS[kind]:
            yield kind, draft


def digest_of(rooms: TrainingRooms) -> str:
    """A short name that identifies the settings of these rooms."""
    text = json.dumps(asdict(rooms), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
