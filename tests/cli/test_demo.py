"""`vicabench demo` goes the whole way, here on two rooms: films, training, testing, a curve."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.hostile import set_traps


def test_demo_trains_tests_and_draws_and_can_be_repeated(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    (out / "resume/ViCA2-Rooms-blind-5p").mkdir(parents=True)  # a blind one was stopped here
    set_traps(out, tmp_path / "sprung")  # its commands run there, in other processes
    first = demo(tmp_path)
    assert not (tmp_path / "sprung").exists()
    names = ["ViCA2-Rooms-50p", "ViCA2-Rooms"]  # of two steps
    assert all((out / name / "model.safetensors").is_file() for name in names)
    with (out / "curve-ViCA2-Rooms/curve.csv").open(encoding="utf-8", newline="") as file:
        overall = [row for row in csv.DictReader(file) if row["task"] == "average"]
    asked = len((out / "test/questions.jsonl").read_text(encoding="utf-8").splitlines())
    assert [int(row["questions"]) for row in overall] == [asked, asked]
    assert (out / "curve-ViCA2-Rooms/curve.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "report.html").is_file()
    trained = json.loads((out / "ViCA2-Rooms/training.json").read_text(encoding="utf-8"))
    assert trained["recipe"]["batch"]["pack"] > 1
    assert "A: baseline:frequency, B: ViCA2-Rooms" in first
    written = {path: path.stat().st_mtime_ns for path in out.glob("ViCA2-Rooms*/model.safetensors")}
    with start(tmp_path) as again:
        assert again.stderr
        deadline = threading.Timer(300, again.kill)
        deadline.start()
        while "vicabench scaling-curve" not in (line := again.stderr.readline()):  # it has trained
            assert line, "it ended without testing"
        again.send_signal(signal.SIGINT)
        again.communicate()
        deadline.cancel()
    assert {path: path.stat().st_mtime_ns for path in written} == written


def demo(folder: Path) -> str:
    """Run it in a folder and return what it printed."""
    with start(folder) as process:
        try:
            out, err = process.communicate(timeout=600)
        finally:
            process.kill()
    assert process.returncode == 0, err[-3000:]
    return out


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vicabench", "demo", "--scenes", "2", "--test-scenes", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160"},
    )
