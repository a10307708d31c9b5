"""Two processes, with and without ZeRO, compute what one process does.

They add the same float32 numbers in another order: losses of order 6 agree to 1e-5. The norms of
gradients, of order 5, are compared too: AdamW's steps would not show a wrong scale.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vica.errors import CheckpointError, TrainingError
from vica.loading import load_model
from vica.training.config import Batch, Mixture, Saving, Source, TrainingConfig
from vica.training.run import train

from tests.hostile import set_traps
from tests.vica.training.conftest import Make, logged, record
from tests.vica.training.test_resume import forge


@pytest.fixture(scope="module")
def alone(make: Make, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """The run of one process, with two batches a step.

    The encoders take the 18 frames of a video in more portions than an image or a text.
    """
    config = make(tmp_path_factory.mktemp("alone") / "out", epochs=1, frames=18)
    train(config)
    return config


def on_two(alone: TrainingConfig, output: Path, **hardware: Any) -> TrainingConfig:
    """The same run on two processes, with one batch each a step."""
    return replace(
        alone,
        output=str(output),
        batch=Batch(pack=2, accumulation=1),
        hardware=replace(alone.hardware, devices=2, **hardware),
        saving=replace(alone.saving, optimizer="all"),
    )


def assert_same(one: TrainingConfig, other: TrainingConfig) -> None:
    for field in ("loss", "grad_norm"):
        ours, theirs = logged(one.output, field), logged(other.output, field)
        assert ours == pytest.approx(theirs, abs=1e-5, rel=1e-5)


def test_two_processes_have_the_losses_of_one(
    alone: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on_two(alone, tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    set_traps(tmp_path, tmp_path / "out" / "sprung")
    train(config)
    assert_same(config, alone)
    assert not (tmp_path / "out" / "sprung").exists(), "modules of the current folder were run"


def test_an_error_in_the_processes_is_reported_once(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    records = [record({}, 1), record({"video": "gone.mp4"}, 2)]
    (tmp_path / "data.json").write_text(json.dumps(records), encoding="utf-8")
    config = make(
        tmp_path / "out", mixture=Mixture(sources=(Source(path=f"{tmp_path}/data.json"),))
    )
    two = replace(config, hardware=replace(config.hardware, devices=2))
    with pytest.raises(TrainingError, match=r"cannot train on 1 of 2 records"):
        train(two)
    printed = capfd.readouterr().err
    assert "Traceback" not in printed
    assert "cannot be trained on" not in printed  # the caller reports it
    with pytest.raises(CheckpointError, match=r"nowhere: is neither a folder nor a hub id"):
        train(replace(two, base="./nowhere"))


KILL_SECOND = """
import os, signal

if os.environ.get("RANK") == "1":
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""Imported at the start of every Python: the second process of a run dies at once."""


def test_a_killed_process_is_reported(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(KILL_SECOND, encoding="utf-8")
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    config = make(tmp_path / "out")
    two = replace(config, hardware=replace(config.hardware, devices=2))
    with pytest.raises(TrainingError, match="process 1 of the run was ended by SIGKILL; the mach"):
        train(two)


def test_a_run_that_is_interrupted_leaves_no_process_behind(
    alone: TrainingConfig, tmp_path: Path
) -> None:
    config = replace(on_two(alone, tmp_path / "out"), epochs=100)
    (tmp_path / "config.json").write_text(json.dumps(config.resolved()), encoding="utf-8")
    command = [sys.executable, "-m", "vica.training", str(tmp_path / "config.json")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "out" / "log.jsonl").exists() and process.poll() is None:
            time.sleep(0.05)
        assert len(processes_about(tmp_path)) >= 4  # this one, torchrun, and the two
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in printed
    assert not processes_about(tmp_path)


# Imported at the start of every Python: an object that survives until the interpreter is finalised
# aborts, like gloo's threads; an exit handler records whether the process group still exists.
SITE = """
import atexit, os, sys
from pathlib import Path

class Late:
    def __del__(self):
        os.abort()

def write_down():
    torch = sys.modules.get("torch")
    Path("left").write_text(str(torch.distributed.is_initialized()))

sys.late = Late()
atexit.register(write_down)
"""


def test_a_process_skips_interpreter_finalisation(make: Make, tmp_path: Path) -> None:
    config = make(tmp_path / "out", epochs=1, saving=Saving(every=1.0))
    (tmp_path / "config.json").write_text(json.dumps(config.resolved()), encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-m", "vica.training", "config.json"],
        cwd=tmp_path,
        env={**os.environ, **alone, "MASTER_PORT": "0", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "left").read_text() == "False"


def processes_about(folder: Path) -> list[str]:
    """The running commands that name this folder."""
    commands = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # the process has ended
            commands.append(command.read_text())
    return [command for command in commands if str(folder) in command]


@pytest.mark.distributed
@pytest.mark.parametrize("zero", [2, 3])
@pytest.mark.parametrize("offload", ["none", "all"])
def test_zero_has_the_losses_of_one_process_and_resumes(
    alone: TrainingConfig, tmp_path: Path, zero: int, offload: str
) -> None:
    config = on_two(alone, tmp_path / "out", zero=zero, offload=offload)
    folder = train(config)
    assert_same(config, alone)
    assert load_model(folder, device="cpu").config.model_type == "vica_qwen"

    shutil.rmtree(folder)
    train(config, resume="t-50p")
    assert_same(config, alone)
    if offload == "all":
        return
    shutil.rmtree(folder)
    state = tmp_path / "out/resume/t-75p"
    for file in (next(state.glob(f"*/*{kind}.pt")) for kind in ("optim_states", "model_states")):
        whole = state.joinpath("training.json").read_bytes(), file.read_bytes()
        forge(state, file.relative_to(state).as_posix(), tmp_path / "ran")
        with pytest.raises(TrainingError, match=r"more than tensors and values"):
            train(config, resume="last")
        assert not (tmp_path / "ran").exists()
        for path, content in zip((state / "training.json", file), whole, strict=True):
            path.write_bytes(content)
