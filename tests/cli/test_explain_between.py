"""`vicabench explain --run` and `--between`: the part of the asking, split by further runs."""

from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from tests.support import rows_about
from vicabench.errors import ConfigError

# Numbers are right from four frames on, and letters from 16 new tokens on.
MODEL = """
from vicabench.types import Answer

class Counts:
    needs_video, accepts_options = True, ("max_new_tokens",)
    def __init__(self, context):
        self.tokens = context.options.max_new_tokens
        self.settings = {"generation": {"max_new_tokens": self.tokens}}
    def answer(self, video, questions):
        frames = len(video.frames_THWC)
        right = {True: self.tokens >= 16, False: frames >= 4}
        return [
            Answer(question_id=q.id, response=TRUTH[q.id] if right[bool(q.options)] else "no")
            for q in questions
        ]
"""
A: dict[str, Any] = {"frames": 2, "max_new_tokens": 8}
B: dict[str, Any] = {"frames": 4, "max_new_tokens": 16}


@pytest.fixture
def place(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The current folder has the adapter, and runs `a` and `b`; the questions are `clips`."""
    monkeypatch.chdir(tmp_path)
    truth = {row["id"]: row["ground_truth"] for row in rows_about(6)}
    Path("counts.py").write_text(f"{MODEL}\nTRUTH = {truth!r}\n", encoding="utf-8")
    questions = str(clips / "questions.jsonl")
    for name, how in (("a", A), ("b", B)):
        vb.run("./counts.py:Counts", questions, out=name, progress=False, **how)
    return questions


def test_missing_combinations_are_run_and_split_the_asking(place: str) -> None:
    del place
    found = vb.explain("a", "b", run=6)
    whole = found.overall
    assert list(whole.parts) == ["frames", "generation", "reading", "aggregating"]
    # Of the eight tasks four ask for a number, and four for a letter.
    assert [part.mean for part in whole.parts.values()] == pytest.approx([50, 50, 0, 0])
    assert found.result.again == ()
    folders = sorted(path.name for path in Path("runs/between").iterdir())
    assert folders == ["frames-a-generation-b", "frames-b-generation-a"]
    # The runs are there, and can be named.
    named = [Path("runs/between") / folder for folder in folders]
    again = vb.explain("a", "b", between=named)
    assert again.overall == whole
    assert again.frame().columns[-12] == "frames"
    with pytest.raises(ConfigError, match="missing: frames of A, generation of B"):
        vb.explain("a", "b", between=named[1:])


def test_a_sample_of_videos_is_split_on_its_questions(place: str) -> None:
    del place
    found = vb.explain("a", "b", run=2)
    assert (found.overall.difference.count, found.overall.difference.clusters) == (20, 2)
    assert any("20 of A's 60" in note for note in found.result.notes)
    assert sum(p.mean for p in found.overall.parts.values()) == found.overall.difference.mean


def test_the_commands_of_further_runs_are_named(place: str) -> None:
    del place
    said = " ".join(vb.explain("a", "b").result.again)
    assert "vicabench run --config a/run.yaml --out a-frames --frames 4" in said
    assert "--out a-generation --max-new-tokens 16" in said


def test_runs_that_are_not_between_are_refused(place: str) -> None:
    vb.run("./counts.py:Counts", place, out="c", frames=3, max_new_tokens=8, progress=False)
    with pytest.raises(ConfigError, match="another frames than"):
        vb.explain("a", "b", between=["c"])
    with pytest.raises(ConfigError, match="no difference of the asking"):
        vb.explain("a", "a", between=["c"])
    Path("b/run.yaml").unlink()
    with pytest.raises(ConfigError, match=r"no run\.yaml"):
        vb.explain("a", "b", run=1)


def test_two_presets_are_explained_by_runs_between_them(place: str) -> None:
    model = Path("counts.py").read_text(encoding="utf-8")
    accepts = '("max_new_tokens", "wording", "temperature", "top_p", "frames_as")'
    model = model.replace('("max_new_tokens",)', accepts)
    # The unit behind a number is no part of it for `official`, and makes it unreadable for B.
    model = model.replace("frames >= 4", "frames >= 64").replace("TRUTH[q.id] if", "SAID[q.id] if")
    said = {r["id"]: f"{r['ground_truth']}{'' if r['options'] else ' m'}" for r in rows_about(6)}
    Path("said.py").write_text(f"{model}\nSAID = {said!r}\n", encoding="utf-8")
    for preset in ("lmms-eval@0.3.4", "vlmevalkit@VSIBench"):
        vb.run("./said.py:Counts", place, limit=1, out=preset, preset=preset, progress=False)
    found = vb.explain("lmms-eval@0.3.4", "vlmevalkit@VSIBench", run=1)
    whole = found.overall
    # A: every letter, so half of the tasks. B: every letter, so six of the ten questions.
    assert (whole.score_a, whole.score_b) == pytest.approx((50, 60))
    assert list(whole.parts) == ["frames", "generation", "reading", "aggregating"]
    assert sum(part.mean for part in whole.parts.values()) == whole.difference.mean
    assert whole.parts["frames"].mean > 0 > whole.parts["reading"].mean
    assert whole.parts["generation"].mean == 0
    assert whole.parts["aggregating"].mean > 0
    assert len(list(Path("runs/between").iterdir())) == 2
