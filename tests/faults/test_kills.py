"""After kill -9 at any moment, a run keeps what was written, and continues without repeats."""

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.bench import Bench

SEEDS, KILLS = range(5), 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_killed_at_random_loses_and_repeats_nothing(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    killed = 0
    while killed < KILLS:
        before = bench.whole_lines()
        process = bench.start(PAUSE="0.03")
        if killed % 2:
            wait_for_growth(process, bench.file)
            time.sleep(chance.uniform(0, 0.1))
        else:
            time.sleep(chance.uniform(0, 1.3))
        process.kill()
        process.communicate(timeout=60)
        killed += process.returncode == -9
        assert bench.written.startswith(before)
        assert bench.whole.startswith(bench.whole_lines())
        if process.returncode == 0:  # it ended before the kill: start another one
            assert bench.written == bench.whole
            bench.file.unlink()
            (bench.folder / "run" / "config.json").unlink()
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


def test_a_run_killed_at_any_step_loses_and_repeats_nothing(bench: Bench) -> None:
    for step in range(1, 100):
        before = bench.whole_lines()
        done = bench.run("--limit", "4", KILL_AT=str(step))
        assert bench.written.startswith(before)
        assert bench.whole.startswith(bench.whole_lines())
        if done.returncode == 0:
            break
        assert done.returncode == -9
    assert 10 < step < 99
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


def wait_for_growth(process: subprocess.Popen[str], file: Path) -> None:
    before = size(file)
    while size(file) == before and process.poll() is None:
        time.sleep(0.005)


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
