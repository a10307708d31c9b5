"""Two generators of Rooms: the first gives what it always gave, the second is harder to guess."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicabench as vb
from tests.rooms.recheck import answer
from tests.support import read_jsonl
from vicabench.errors import ConfigError
from vicabench.rooms.build import build
from vicabench.rooms.furniture import KINDS, make_scene
from vicabench.rooms.questions import ASKED
from vicabench.rooms.scene import GENERATORS

FIRST_ROOMS = "eb0518c870dfb7ef422c3fd00f102c72150318cb50df39780f26728edd30f07c"
"""SHA-256 of the questions about the first three rooms of seed 0, as they were first published."""


def made(folder: Path, **settings: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The scenes and the questions of a folder without films."""
    build(folder, films=False, workers=1, **settings)
    return read_jsonl(folder / "scenes.jsonl"), read_jsonl(folder / "questions.jsonl")


def test_the_first_generator_gives_what_it_always_gave(tmp_path: Path) -> None:
    made(tmp_path / "first", scenes=3, seed=0)
    questions = (tmp_path / "first" / "questions.jsonl").read_bytes()
    assert hashlib.sha256(questions).hexdigest() == FIRST_ROOMS


def test_the_second_asks_every_type_about_every_room(tmp_path: Path) -> None:
    scenes, rows = made(tmp_path / "second", scenes=4, seed=3, generator="2")
    for scene in scenes:
        own = [row for row in rows if row["scene_name"] == scene["name"]]
        assert {row["question_type"] for row in own} == {*ASKED}
        assert len(own) == 18
        assert [answer(scene, row) for row in own] == [row["ground_truth"] for row in own]
    assert json.loads((tmp_path / "second" / "rooms.json").read_text())["generator"] == "2"
    again, _ = made(tmp_path / "more", scenes=5, seed=3, generator="2")
    assert again[:4] == scenes  # each scene depends on its number alone


@pytest.mark.parametrize("generator", GENERATORS)
def test_faces_of_all_furniture_have_a_direction(generator: str) -> None:
    kinds = {kind.name: kind for kind in KINDS}
    scenes = (make_scene(0, number, generator) for number in range(40))
    for thing in (thing for scene in scenes for thing in scene.things):
        kind, size = kinds[thing.category], thing.box
        with np.errstate(all="raise"):  # a face without an area has none
            mesh = kind.build(size.length, size.width, size.height, kind.colour)
        assert np.isfinite(mesh.normals_F43).all()


def test_a_generator_is_named_as_a_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VICABENCH_CACHE", str(tmp_path))
    loaded = vb.benchmark("rooms:generator1", videos_needed=False, limit=1).benchmark
    plain = vb.benchmark("rooms", videos_needed=False).benchmark
    assert (loaded.questions, loaded.revision) == (plain.questions, plain.revision)
    assert plain.revision.startswith("generator1-seed0-")
    with pytest.raises(ConfigError, match="Variants are rooms:generator1, rooms:generator2"):
        vb.benchmark("rooms:generator3")
    with pytest.raises(ConfigError, match="Generators are 1, 2"):
        vb.data.rooms(tmp_path / "out", generator="3")
