"""Frames as a video, which takes torchvision: every named class, in one process of its own.

The checks run with torch's CPU build, for which no index has a torchvision. The one on PyPI is built
for CUDA, but its video transforms are Python: `nox` puts it into a folder of its own, and here the
operators are declared that it would otherwise take from a library that cannot be loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hf_models import KINDS, write_hf_model
from tests.support import read_jsonl
from vicabench.datasets.rooms.build import build as build_rooms

FOLDER = os.environ.get("VICABENCH_TORCHVISION", "")
SCRIPT = """
import sys
import torch

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from vicabench.cli.main import main

main()
"""


def vicabench(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([FOLDER, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every kind under its name, and a room."""
    folder = tmp_path_factory.mktemp("place")
    for name in KINDS:
        write_hf_model(folder / name, name)
    build_rooms(folder / "rooms", scenes=1, seed=7, width=96, height=72, fps=1, workers=1)
    return folder


@pytest.mark.skipif(not FOLDER, reason="VICABENCH_TORCHVISION names no folder with torchvision")
def test_every_named_class_is_given_a_video_and_runs_rooms_to_a_table(place: Path) -> None:
    models = [f"--model=hf:./{name}" for name in KINDS]
    where = ("--benchmark", "rooms/questions.jsonl", "--frames", "5", "--max-new-tokens", "2")
    done = vicabench(place, "run", *models, *where, "--out", "runs")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in KINDS)
    for run in (place / "runs").iterdir():
        told = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]["adapter"]
        assert (told["frames_as"], told["prefill"]) == ("video", "once a video")
        assert {line["error"] for line in read_jsonl(run / "predictions.jsonl")} == {None}


@pytest.mark.skipif(not FOLDER, reason="VICABENCH_TORCHVISION names no folder with torchvision")
@pytest.mark.parametrize("name", KINDS)
def test_verify_finds_both_ways_the_same_for_a_video(place: Path, name: str) -> None:
    where = ("--benchmark", "rooms/questions.jsonl", "--frames", "5", "--max-new-tokens", "4")
    done = vicabench(place, "verify", "--model", f"./{name}", *where, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["same"] == report["questions"] > 5
    # Logits are of the order of 3 here; another order of summation differs by some 1e-6.
    assert report["largest_logit_difference"] < 1e-4
