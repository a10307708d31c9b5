"""The included model, which has learnt one wording, asked as harnesses ask and for maps."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import Vicabench, read_jsonl
from vicabench.rooms.build import build


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms with their films, as a folder of questions with their truth beside them."""
    folder = tmp_path_factory.mktemp("rooms") / "two"
    build(folder, scenes=2, seed=9, workers=1)
    return folder


@pytest.fixture
def ask(vicabench: Vicabench, rooms: Path) -> Any:
    """Run a command about those rooms with the model, which has to succeed."""

    def asked(command: str, *more: object) -> Any:
        where = ("--benchmark", rooms / "questions.jsonl", "--videos", rooms, "--frames", 12)
        model = ("--model", "vica2-rooms", "--max-new-tokens", 8)
        done = vicabench(command, *where, *model, *more, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return asked


def test_two_presets_differ_by_how_they_ask(ask: Any, vicabench: Vicabench) -> None:
    (own,) = ask("run", "--as", "vica", "--out", "own")["runs"]
    (other,) = ask("run", "--as", "vlmevalkit@VSIBench", "--out", "other")["runs"]
    assert own["overall"]["mean"] > other["overall"]["mean"] + 10
    assert any("a vica model has no --frames-as" in note for note in other["notes"])
    explained = vicabench("explain", "own", "other", "--format", "json")
    assert explained.returncode == 0, explained.stderr
    found = json.loads(explained.stdout)
    whole = found["scores"][0]
    parts = [whole[name] for name in ("asking", "reading", "aggregating")]
    assert parts[0] < -10
    assert sum(parts) == pytest.approx(whole["model_score"] - whole["reference_score"], abs=1e-9)
    assert [setting["name"] for setting in found["settings"]][:1] == ["prompt.wording"]


def test_a_model_that_draws_no_map_scores_nothing(ask: Any, tmp_path: Path) -> None:
    (found,) = ask("maps", "--out", "drawn")
    assert (found["score"]["mean"], found["score"]["clusters"]) == (0.0, 2)
    assert found["score"]["failed"] == found["score"]["count"] > 0
    rows = read_jsonl(tmp_path / "drawn" / "maps.jsonl")
    assert [row["unread"] is None for row in rows] == [False, False]
    near = ("--tasks", "object_rel_distance", "--with-map", "true")
    (asked,) = ask("run", *near, "--out", "given")["runs"]
    assert any("with a cognitive map in the prompt: true, 2 of 2" in n for n in asked["notes"])
    texts = [row["question"] for row in read_jsonl(tmp_path / "given" / "predictions.jsonl")]
    assert texts
    assert all("center locations of objects in this scene" in text for text in texts)
