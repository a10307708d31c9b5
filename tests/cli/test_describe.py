"""Videos described by models, in run folders that nothing grades."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from vica.tiny import write_tiny_checkpoint

from tests.support import Vicabench, install_adapter, read_jsonl, refuses
from tests.videos import picture
from vicabench.adapters import build_adapter
from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question, Video

PROMPT = "Please describe this video in detail."

# Says what it was asked, as adapters do that word questions by the benchmark's own wording.
ECHO = """
from vicabench.harnesses.prompts import vsi_bench
from vicabench.types import Answer

class Echo:
    needs_video, accepts_options = True, ("max_new_tokens",)
    def __init__(self, argument, context):
        self.settings = {"max_new_tokens": context.options.max_new_tokens}
    def answer(self, video, questions):
        for q in questions:
            if video.name == "clip1":
                raise ValueError("no such pixels")
            yield Answer(question_id=q.id, response=f"{video.name}: {vsi_bench(q)}", stop="eos")
"""


def test_a_model_describes_every_video_once_by_the_prompt_alone(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "echo", ECHO, "Echo")
    command = ("describe", "--benchmark", clips / "questions.jsonl", "--frames", "4", "--model")
    done = vicabench(*command, "echo", **extra)
    assert done.returncode == 1, done.stderr  # clip1
    folder = tmp_path / "runs" / "questions.jsonl-descriptions" / "echo"
    found = {row["video"]: row for row in read_jsonl(folder / "predictions.jsonl")}
    assert len(found) == 6
    assert found["clip0"]["response"] == f"clip0: {PROMPT}"
    assert found["clip1"]["error"] == "adapter: ValueError: no such pixels"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    assert config["adapter"] == {"max_new_tokens": 4096}
    again = vicabench(*command, "echo", **extra)
    assert "6 answers are there already" in again.stderr
    other = vicabench(*command, "echo", "--prompt", "What is there?", **extra)
    refuses(other, "revision", "prompt-sha256")
    refuses(vicabench(*command, "baseline:oracle"), "never looks at videos")
    for grading in ("score", "report"):
        refuses(vicabench(grading, folder), "descriptions", "vicabench judge")


def test_parts_of_descriptions_become_one_run_again(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "echo", ECHO, "Echo")
    command = ("describe", "--benchmark", clips / "questions.jsonl", "--frames", "2")
    parts = []
    for shard, where in (("1/2", ("--devices", "cpu")), ("2/2", ("--answer-timeout", "60"))):
        more = ("--shard", shard, *where, "--out", "d", "--model", "echo")
        done = vicabench(*command, *more, **extra)
        assert f"part {shard[0]} of 2 only: 3 of 6 questions" in done.stdout, done.stderr
        parts.append(f"d-shard-{shard.replace('/', '-of-')}")
    done = vicabench("merge", *parts, "--out", "d")
    assert done.returncode == 1, done.stderr  # one of the clips is broken
    assert "vicabench judge d" in done.stderr
    found = read_jsonl(tmp_path / "d" / "predictions.jsonl")
    assert sorted(row["video"] for row in found) == [f"clip{n}" for n in range(6)]
    assert [row["video"] for row in found if row["error"]] == ["clip1"]


def test_checkpoint_describes_a_video_as_it_answers_the_prompt(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "tiny")
    nothing = Benchmark(name="", subset="", revision="", questions=(), files={})
    options = ModelOptions(device="cpu", max_new_tokens=12)
    context = AdapterContext(benchmark=nothing, seed=0, frames=2, options=options)
    adapter: Any = build_adapter(str(tmp_path / "tiny"), context)
    frames_THWC = np.stack([picture(index, 96, 64) for index in range(2)])
    video = Video(
        name="clip0", path=tmp_path, frames_THWC=frames_THWC, seconds=(0.0, 1.0), duration=2.0
    )
    question = Question(id="1", video="clip0", task=DESCRIPTION, text=PROMPT, answer="")
    (described,) = adapter.answer(video, [question])
    (asked,) = adapter.about(video)([PROMPT])
    assert described.response
    assert described.response == asked.response
    assert described.prompt_tokens == asked.prompt_tokens
