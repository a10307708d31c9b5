"""The benchmarks run, in their smallest size: what they measure is not looked at here."""

import subprocess
import sys
from pathlib import Path

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
