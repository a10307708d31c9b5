"""Abilities of an adapter in a file are used, or refused if they are malformed."""

import json
from pathlib import Path

import pytest

from tests.support import Vicabench, read_jsonl, refuses

ABLE = """
import threading
from vicabench.adapters import abilities
from vicabench.types import Agreement
from vicabench.types import Answer, Spent

class Able:
    settings, needs_video, device_name = {}, True, "Abacus 3"
    accepts_options = ("group_size",)

    def __init__(self):
        self.asked = 0

    @property
    def spent(self):
        return Spent(seconds={"vision": float(self.asked)}, tokens={"answers": 10 * self.asked})

    @property
    def calls(self):
        return {"requests": self.asked, "cost": None}

    @property
    def stopped(self):
        return "budget: all is spent" if self.asked == 2 else None

    def prepare(self, video):
        return f"{video.name} in {threading.current_thread().name}"

    def answer(self, video, questions):
        self.asked += 1
        return [Answer(question_id=q.id, response=video.prepared) for q in questions]

    def about(self, video):
        return lambda texts: [
            Answer(question_id=text, response=f"{text} of {len(video.seconds)}", seconds=0.0)
            for text in texts
        ]

    def both_ways(self, video, questions):
        for q in questions:
            yield Agreement(question_id=q.id, shared="1", alone="1", difference=0.0)

    perpare = 7  # misspelt, so ignored
"""


@pytest.fixture
def able(tmp_path: Path) -> str:
    (tmp_path / "my.py").write_text(ABLE, encoding="utf-8")
    return "./my.py:Able"


def test_every_ability_of_a_run_is_used(
    vicabench: Vicabench, clips: Path, tmp_path: Path, able: str
) -> None:
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", able, "--frames", "2",
        "--group-size", "9", "--prefetch", "0", "--out", "r",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    rows = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    outcomes = {(row["video"], row["response"], row["error"]) for row in rows}
    assert ("clip0", "clip0 in prepare_0", None) in outcomes
    stopped = {video for video, reply, error in outcomes if error == "budget: all is spent"}
    assert len(stopped) == len(outcomes) - 2
    start = json.loads((tmp_path / "r" / "config.json").read_text())["starts"][0]
    assert start["execution"]["device"] == "Abacus 3"
    assert start["execution"]["group_size"] == 9
    (timing,) = read_jsonl(tmp_path / "r" / "timing.jsonl")
    assert timing["spent"] == {"seconds": {"vision": 2.0}, "tokens": {"answers": 20}}
    assert timing["calls"] == {"requests": 2, "cost": None}


def test_abilities_of_other_commands_are_used(vicabench: Vicabench, clips: Path, able: str) -> None:
    shown = ("--model", able, "--frames", "3")
    asked = vicabench("ask", clips / "clip0.mp4", "Where?", *shown, "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["response"] == "Where? of 3"
    verified = vicabench(
        "verify", "--benchmark", clips / "questions.jsonl", "--limit", "1", *shown, "--json"
    )
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["same"] == 10


@pytest.mark.parametrize(
    ("ability", "words"),
    [
        ("def prepare(self): pass", "prepare is a method prepare(video)"),
        ("prepare = 7", "prepare is a method prepare(video)"),
        ("def both_ways(self, video): pass", "both_ways is a method both_ways(video, questions)"),
        ("def stopped(self): pass", "stopped is a value or a @property"),
        ('accepts_options = ("device")', "accepts_options is a tuple of names"),
    ],
)
def test_a_malformed_ability_is_refused(
    vicabench: Vicabench, clips: Path, tmp_path: Path, ability: str, words: str
) -> None:
    code = f"{ABLE}\nclass Odd(Able):\n    {ability}\n"
    (tmp_path / "my.py").write_text(code, encoding="utf-8")
    benchmark = clips / "questions.jsonl"
    done = vicabench("run", "--benchmark", benchmark, "--model", "./my.py:Odd", "--out", "r")
    refuses(done, words, "docs/adapters.md")
    assert not (tmp_path / "r").exists()
