"""Maps of Rooms, asked for, read, scored against the exact truth, and asked with."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.support import Vicabench, install_adapter, read_jsonl, refuses
from vicabench.rooms.build import build

# Draws the true map: by its argument turned by a right angle, with errors, or not at all.
PAINTER = """
import ast, json, random, re
from vicabench.types import Answer

class Painter:
    needs_video, accepts_options = False, ("max_new_tokens",)
    def __init__(self, argument, context):
        self.how = argument
        self.settings = {"how": argument}
    def answer(self, video, questions):
        scenes = video.path.parent.parent / "scenes.jsonl"
        (scene,) = [s for s in map(json.loads, scenes.open()) if s["name"] == video.path.stem]
        side = max(scene["width"], scene["depth"])
        chance = random.Random(scene["name"])
        for q in questions:
            asked = ast.literal_eval(re.search(r"in this scene: (\\[.*?\\])", q.text)[1])
            drawn = {}
            for thing in scene["things"]:
                x, y = (int(10 * thing["box"][axis] / side) for axis in "xy")
                if self.how == "turned":
                    x, y = y, 9 - x
                if self.how == "rough":
                    x, y = (min(9, max(0, at + chance.randint(-3, 3))) for at in (x, y))
                if thing["category"] in asked:
                    drawn.setdefault(thing["category"], []).append([x, y])
            text = json.dumps(drawn)
            if self.how == "rough" and scene["name"].endswith("1"):
                text = "I see a bed."
            yield Answer(question_id=q.id, response=text)
"""


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rooms without films, as a folder of questions with their truth beside them."""
    folder = tmp_path_factory.mktemp("maps") / "six"
    build(folder, scenes=6, seed=5, films=False, workers=1)
    for row in read_jsonl(folder / "scenes.jsonl"):
        (folder / "rooms" / f"{row['name']}.mp4").touch()  # the painter looks at no pixel
    return folder


@pytest.fixture
def mapped(vicabench: Vicabench, rooms: Path, tmp_path: Path) -> Any:
    """Run `maps` with the painter; returns what came of it."""
    extra = install_adapter(tmp_path / "site", "painter", PAINTER, "Painter")
    where = ("--benchmark", rooms / "questions.jsonl", "--videos", rooms)
    return lambda how, *more: vicabench(
        "maps", "--model", f"painter:{how}", *where, "--out", how, *more, **extra
    )


def nearest(found: dict[str, list[list[int]]], a: str, b: str) -> float:
    return min(math.hypot(p[0] - q[0], p[1] - q[1]) for p in found[a] for q in found[b])


def test_a_true_map_is_right_however_it_is_turned(mapped: Any, tmp_path: Path) -> None:
    for how in ("true", "turned"):
        done = mapped(how, "--format", "json")
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)
        assert found["score"]["mean"] == 100.0
        assert found["score"]["clusters"] == 6
        assert all(len(row["true"]) > 1 for row in read_jsonl(tmp_path / how / "maps.jsonl"))


def test_rough_maps_score_by_pairs_and_unread_ones_as_wrong(mapped: Any, tmp_path: Path) -> None:
    done = mapped("rough", "--format", "json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    right = total = 0
    for row in read_jsonl(tmp_path / "rough" / "maps.jsonl"):
        for a, b in itertools.combinations(row["true"], 2):
            total += 1
            if row["map"] is not None:
                near = nearest(row["map"], a, b) - nearest(row["true"], a, b)
                right += abs(near) <= 1 + 1e-9
    assert 0 < right < total
    score = found["score"]
    assert (score["mean"], score["count"]) == (pytest.approx(100 * right / total), total)
    assert score["low"] < score["mean"] < score["high"]
    again = mapped("rough")
    assert "6 answers are there already" in again.stderr
    assert "unread: not JSON (1)" in again.stdout
    assert read_jsonl(tmp_path / "rough" / "maps.jsonl")[1]["unread"] == "not JSON"


def test_what_cannot_be_mapped_is_refused(
    vicabench: Vicabench, mapped: Any, clips: Path, tmp_path: Path
) -> None:
    refuses(mapped("true", "--prompt", "Draw a map."), "{categories}")
    refuses(mapped("true", "--meta", tmp_path), "_meta_info_", "thinking-in-space")
    (tmp_path / "echo.py").write_text("def echo(video, questions):\n    return ['']\n")
    other = ("--benchmark", clips / "questions.jsonl", "--model", "./echo.py:echo")
    refuses(vicabench("maps", *other), "no two categories")


# Answers what is nearest in the map of its prompt, and "A" without a map.
READER = """
import json, math, re
from vicabench.types import Answer

class Nearest:
    settings, needs_video = {}, False
    def answer(self, video, questions):
        return [Answer(question_id=q.id, response=answer(q)) for q in questions]

def answer(q):
    found = re.search(r"are: (\\{.*\\})\\n", q.text)
    to = re.search(r"is the closest to the (.+?)\\?", q.text)
    if not (found and to):
        return "A"
    drawn = json.loads(found[1])
    def far(option):
        pairs = [(a, b) for a in drawn.get(option[3:], []) for b in drawn.get(to[1], [])]
        return min((math.dist(*pair) for pair in pairs), default=99)
    return min(q.options, key=far)[0]
"""


def test_a_map_in_the_prompt_answers_relative_distances(
    vicabench: Vicabench, mapped: Any, rooms: Path, tmp_path: Path
) -> None:
    (tmp_path / "reader.py").write_text(READER, encoding="utf-8")
    assert mapped("rough").returncode == 0
    where = ("--benchmark", rooms / "questions.jsonl", "--videos", rooms)
    asked = ("run", "--model", "./reader.py:Nearest", *where, "--tasks", "object_rel_distance")
    scores = {}
    for way in ("none", "rough", "true"):
        more = () if way == "none" else ("--with-map", way)
        done = vicabench(*asked, *more, "--out", f"run-{way}", "--format", "json")
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)["runs"]
        scores[way] = row["overall"]["mean"]
    assert scores["true"] > scores["none"]
    config = json.loads((tmp_path / "run-rough" / "config.json").read_text(encoding="utf-8"))
    assert " with-map:own, 5 of 6 videos, sha256:" in config["config"]["revision"]
    shown = vicabench("compare", "run-none", "run-true")
    assert "asked with a cognitive map in the prompt: true, 6 of 6 videos" in shown.stdout
    texts = [row["question"] for row in read_jsonl(tmp_path / "run-rough/predictions.jsonl")]
    assert any("predicted objects' center locations" in text for text in texts)
    refuses(vicabench(*asked, "--with-map", "true", "--out", "run-none"), "revision")
    refuses(vicabench(*asked, "--with-map", "nowhere"), "nowhere", "vicabench maps")
    refuses(vicabench(*asked, "--meta", tmp_path), "--with-map true")
