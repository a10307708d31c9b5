"""A run may be killed at any moment; the same command finishes it, and nothing is asked twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import (
    Vicabench,
    install_adapter,
    looking_oracle,
    read_jsonl,
    refuses,
    rows_about,
    write_jsonl,
)

# `slow:SECONDS` takes its time over every question, so that there are moments to be killed at.
SLOW = """
import time
from vicabench.types import Answer

class Slow:
    settings, needs_video = {}, True
    def __init__(self, argument, context): self.seconds = float(argument)
    def answer(self, video, questions):
        for question in questions:
            time.sleep(self.seconds)
            mean = video.frames_THWC.mean()
            yield Answer(question_id=question.id, response=f"{mean:.6f} {question.id}")
"""


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, str]:
    return install_adapter(tmp_path / "site", "slow", SLOW, "Slow")


def start(
    folder: Path, clips: Path, extra: Mapping[str, str], model: str = "slow:0.02"
) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "vicabench", "run", "--benchmark", str(clips / "questions.jsonl"),
        "--model", model, "--frames", "4", "--out", "run",
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def wait_for_growth(process: subprocess.Popen[str], file: Path) -> None:
    before = size(file)
    while size(file) == before and process.poll() is None:
        time.sleep(0.005)


def test_run_killed_ten_times_equals_an_uninterrupted_one(
    clips: Path, tmp_path: Path, slow: dict[str, str]
) -> None:
    (tmp_path / "whole").mkdir()
    process = start(tmp_path / "whole", clips, slow)
    process.communicate(timeout=60)
    assert process.returncode == 0

    file = tmp_path / "run" / "predictions.jsonl"
    generator = random.Random(5)
    for attempt in range(10):
        process = start(tmp_path, clips, slow)
        if attempt % 2:  # shortly after a video was written, or while things are being set up
            wait_for_growth(process, file)
            time.sleep(generator.uniform(0, 0.2))
        else:
            time.sleep(generator.uniform(0.05, 1.0))
        process.kill()
        process.communicate(timeout=60)

    process = start(tmp_path, clips, slow)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    whole = tmp_path / "whole" / "run" / "predictions.jsonl"
    assert file.read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")


def test_a_torn_last_line_is_cut_off_and_asked_again(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    command = (
        "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:random",
        "--no-video", "--out", "run",
    )  # fmt: skip
    vicabench(*command)
    file = tmp_path / "run" / "predictions.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:34]) + lines[34][:50])
    done = vicabench(*command)
    assert "torn last line" in done.stderr
    assert file.read_bytes() == whole


def test_a_full_disk_is_said_and_loses_nothing(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    command = [
        "run", "--benchmark", str(clips / "questions.jsonl"), "--model", "baseline:random",
        "--no-video", "--out", "run",
    ]  # fmt: skip
    # Files may grow to 8 KiB, which the fourth video's answers exceed in the middle of a line.
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        f"sys.argv[1:] = {command}; from vicabench.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    refuses(done, "cannot be written", "the same command")
    file = tmp_path / "run" / "predictions.jsonl"
    kept = file.read_text(encoding="utf-8")
    assert kept.endswith("}\n")
    assert 0 < kept.count("\n") < 60

    assert vicabench(*command).returncode == 0
    assert file.read_text(encoding="utf-8").startswith(kept)
    assert len(read_jsonl(file)) == 60


def test_an_interrupted_run_says_what_is_kept_and_has_no_score(
    vicabench: Vicabench, clips: Path, tmp_path: Path, slow: dict[str, str]
) -> None:
    process = start(tmp_path, clips, slow, "slow:0.1")
    wait_for_growth(process, tmp_path / "run" / "predictions.jsonl")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "repeat the same command to continue" in err

    kept = len(read_jsonl(tmp_path / "run" / "predictions.jsonl"))
    assert 10 <= kept < 60
    with (tmp_path / "run" / "predictions.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "torn')  # as a killed writer may leave it
    scored = vicabench("score", "run")
    assert f"{60 - kept} questions not asked yet" in scored.stdout
    assert f"{kept} of 60 questions answered" in scored.stdout


def test_an_unfinished_run_may_not_shrink_to_what_it_has(
    vicabench: Vicabench, clips: Path, tmp_path: Path, slow: dict[str, str]
) -> None:
    process = start(tmp_path, clips, slow)
    wait_for_growth(process, tmp_path / "run" / "predictions.jsonl")
    process.kill()
    process.communicate(timeout=60)
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "slow:0.02", "--frames", "4",
        "--out", "run", "--limit", "5", **slow,
    )  # fmt: skip
    refuses(done, "10 questions", "asked before")


def test_changed_questions_do_not_continue_an_old_run(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = rows_about(2)
    command = (
        "run", "--benchmark", "q.jsonl", "--model", "baseline:oracle", "--no-video", "--out", "r",
    )  # fmt: skip
    write_jsonl(tmp_path / "q.jsonl", rows)
    assert vicabench(*command).returncode == 0
    rows[0]["question"] = "Something else?"
    write_jsonl(tmp_path / "q.jsonl", rows)
    refuses(vicabench(*command), "revision:")


def test_two_processes_cannot_write_one_run_folder(
    vicabench: Vicabench, clips: Path, tmp_path: Path, slow: dict[str, str]
) -> None:
    process = start(tmp_path, clips, slow, "slow:0.3")
    wait_for_growth(process, tmp_path / "run" / "predictions.jsonl")
    process.send_signal(signal.SIGSTOP)  # or a slow machine might start the second too late
    second = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "slow:0.3", "--frames", "4",
        "--out", "run", **slow,
    )  # fmt: skip
    process.send_signal(signal.SIGCONT)
    refuses(second, "Another process", "--out")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_another_configuration_is_refused_naming_what_differs(
    vicabench: Vicabench, clips: Path
) -> None:
    model = looking_oracle(clips)
    command = (
        "run", "--benchmark", clips / "questions.jsonl", "--model", model, "--out", "r",
    )  # fmt: skip
    vicabench(*command, "--frames", "4")
    refuses(
        vicabench(*command, "--frames", "5", "--seed", "3"),
        "frames: 4 there, 5 now",
        "seed: 0 there, 3 now",
        "--out r-",
    )
