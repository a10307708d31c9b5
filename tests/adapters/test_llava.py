"""`--model` LLaVA or Cambrian-S as published: replies of the original code about a real clip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cambrian import write_cambrian
from tests.hf_models import write_hf_model
from tests.llava import GOLDENS, write_llava
from tests.support import Vicabench, read_jsonl, refuses, write_jsonl
from tests.videos import write_clip

QUESTIONS = [
    ("object_counting", "How many chair(s) are in this room?", None, "4"),
    ("object_rel_distance", "Which is closest to the door?", ["A. table", "B. sofa"], "B"),
    ("room_size_estimation", "What is the size of this room (in square meters)?", None, "21.5"),
]
WANTED = json.loads((GOLDENS / "llava_replies.json").read_text(encoding="utf-8"))


def write_questions(folder: Path) -> None:
    """Three questions about a clip without loss, whose frames 0, 3, 7 and 11 the original saw."""
    write_clip(folder / "clip.mkv", frames=12, codec="ffv1", pixels="bgr0", container="matroska")
    rows = [
        {
            "id": str(number),
            "video": "clip",
            "question_type": kind,
            "question": text,
            "options": options,
            "ground_truth": truth,
        }
        for number, (kind, text, options, truth) in enumerate(QUESTIONS)
    ]
    write_jsonl(folder / "questions.jsonl", rows)


@pytest.mark.parametrize("name", ["llava_video", "onevision", "cambrian"])
def test_a_run_has_the_replies_of_the_original(warm: Vicabench, tmp_path: Path, name: str) -> None:
    write_questions(tmp_path)
    family = "Cambrian-S" if name == "cambrian" else "LLaVA"
    if family == "LLaVA":
        write_llava(tmp_path / name, name)
    else:
        write_cambrian(tmp_path / name)
    how = ("--frames", "4", "--max-new-tokens", "12", "--dtype", "float32", "--device", "cpu")
    what = ("--benchmark", "questions.jsonl", "--model", f"./{name}", "--out", "out")
    done = warm("run", *what, *how)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = read_jsonl(tmp_path / "out" / "predictions.jsonl")
    kept = [{key: line[key] for key in ("id", "prompt_tokens", "response")} for line in lines]
    assert sorted(kept, key=lambda line: line["id"]) == WANTED[name]
    settings = json.loads((tmp_path / "out" / "config.json").read_text())["config"]["adapter"]
    assert (settings["family"], settings["prompt"]["wording"]) == (family, "VSI-Bench's own")


def test_models_show_tells_the_budget(warm: Vicabench, tmp_path: Path) -> None:
    write_llava(tmp_path / "video", "llava_video")
    write_llava(tmp_path / "onevision", "onevision")
    shown = warm("models", "show", "./video").stdout
    assert "LLaVA (llava)" in shown
    assert "64 frames in SigLIP, pooled to 13 x 13" in shown
    assert "a frame: 169 tokens and 13 newlines, one after each row" in shown
    assert "tokens: 11,648 of 32,768" in shown
    shown = warm("models", "show", "./onevision", "--frames", "32").stdout
    assert "a frame: 196 tokens and 1 newline after the last frame" in shown
    assert "tokens: 6,273 of 32,768" in shown
    write_cambrian(tmp_path / "cambrian")
    shown = warm("models", "show", "./cambrian", "--frames", "128").stdout
    assert "Cambrian-S (cambrian_qwen)" in shown
    assert "a frame: 64 tokens and 8 newlines, one after each row, without what shows" in shown
    assert f"tokens: {128 * 6 * 9:,} of 32,768 for 640 x 480 pixels; 9,216 for square" in shown


def test_a_llava_with_the_prefix_of_the_other_adapter_is_refused(
    warm: Vicabench, tmp_path: Path
) -> None:
    write_questions(tmp_path)
    write_llava(tmp_path / "video", "llava_video")
    write_hf_model(tmp_path / "other", "llava_onevision")
    where = ("--benchmark", "questions.jsonl", "--frames", "2")
    refuses(
        warm("run", *where, "--model", "hf:./video"),
        "is an original LLaVA, which has its own adapter",
    )
    refuses(warm("run", *where, "--model", "vica:./other"), "is of the family 'llava_onevision'")
