"""Training rooms: films, conversations and lessons that agree with each other and the benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vica.video import read_frames

from vicabench.errors import DataError
from vicabench.rooms.camera import pose_at
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.lessons import WORDS
from vicabench.rooms.light import PLAIN
from vicabench.rooms.make import film
from vicabench.rooms.render import colours
from vicabench.rooms.training import TrainingRooms, build_training
from vicabench.rubric import VSI

ROOMS = TrainingRooms(seed=3, scenes=2, walks=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms on two walks each."""
    out = tmp_path_factory.mktemp("training") / "rooms"
    build_training(out, ROOMS, workers=1)
    return out


def records(folder: Path, kind: str) -> list[dict[str, object]]:
    """The conversations of a kind."""
    (file,) = folder.glob(f"**/rooms/base/{kind}.json")
    return list(json.loads(file.read_text(encoding="utf-8")))


def test_every_conversation_has_its_film(folder: Path) -> None:
    films = {f"films/{path.name}" for path in (folder / "films").iterdir()}
    assert len(films) == 4
    kinds = [file.stem for file in folder.glob("rooms/base/*.json")]
    exercises = [file.stem for file in folder.glob("exercises/rooms/base/*.json")]
    assert set(kinds) == set(VSI.types)
    assert len(exercises) == 11
    for file in folder.glob("**/rooms/base/*.json"):
        assert {record["video"] for record in records(folder, file.stem)} <= films


def test_a_mirrored_walk_has_mirrored_frames_and_turn(folder: Path) -> None:
    plain, mirror = (read_frames(folder / f"films/s3-0000-{n}.mp4", 12) for n in (0, 1))
    one, other = (np.load(folder / f"lessons/s3-0000-{n}.npz")["things"] for n in (0, 1))
    first = [np.flatnonzero((other == t[None, :, ::-1]).all((1, 2))) for t in one]
    shown = plain.pixels_THWC[:, :, ::-1].astype(int)
    for number, places in enumerate(first):
        for place in places:
            assert np.abs(shown[number] - mirror.pixels_THWC[place]).mean() < 2  # H.264 at crf 4
    turns = [r["conversations"][1]["value"] for r in records(folder, "camera_turn")[:2]]  # type: ignore[index]
    assert set(turns) == {"left", "right"}


def test_lessons_agree_with_the_conversations(folder: Path) -> None:
    lessons = {}
    for file in (folder / "lessons").iterdir():
        with np.load(file) as lesson:
            lessons[f"films/{file.stem}.mp4"] = (lesson["classes"], lesson["scene"])
    for record in records(folder, "oclock"):
        question, answer = (turn["value"] for turn in record["conversations"])  # type: ignore[attr-defined]
        word = question.split(" is the ")[1].split("?")[0]
        classes, _ = lessons[str(record["video"])]
        assert classes[WORDS.index(word)][4] == int(answer) % 12
    for record in records(folder, "room_size_estimation"):
        _, scene = lessons[str(record["video"])]
        answer = record["conversations"][1]["value"]  # type: ignore[index]
        assert np.exp(scene[0]) == pytest.approx(float(answer), abs=0.05)


def test_training_frames_look_like_the_films(tmp_path: Path) -> None:
    scene = make_scene(3, 0)
    film(scene, tmp_path / "f.mp4", width=160, height=120, fps=1)
    shown = read_frames(tmp_path / "f.mp4", 3)
    for frame_HWC, seconds in zip(shown.pixels_THWC, shown.seconds, strict=True):
        small = frame_HWC[:120].reshape(40, 3, 160, 3)[:, :, :159].reshape(40, 3, 53, 3, 3)
        plain = colours(scene, pose_at(scene, seconds), 160, 120, PLAIN)
        same = plain.reshape(40, 3, 160, 3)[:, :, :159].reshape(40, 3, 53, 3, 3)
        off = small.mean((1, 3)) - same.mean((1, 3))
        # Shadows and pictures on the walls differ; another room would differ by 40 or more.
        assert np.abs(off).mean() < 12


def test_other_training_rooms_are_refused_the_same_kept(folder: Path) -> None:
    before = (folder / "training.json").stat().st_mtime_ns
    build_training(folder, ROOMS, workers=1)
    assert (folder / "training.json").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="other training rooms than requested"):
        build_training(folder, TrainingRooms(seed=4, scenes=2), workers=1)
