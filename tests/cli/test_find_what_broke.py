"""Twelve runs in a folder, of which some broke: the others are scored, and all are named."""

from pathlib import Path

from tests.support import Vicabench, refuses, rows_about, write_jsonl


def test_runs_that_cannot_be_read_do_not_hide_the_others(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(2))
    models = ("random", "oracle", "frequency")
    named = [word for name in models for word in ("-m", f"baseline:{name}")]
    assert vicabench("run", "-b", "q.jsonl", *named, "-o", "twelve").returncode == 0
    broken = tmp_path / "twelve/baseline-frequency/predictions.jsonl"
    broken.write_text(broken.read_text().replace('"id"', '"ID"', 1))
    done = vicabench("score", "twelve")
    assert done.returncode == 2
    assert "baseline:oracle" in done.stdout
    assert "line 1: a prediction needs id" in done.stderr
    assert "1 run (exit code 2)" in done.stderr
    listed = vicabench("runs", "twelve").stdout
    assert "baseline-frequency" in listed
    refuses(vicabench("score", broken.parent), "a prediction needs id")
