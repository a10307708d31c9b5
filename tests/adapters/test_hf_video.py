"""Frames given as a video, which needs torchvision: every listed class, in one subprocess.

The checks run with torch's CPU build, for which not every index has a torchvision. The one on PyPI
is built for CUDA, but its video transforms are Python: `nox` puts it into a separate folder, and
the operators of its library, which cannot be loaded, are declared here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.test_llava import write_questions
from tests.hf_models import KINDS, write_hf_model
from tests.internvl import write_internvl
from tests.llava import GOLDENS
from tests.support import read_jsonl
from vicabench.rooms.build import build as build_rooms

FOLDER = os.environ.get("VICABENCH_TORCHVISION", "")
OPERATORS = """
import contextlib, io, json, sys
import torch

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
SCRIPT = f"""{OPERATORS}
from vicabench.cli.main import main

for command in json.loads(sys.argv[1]):
    sys.argv[1:], shown, code = command, io.TextIOWrapper(io.BytesIO(), "utf-8"), None
    try:
        with contextlib.redirect_stdout(shown):
            main()
    except SystemExit as end:
        code = end.code
    shown.seek(0)
    print(json.dumps([code, shown.read()]))
"""
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="VICABENCH_TORCHVISION does not name a folder with torchvision"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every kind under its name, a room, and a clip of InternVL's."""
    folder = tmp_path_factory.mktemp("place")
    for name in KINDS:
        write_hf_model(folder / name, name)
    write_internvl(folder / "internvl_chat", "300m")
    write_questions(folder)
    build_rooms(folder / "rooms", scenes=1, seed=7, width=96, height=72, fps=1, workers=1)
    return folder


@pytest.fixture(scope="module")
def outputs(place: Path) -> list[tuple[int | None, str]]:
    """Exit code and output of one run of all models, `verify` with each, and InternVL's run."""
    where = ["--benchmark=rooms/questions.jsonl", "--frames=5", "--max-new-tokens=3"]
    commands = [["run", *where, *(f"--model=hf:./{name}" for name in KINDS), "--out=runs"]]
    commands += [["verify", *where, f"--model=./{name}", "--json"] for name in KINDS]
    clip = ["--benchmark=questions.jsonl", "--frames=4", "--max-new-tokens=3", "--out=chat"]
    commands += [["run", *clip, "--model=hf:./internvl_chat"]]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)],
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([FOLDER, os.environ.get("PYTHONPATH", "")]),
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, shown) for code, shown in map(json.loads, done.stdout.splitlines())]


def test_every_video_model_gets_a_video_and_answers_rooms(
    place: Path, outputs: list[tuple[int | None, str]]
) -> None:
    code, table = outputs[0]
    assert code == 0
    assert all(name in table for name in KINDS)
    for run in (place / "runs").iterdir():
        settings = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"][
            "adapter"
        ]
        assert (settings["frames_as"], settings["prefill"]) == ("video", "once a video")
        assert {line["error"] for line in read_jsonl(run / "predictions.jsonl")} == {None}


@pytest.mark.parametrize("name", KINDS)
def test_verify_finds_equal_answers_for_a_video(
    outputs: list[tuple[int | None, str]], name: str
) -> None:
    code, shown = outputs[1 + list(KINDS).index(name)]
    report = json.loads(shown)
    assert code == 0
    assert report["same"] == report["questions"] > 5
    assert report["settings"]["frames_as"] == "video"
    # Logits are of the order of 3 here; another order of summation differs by some 1e-6.
    assert report["largest_logit_difference"] < 1e-4


def test_the_original_internvl_layout_makes_the_originals_prompt_of_a_video(
    place: Path, outputs: list[tuple[int | None, str]]
) -> None:
    assert outputs[-1][0] == 0
    lines = read_jsonl(place / "chat" / "predictions.jsonl")
    wanted = json.loads((GOLDENS / "internvl_replies.json").read_text(encoding="utf-8"))
    made = [line["prompt_tokens"] for line in sorted(lines, key=lambda line: line["id"])]
    assert made == wanted["300m"]["video_prompt_tokens"]
