"""A run on two Ray nodes. Ray listens on all interfaces, so only loopback may exist."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import wait_until_ended
from tests.support import Row, Vicabench, install_adapter, read_jsonl, refuses

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        [name for _, name in socket.if_nameindex()] != ["lo"],
        reason="Ray would listen on the network: `nox -s cluster` runs this with loopback alone",
    ),
]
ROOT = Path(__file__).parent.parent.parent

# Takes two seconds per video, and leaves its process id in the folder `answering`.
SLOW = """
import os, time
from pathlib import Path
from vicabench.types import Answer

class Slow:
    settings, needs_video = {}, True
    def __init__(self, argument, context): pass
    def answer(self, video, questions):
        place = Path("answering") / str(os.getpid())
        place.parent.mkdir(exist_ok=True)
        place.touch()
        for question in questions:
            time.sleep(0.2)
            yield Answer(question_id=question.id, response=f"{video.frames_THWC.mean():.6f}")
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install_adapter(tmp_path_factory.mktemp("site"), "slow", SLOW, "Slow")


@pytest.fixture(scope="module")
def nodes(slow: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Two nodes with the import path of the driver."""
    with tempfile.TemporaryDirectory(prefix="ray") as short:  # a socket's path has 107 characters
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([slow["PYTHONPATH"], *filter(None, sys.path)]),
            "RAY_TMPDIR": short,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "300",
        }
        with subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "cluster" / "two_nodes.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process:
            yield process


@pytest.fixture(scope="module")
def address(nodes: subprocess.Popen[str]) -> str:
    assert nodes.stdout
    line = nodes.stdout.readline().strip()
    assert line, "Ray did not start"
    return line


def asked(clips: Path, *more: str) -> tuple[str | Path, ...]:
    return (
        "run", "--benchmark", clips / "questions.jsonl", "--model", "slow", "--frames", "4", *more,
    )  # fmt: skip


def answers(folder: Path) -> dict[str, Row]:
    """The answer to each question without its time; each question has one."""
    records = read_jsonl(folder / "predictions.jsonl")
    by_id = {record["id"]: {**record, "seconds": None} for record in records}
    assert len(by_id) == len(records)
    return by_id


def start(folder: Path, extra: dict[str, str], *command: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vicabench", *map(str, command)],
        cwd=folder,
        env={**os.environ, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    while not until():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def processes(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.glob("answering/*")]


def test_a_run_that_lost_a_node_equals_a_local_run(
    clips: Path,
    tmp_path: Path,
    slow: dict[str, str],
    nodes: subprocess.Popen[str],
    address: str,
) -> None:
    (tmp_path / "one").mkdir()
    one = start(tmp_path / "one", slow, *asked(clips, "--out", "run"))
    run = start(
        tmp_path, slow, *asked(clips, "--out", "run", "--executor", "ray", "--address", address)
    )
    wait(run, lambda: len(processes(tmp_path)) == 2)
    assert nodes.stdin
    nodes.stdin.write("kill the second\n")
    nodes.stdin.flush()
    _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert "Ray lost it" in err
    one.communicate(timeout=60)
    assert answers(tmp_path / "run") == answers(tmp_path / "one" / "run")

    configs = [
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("run", "one/run")
    ]
    assert configs[0]["digest"] == configs[1]["digest"]
    execution = configs[0]["starts"][0]["execution"]
    assert (execution["executor"], execution["replicas"]) == ("ray", 2)
    (timing,) = read_jsonl(tmp_path / "run" / "timing.jsonl")
    assert (timing["videos"], timing["questions"]) == (6, 60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_actors_end_with_their_driver_and_the_run_continues(
    vicabench: Vicabench,
    clips: Path,
    tmp_path: Path,
    slow: dict[str, str],
    address: str,
    number: signal.Signals,
) -> None:
    on_ray = ("--executor", "ray", "--address", address, "--replicas", "1")
    run = start(tmp_path, slow, *asked(clips, "--out", "run", *on_ray))
    file = tmp_path / "run" / "predictions.jsonl"
    wait(run, lambda: file.exists() and file.stat().st_size > 0)
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert run.returncode == (130 if number == signal.SIGINT else -9), err
    (actor,) = processes(tmp_path)
    wait_until_ended(actor)
    before = file.read_text(encoding="utf-8")
    assert vicabench(*asked(clips, "--out", "run"), **slow).returncode == 0
    assert file.read_text(encoding="utf-8").startswith(before)
    assert len(answers(tmp_path / "run")) == 60


def test_a_gpu_missing_from_the_cluster_is_refused(
    vicabench: Vicabench, clips: Path, slow: dict[str, str], address: str
) -> None:
    on_ray = ("--executor", "ray", "--address", address, "--gpus-per-worker", "1")
    refuses(vicabench(*asked(clips, *on_ray), **slow), "has 0 GPUs")
