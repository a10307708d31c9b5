"""Signals that end or stop a run lose no answer."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.bench import Bench, quiet
from tests.faults.chaos import SEEDS, chaos
from tests.processes import decoding_processes, stopped
from tests.support import read_jsonl, rows_about, write_jsonl
from tests.videos import write_clip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

ENDINGS = {
    "a closed terminal": [signal.SIGHUP],
    "a cluster": [signal.SIGTERM, signal.SIGTERM],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
    "all at once": [signal.SIGHUP, signal.SIGTERM, signal.SIGINT],
}


def wait_for(file: Path, process: subprocess.Popen[str], size: int = 0) -> None:
    while not (file.exists() and file.stat().st_size >= size):
        assert process.poll() is None
        time.sleep(0.005)


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_signal_keeps_the_answers(bench: Bench, name: str) -> None:
    with bench.start(faults={"clip1": "one by one"}) as process:
        wait_for(bench.folder / "progress", process, size=6)
        for number in ENDINGS[name]:
            process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    count = len((bench.folder / "progress").read_bytes())
    assert len(read_jsonl(bench.file)) - 10 in {count - 1, count}
    assert "Interrupted. run keeps " in err
    assert bench.whole.startswith(bench.written)
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


def test_a_run_started_with_nohup_outlives_its_terminal(bench: Bench) -> None:
    command = ["nohup", *bench.command()]
    environment = bench.env(PAUSE="0.05", FAULTS="{}")
    with subprocess.Popen(
        command, cwd=bench.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not bench.written:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert bench.written == bench.whole


def test_time_limits_do_not_count_suspended_time(bench: Bench) -> None:
    write_clip(bench.folder / "clip0.mp4", frames=12)
    os.mkfifo(bench.folder / "clip1.mp4")  # decoders block on it
    questions = write_jsonl(bench.folder / "questions.jsonl", rows_about(2))
    filmed = replace(bench, questions=questions, seeing=True)
    limits = ("--answer-timeout", "6", "--video-timeout", "6", "--workers", "2")
    with subprocess.Popen(
        filmed.command(*limits, "--frames", "4", "--decoder", "pyav"),
        cwd=bench.folder,
        env=filmed.env(FAULTS='{"clip0": "takes a second"}'),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,  # an orphaned process group would ignore Ctrl-Z
    ) as process:
        wait_for(bench.folder / "taking", process)  # meanwhile the second is being decoded
        decoding_processes(process.pid)
        process.send_signal(signal.SIGTSTP)
        while not stopped(process.pid):
            time.sleep(0.01)
        time.sleep(7)
        process.send_signal(signal.SIGCONT)
        (bench.folder / "clip1.mp4").open("wb").close()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    errors = filmed.errors()
    assert errors["clip0"] == 10 * [None]
    assert "took longer" not in str(errors["clip1"])


WAITING = """
import asyncio, time
from vicabench.runtime import Countdown, within
async def call():
    async with within(2):
        print("begun", flush=True)
        for _ in range(10):
            await asyncio.sleep(0.05)
late = []
countdown = Countdown(2, lambda: late.append(1))
countdown.start()
asyncio.run(call())
countdown.cancel()
try:
    async def too_long():
        async with within(0.3):
            await asyncio.sleep(60)
    asyncio.run(too_long())
except TimeoutError:
    print("in time" if not late else "late")
"""


def test_a_suspended_call_does_not_time_out() -> None:
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
    assert out == "in time\n"


@pytest.mark.parametrize("seed", SEEDS)
def test_signals_at_chosen_moments_lose_nothing(bench: Bench, seed: int) -> None:
    chaos(bench, seed)


def test_closed_outputs_do_not_end_a_run(bench: Bench) -> None:
    command = " ".join(f"'{word}'" for word in bench.command())
    for number, lost in enumerate((">&-", "2>&-", "<&- >&- 2>&-", "2> >(exec true)")):
        script = f"PAUSE=0.02 {command}{number} {lost}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=bench.folder, env=bench.env(FAULTS="{}"),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        quiet(subprocess.CompletedProcess([], 0, done.stdout, done.stderr))
        assert done.returncode == 0, (lost, done.stderr)
        assert (bench.folder / f"run{number}/predictions.jsonl").read_bytes() == bench.whole
        if "2>" in lost and ">&- 2" not in lost:
            assert "Protocol: official" in done.stdout
    missing = bench.vicabench("score", "nothing.jsonl")
    assert missing.returncode == 2


def test_a_terminal_without_a_width_gets_the_table(undisturbed: Bench) -> None:
    for columns in ("0", "", "-1"):
        done = subprocess.run(
            [sys.executable, "-m", "vicabench", "score", "run"], cwd=undisturbed.folder,
            env={**undisturbed.env(), "COLUMNS": columns},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "faulty" in done.stdout
        assert "Obj. Count" in done.stdout
