"""Several processes answer like one, and the loss of one of them costs no answer."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_until_ended
from tests.support import Row, Vicabench, install_adapter, read_jsonl, refuses
from vicabench.engine.timing import Timing, summed
from vicabench.types import Spent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

# `moody:MOOD` answers with the mean of the frames. On clip2, `dies` kills the process, `dies-once`
# only the first time, and `raises` raises an exception. `slow` takes time for each question. Every
# process with the model leaves its id in the folder `processes`. If there is a folder `pair`, none
# answers before a second process has started.
MOODY = """
import logging, os, signal, time
from pathlib import Path
from vicabench.types import Answer

class Moody:
    settings, needs_video = {}, True
    def __init__(self, argument, context):
        if argument == "refuses":
            raise ValueError("no such mood")
        self.mood = argument
        self.place = Path("processes") / str(os.getpid())
        self.place.parent.mkdir(exist_ok=True)
        self.place.touch()
    def wait_for_another(self, pair):
        (pair / self.place.name).touch()
        end = time.monotonic() + 60
        while len(list(pair.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    def answer(self, video, questions):
        if Path("pair").exists():
            self.wait_for_another(Path("pair"))
        if video.name == "clip2":
            if self.mood == "dies" or (self.mood == "dies-once" and not Path("died").exists()):
                Path("died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mood == "raises":
                raise ValueError("not this one")
            logging.getLogger("vicabench").warning("clip2 is odd")
        for question in questions:
            if self.mood == "slow":
                time.sleep(0.1 if video.name in ("clip0", "clip1") else 1)
            yield Answer(question_id=question.id, response=f"{video.frames_THWC.mean():.6f}")
"""


@pytest.fixture
def moody(tmp_path: Path) -> dict[str, str]:
    return install_adapter(tmp_path / "site", "moody", MOODY, "Moody")


def asked(clips: Path, mood: str, *more: str | Path) -> tuple[str | Path, ...]:
    questions = clips / "questions.jsonl"
    return ("run", "--benchmark", questions, "--model", f"moody:{mood}", "--frames", "4", *more)


def answers(folder: Path) -> dict[str, Row]:
    """The answer to each question without its time; each question has one."""
    records = read_jsonl(folder / "predictions.jsonl")
    by_id = {record["id"]: {**record, "seconds": None} for record in records}
    assert len(by_id) == len(records)
    return by_id


def test_two_processes_answer_like_one_and_continue_its_run(
    vicabench: Vicabench, clips: Path, tmp_path: Path, moody: dict[str, str]
) -> None:
    assert vicabench(*asked(clips, "well", "--out", "one"), **moody).returncode == 0
    part = vicabench(*asked(clips, "well", "--out", "two", "--limit", "2"), **moody)
    assert part.returncode == 0, part.stderr
    (tmp_path / "pair").mkdir()
    done = vicabench(*asked(clips, "well", "--out", "two", "--devices", "cpu,cpu"), **moody)
    assert done.returncode == 0, done.stderr
    assert answers(tmp_path / "two") == answers(tmp_path / "one")
    assert len(list((tmp_path / "pair").iterdir())) == 2

    one, two = (
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("one", "two")
    )
    assert one["digest"] == two["digest"]
    assert two["starts"][1]["execution"]["devices"] == ["cpu", "cpu"]
    _, timing = read_jsonl(tmp_path / "two" / "timing.jsonl")
    assert (timing["videos"], timing["questions"], timing["processes"]) == (4, 40, 2)
    assert done.stderr.count("clip2 is odd") == 1
    assert "clip2 is odd" in (tmp_path / "two" / "errors.log").read_text()


def test_the_video_of_a_killed_worker_is_answered(
    vicabench: Vicabench, clips: Path, tmp_path: Path, moody: dict[str, str]
) -> None:
    vicabench(*asked(clips, "well", "--out", "well"), **moody)
    done = vicabench(*asked(clips, "dies-once", "--out", "r", "--devices", "cpu,cpu"), **moody)
    assert done.returncode == 0, done.stderr
    assert "its process ended (signal 9, Killed); clip2 is asked again" in done.stderr
    assert answers(tmp_path / "r") == answers(tmp_path / "well")


def test_a_video_that_kills_every_worker_gets_an_error(
    vicabench: Vicabench, clips: Path, tmp_path: Path, moody: dict[str, str]
) -> None:
    done = vicabench(*asked(clips, "dies", "--out", "r", "--devices", "cpu,cpu"), **moody)
    assert done.returncode == 1, done.stderr
    records = answers(tmp_path / "r").values()
    failed = {record["video"]: record["error"] for record in records if record["error"]}
    assert list(failed) == ["clip2"]
    assert "signal 9" in failed["clip2"]
    assert "3 attempts" in failed["clip2"]
    assert sum(record["response"] is not None for record in records) == 50


def test_an_exception_in_a_worker_is_logged_with_its_traceback(
    vicabench: Vicabench, clips: Path, tmp_path: Path, moody: dict[str, str]
) -> None:
    done = vicabench(*asked(clips, "raises", "--out", "r", "--devices", "cpu"), **moody)
    assert done.returncode == 1
    assert "clip2: adapter: ValueError: not this one" in done.stderr
    log = (tmp_path / "r" / "errors.log").read_text()
    assert "Traceback" in log
    assert "not this one" in log


def test_a_worker_reports_a_failed_build_in_one_paragraph(
    vicabench: Vicabench, clips: Path, moody: dict[str, str]
) -> None:
    done = vicabench(*asked(clips, "refuses", "--out", "r", "--devices", "cpu,cpu"), **moody)
    refuses(done, "--model moody:refuses", "no such mood")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_run(
    clips: Path, tmp_path: Path, moody: dict[str, str], number: signal.Signals
) -> None:
    command = [*map(str, asked(clips, "slow", "--out", "r", "--devices", "cpu,cpu"))]
    with subprocess.Popen(
        [sys.executable, "-m", "vicabench", *command],
        cwd=tmp_path,
        env={**os.environ, **moody},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        file = tmp_path / "r" / "predictions.jsonl"
        while not (file.exists() and file.stat().st_size) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9), err
    assert ("repeat the same command to continue" in err) == (number == signal.SIGINT)
    for path in (tmp_path / "processes").iterdir():
        wait_until_ended(int(path.name))


def test_calls_of_workers_are_summed_and_prices_are_not() -> None:
    times: dict[str, Any] = {
        "wall": 0.0,
        "waiting": 0.0,
        "answering": 0.0,
        "decode": 0.0,
        "prepare": 0.0,
    }
    calls = [{"sent": 3, "cost": cost, "price_input": 2.0} for cost in (0.5, 0.25)]
    calls.append({"retried": 1})  # a missing count is zero
    timings = [
        Timing(
            videos=1,
            questions=3,
            workers=1,
            cached=None,
            spent=Spent(seconds={}, tokens={}),
            calls=account,
            **times,
        )
        for account in calls
    ]
    total = summed(timings, wall=1.0, processes=2)
    assert total.calls == {"sent": 6, "cost": 0.75, "price_input": 2.0, "retried": 1}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--executor", "cloud"), ("cloud", "here, local, ray")),
        (("--executor", "local"), ("--devices",)),
        (("--devices", "cpu,tpu7"), ("tpu7", "cpu,cpu")),
        (("--devices", "cpu", "--device", "cuda"), ("leave out --device",)),
        (("--replicas", "2", "--devices", "cpu"), ("--replicas", "ray")),
        (("--devices", "cpu,cpu", "--max-requests", "9"), ("--max-requests", "one process")),
    ],
)
def test_contradictory_options_are_refused(
    vicabench: Vicabench, clips: Path, typed: tuple[str, ...], words: tuple[str, ...]
) -> None:
    questions = clips / "questions.jsonl"
    refuses(
        vicabench("run", "--benchmark", questions, "--model", "baseline:oracle", *typed), *words
    )


def test_missing_ray_is_reported_with_its_install_command(clips: Path, tmp_path: Path) -> None:
    command = [*map(str, asked(clips, "well", "--executor", "ray"))]
    command[command.index("moody:well")] = "baseline:oracle"
    script = (
        f"import sys; sys.modules['ray'] = None; sys.argv[1:] = {command};"
        "from vicabench.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    refuses(done, 'pip install "vicabench[cluster]"')


def test_a_gpu_hidden_from_cuda_is_refused(vicabench: Vicabench, clips: Path) -> None:
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:oracle",
        "--devices", "0,2", CUDA_VISIBLE_DEVICES="4,5",
    )  # fmt: skip
    refuses(done, "--devices 2", "4,5")


def test_vica_answers_alike_in_one_and_two_processes(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    command = (
        "run", "--benchmark", clips / "questions.jsonl", "--model", "vica2-rooms", "--frames", "2",
        "--limit", "2", "--max-new-tokens", "2",
    )  # fmt: skip
    one = vicabench(*command, "--out", "one", "--device", "cpu", OMP_NUM_THREADS="1")
    two = vicabench(*command, "--out", "two", "--devices", "cpu,cpu", OMP_NUM_THREADS="1")
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert answers(tmp_path / "two") == answers(tmp_path / "one")
    assert "summed over" in two.stderr
