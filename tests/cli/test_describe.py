"""Videos described by models, and the descriptions judged by a language model."""

import json
from pathlib import Path

from vica.tiny import write_tiny_checkpoint

from tests.support import Vicabench, install_adapter, read_jsonl, refuses, write_jsonl
from tests.videos import write_clip

PROMPT = "Please describe this video in detail."

# Says what it was asked, as adapters do that word questions by the benchmark's own wording.
ECHO = """
from vicabench.prompts import vsi_bench
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
    refuses(vicabench(*command, "baseline:oracle"), "never looks at a video")
    for grading in ("score", "report", "figures"):
        refuses(vicabench(grading, folder), "descriptions", "vicabench judge")


def test_a_checkpoint_describes_a_video_as_it_answers_when_it_is_asked(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_tiny_checkpoint(tmp_path / "tiny")
    write_clip(tmp_path / "clip0.mp4", frames=12)
    row = {"id": "1", "video": "clip0", "question_type": "object_counting", "ground_truth": "1"}
    write_jsonl(tmp_path / "questions.jsonl", [{**row, "question": "How many?"}])
    shared = ("--model", "./tiny", "--frames", "4", "--device", "cpu", "--max-new-tokens", "12")
    done = vicabench("describe", "--benchmark", "questions.jsonl", "--out", "r", *shared)
    assert done.returncode == 0, done.stderr
    (described,) = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    asked = vicabench("ask", "clip0.mp4", PROMPT, "--json", *shared)
    reply = json.loads(asked.stdout)
    assert described["response"] == reply["response"]
    assert described["prompt_tokens"] == reply["prompt_tokens"]
