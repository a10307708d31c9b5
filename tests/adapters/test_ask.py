"""`vicabench ask` and `vicabench verify`, with a tiny checkpoint and real clips."""

from __future__ import annotations

import json
import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support import refuses
from tests.warm import vicabench

QUESTIONS = ("How many chairs are there?", "Is there a table?")


def ask(place: Path, *arguments: str, typed: str = "") -> CompletedProcess[str]:
    options = ("--model", "./tiny", "--frames", "3", "--max-new-tokens", "6")
    return vicabench(place, "ask", *arguments, *options, typed=typed)


def test_questions_about_a_video_share_one_encoding(place: Path) -> None:
    done = ask(place, "clip0.mp4", *QUESTIONS)
    assert done.returncode == 0, done.stderr
    assert all(question in done.stdout for question in QUESTIONS)
    assert done.stderr.count("encoded once") == 1
    assert done.stderr.count("6 tokens, cut at --max-new-tokens") == 2


def test_typed_questions_are_answered_like_given_ones(place: Path) -> None:
    given = ask(place, "clip0.mp4", *QUESTIONS, "--json")
    typed = ask(place, "clip0.mp4", "--json", typed="\n".join(["", *QUESTIONS, ""]))
    rows = [[json.loads(line) for line in done.stdout.splitlines()] for done in (given, typed)]
    for row in (*rows[0], *rows[1]):
        assert row.pop("seconds") > 0
    assert rows[0] == rows[1]
    assert [row["question"] for row in rows[0]] == list(QUESTIONS)


def test_questions_are_asked_in_the_wording_that_was_named(place: Path) -> None:
    rows = {}
    for name in ("vica", "vsi-bench"):
        done = ask(place, "clip0.mp4", QUESTIONS[0], "--json", "--wording", name)
        rows[name] = json.loads(done.stdout)["prompt_tokens"]
    assert rows["vsi-bench"] > rows["vica"]  # it adds two sentences
    refuses(ask(place, "clip0.mp4", *QUESTIONS, "--wording", "vsibench"), "Did you mean vsi-bench?")


def test_a_failing_question_does_not_affect_the_others(place: Path) -> None:
    done = ask(place, "clip0.mp4", "What is <image>?", QUESTIONS[0], "--json")
    bad, good = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert "more than one <image>" in bad["error"]
    assert bad["response"] is None
    assert good["new_tokens"] == 6
    assert "Traceback" not in done.stderr


def test_models_that_cannot_be_asked_are_refused(place: Path) -> None:
    (place / "text.mp4").write_text("no video")
    refuses(ask(place, "text.mp4", "Why?"), "text.mp4")
    refuses(ask(place, "missing.mp4", "Why?"), "missing.mp4", "No such file")
    refuses(ask(place, "clip0.mp4", "Why?", " "), "Question 2 of 2 is empty")
    refuses(
        vicabench(place, "ask", "clip0.mp4", "caf\udce9"), "Question 1 of 1 is not valid UTF-8 text"
    )
    baseline = vicabench(place, "ask", "clip0.mp4", "Why?", "--model", "baseline:random")
    refuses(baseline, "baseline:random cannot be asked")


def test_refusal_of_a_too_long_video_says_by_how_much(place: Path) -> None:
    # The times of a thousand frames, one token per byte here, do not fit beside the frames.
    options = ("--model", "./tiny", "--frames", "1000", "--time-instruction")
    refuses(
        vicabench(place, "ask", "clip0.mp4", "Why?", *options), "more than the context of 32,768"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that nobody writes to")
def test_a_hanging_video_is_given_up(place: Path) -> None:
    os.mkfifo(place / "endless.mp4")
    limits = ("--video-timeout", "0.5", "--decoder", "pyav")
    refuses(ask(place, "endless.mp4", "Why?", *limits), "endless.mp4", "longer than 0.5 seconds")


def verify(place: Path, *arguments: str) -> CompletedProcess[str]:
    where = ("--benchmark", "questions.jsonl", "--frames", "4")
    return vicabench(place, "verify", *where, *arguments)


def test_verify_finds_equal_answers_in_float32(place: Path) -> None:
    done = verify(place, "--model", "./tiny", "--max-new-tokens", "4", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["videos"], report["questions"], report["same"]) == (2, 4, 4)
    assert 0 < report["largest_logit_difference"] < 1e-4
    assert report["settings"] == {"device": "cpu", "dtype": "float32", "attention": "sdpa"}


def test_verify_says_where_the_answers_differ(place: Path, tmp_path: Path) -> None:
    # Almost equal logits: in bfloat16 the order of summation decides which is the largest.
    folder = tmp_path / "flat"
    folder.mkdir()
    for path in (place / "tiny").iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
            continue
        tensors = load_file(path)
        if "lm_head.weight" in tensors:
            first = tensors["lm_head.weight"][:1]
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(tensors["lm_head.weight"].shape, generator=generator) * 1e-3
            tensors["lm_head.weight"] = first + noise * first.abs().mean()
        save_file(tensors, folder / path.name)
    done = verify(place, "--model", str(folder), "--dtype", "bfloat16", "--max-new-tokens", "24")
    assert done.returncode == 1, done.stdout
    assert "differs from token" in done.stdout
    assert "alone" in done.stdout


def test_verify_refuses_unshared_models_and_reports_bad_videos(place: Path) -> None:
    refuses(verify(place, "--model", "baseline:random"), "only one way of answering")
    row = json.loads((place / "questions.jsonl").read_text().splitlines()[0])
    (place / "broken.mp4").write_text("no video")
    (place / "broken.jsonl").write_text(json.dumps({**row, "video": "broken.mp4"}) + "\n")
    done = vicabench(
        place, "verify", "--model", "./tiny", "--benchmark", "broken.jsonl", "--frames", "4"
    )
    assert done.returncode == 1
    assert "broken.mp4: video:" in done.stdout
