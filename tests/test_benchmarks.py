"""The benchmarks run, in their smallest size: what they measure is not looked at here."""

import subprocess
import sys
from pathlib import Path

import pytest
from vica.video import available_decoders

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_one_prefill_is_measured_against_the_per_question_loop(tmp_path: Path) -> None:
    sizes = ("--frames", "2", "--questions", "1,2", "--videos", "2", "--film", "8")
    subprocess.run(
        [sys.executable, BENCHMARKS / "shared_prefix.py", *sizes, "--out", tmp_path / "speed.md"],
        check=True,
        timeout=120,
    )
    report = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| 2 |" in report
    assert "Floor for 18 questions" in report
    assert "waiting for video" in report


def test_questions_together_are_measured_against_one_after_another() -> None:
    sizes = ("--frames", "2", "--questions", "2", "--new", "3", "--models", "qwen2_5_vl")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.together", *sizes],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=BENCHMARKS.parent,
    )
    (row,) = done.stdout.splitlines()[2:]
    assert row.startswith("| qwen2_5_vl | ")
    assert row.endswith("2 of 2 |")


@pytest.mark.skipif(len(available_decoders()) < 2, reason="decord has no build here")
def test_the_decoders_are_measured_on_films_of_both_codecs() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "decoding.py", "--frames", "20", "--repeats", "1"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0].strip("| ") for row in rows] == 4 * ["H.264"] + 4 * ["HEVC"]
    assert {row[2] for row in rows} == {"20", "120"}


def test_no_stage_launches_more_than_is_stored() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "launches.py", "--shape", "tiny"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    stages = [row.split(" | ")[0] for row in done.stdout.splitlines()[2:]]
    assert stages == ["| vision", "| prefill", "| suffixes", "| step"]
