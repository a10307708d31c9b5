"""Which frames of a film show what a question asks about, against the pixels of the film."""

import json
from pathlib import Path

import numpy as np
import pytest
from vica.video import sample_indices

import vicabench as vb
from tests.support import read_jsonl
from vicabench.rooms.build import build
from vicabench.rooms.camera import pose_at
from vicabench.rooms.facts import VISIBLE_SHARE
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.render import sees

FPS = 2


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    build(folder / "r", scenes=2, seed=0, fps=FPS, workers=1, films=False)
    vb.data.answerable(folder / "r", out=folder / "seen.jsonl")
    return folder


def test_frames_are_those_whose_pixels_show_a_thing(rooms: Path) -> None:
    questions = {row["id"]: row for row in read_jsonl(rooms / "r/questions.jsonl")}
    rows = {row["id"]: row for row in read_jsonl(rooms / "seen.jsonl")}
    whole = {k for k, q in questions.items() if q["question_type"] == "room_size_estimation"}
    assert rows.keys() == questions.keys() - whole
    (row,) = [row for key, row in rows.items() if key == "s0-0000-05"]
    assert "distance between the cabinet and the plant" in questions["s0-0000-05"]["question"]
    scene = make_scene(0, 0)
    (plant,) = [n for n, thing in enumerate(scene.things) if thing.category == "plant"]
    shares = [
        float(np.mean(sees(scene, pose_at(scene, k / FPS), 160, 120) == plant))
        for k in range(row["frames"])
    ]
    assert row["seen"]["plant"] == [k for k, s in enumerate(shares) if s >= VISIBLE_SHARE]
    assert sorted(row["seen"]) == ["cabinet", "plant"]
    counting = next(r for k, r in rows.items() if "How many table" in questions[k]["question"])
    assert len(counting["seen"]) == int(questions[counting["id"]]["ground_truth"])


def test_more_frames_answer_more_questions(rooms: Path, tmp_path: Path) -> None:
    asked = vb.benchmark(rooms / "r/questions.jsonl", videos_needed=False)
    run = vb.run("baseline:oracle", asked, out=tmp_path / "run", no_video=True)
    rows = {row["id"]: row for row in read_jsonl(rooms / "seen.jsonl")}
    counts = [
        len(vb.answerable(run, rooms / "seen.jsonl", frames=frames).questions) for frames in (3, 16)
    ]
    assert 0 < counts[0] < counts[1] <= len(rows)
    few = {q.id for q in vb.answerable(run, rooms / "seen.jsonl", frames=3).questions}
    for key, row in rows.items():
        sampled = {*sample_indices(row["frames"], 3).tolist()}
        assert (key in few) == all(sampled & {*where} for where in row["seen"].values())


def test_another_folder_is_refused(rooms: Path, tmp_path: Path) -> None:
    for name in ("rooms.json", "questions.jsonl"):
        (tmp_path / name).write_text("[]", "utf-8")
    with pytest.raises(vb.UserError, match="is not a Rooms folder"):
        vb.data.answerable(tmp_path, out=tmp_path / "seen.jsonl")
    made = json.loads((rooms / "r/rooms.json").read_text("utf-8"))
    (tmp_path / "rooms.json").write_text(json.dumps(made | {"generator": "0"}), "utf-8")
    (tmp_path / "questions.jsonl").write_bytes((rooms / "r/questions.jsonl").read_bytes())
    with pytest.raises(vb.UserError, match="another version of Rooms"):
        vb.data.answerable(tmp_path, out=tmp_path / "seen.jsonl")
