"""Training end to end on a CPU: its files, and exact resumption after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from vica.errors import TrainingError
from vica.loading import load_model, load_processor
from vica.training import checkpoints
from vica.training.checkpoints import milestones
from vica.training.config import (
    LearningRates,
    Limits,
    Mixture,
    Optimizer,
    Saving,
    Source,
    TrainingConfig,
)
from vica.training.optimizer import check_buffers
from vica.training.run import train

from tests.cambrian import write_cambrian
from tests.vica.training.conftest import Make, logged, record, weights


def test_intermediate_checkpoints_are_complete(finished: TrainingConfig) -> None:
    output = Path(finished.output)
    names = ["t-25p", "t-50p", "t-75p", "t"]
    assert all((output / name / "training.json").is_file() for name in names)
    assert load_processor(output / "t-25p").tokenizer("a").input_ids
    before, after = weights(Path(finished.base)), weights(output / "t")
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    parts = {".".join(name.split(".")[:2]) for name in changed}
    assert not parts & {"model.sam_tower", "model.mm_projector"}
    assert {"model.layers", "model.vision_tower", "model.sam_projector", "lm_head.weight"} <= parts
    record = json.loads((output / "t-50p" / "training.json").read_text())
    assert record["step"] * 2 == record["steps"] == len(logged(output))
    assert record["recipe"] == finished.resolved() | {"logging": record["recipe"]["logging"]}
    assert not list((output / "resume").iterdir()), "a finished run needs no optimizer states"


def test_the_loss_falls_and_is_logged_with_its_rates(finished: TrainingConfig) -> None:
    losses = logged(finished.output)
    assert losses[-1] < 0.95 * losses[0]
    assert max(logged(finished.output, "learning_rate")) == pytest.approx(1e-3)
    assert logged(finished.output, "epoch") == pytest.approx([s / 4 for s in range(1, 9)])
    assert min(logged(finished.output, "tokens_per_second")) > 0
    assert list((Path(finished.output) / "tensorboard").iterdir())


def test_a_run_killed_while_saving_resumes_exactly(
    finished: TrainingConfig, tmp_path: Path
) -> None:
    config = replace(finished, output=str(tmp_path / "out"))
    output = Path(config.output)
    output.mkdir()
    (tmp_path / "config.json").write_text(json.dumps(config.resolved()), encoding="utf-8")
    kill_while_saving(tmp_path / "config.json", output / ".t-50p.partial")
    for folder in output.glob("t-*p"):
        load_model(folder, device="cpu")
    train(config, resume="last")
    assert not list(output.rglob("*.partial"))
    assert logged(output) == logged(finished.output)
    ours, theirs = weights(output / "t"), weights(Path(finished.output) / "t")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def kill_while_saving(config: Path, folder: Path) -> None:
    """Run a training process that kills itself shortly after it starts writing `folder`."""
    command = [sys.executable, "-c", KILLED, str(folder), str(config)]
    done = subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == -signal.SIGKILL


KILLED = """
import os, random, runpy, signal, sys, threading

folder = sys.argv.pop(1)

def watch(event, arguments):
    if event == "os.mkdir" and os.fspath(arguments[0]) == folder:
        threading.Timer(random.uniform(0, 0.1), os.kill, (os.getpid(), signal.SIGKILL)).start()

sys.addaudithook(watch)
runpy.run_module("vica.training", run_name="__main__", alter_sys=True)
"""


def test_a_bf16_run_resumes_from_unrounded_weights(make: Make, tmp_path: Path) -> None:
    config = make(tmp_path / "out", epochs=1)
    config = replace(
        config,
        hardware=replace(config.hardware, precision="bf16", workers=2),
        saving=replace(config.saving, optimizer="all"),
    )
    folder = train(config)
    whole, losses = weights(folder), logged(config.output)
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"
    shutil.rmtree(folder)
    train(config, resume="t-50p")
    assert logged(config.output) == losses
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(folder).items())


def test_a_finished_run_is_not_resumed_or_overwritten(
    finished: TrainingConfig,
) -> None:
    with pytest.raises(TrainingError, match="already holds t: continue with --resume last"):
        train(finished)
    with pytest.raises(TrainingError, match="the optimizer state of t-25p was removed"):
        train(finished, resume="t-25p")
    with pytest.raises(TrainingError, match="nothing remains to be trained"):
        train(finished, resume="t")
    with (
        FileLock(Path(finished.output) / ".lock"),
        pytest.raises(TrainingError, match="another process is training into"),
    ):
        train(finished, resume="last")


def test_too_many_unreadable_videos_stop_the_run(make: Make, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    records = [record({}, 1), record({}, 2), record({"video": "broken.mp4"}, 3)]
    (tmp_path / "data.json").write_text(json.dumps(records), encoding="utf-8")
    sources = (Source(path=str(tmp_path / "data.json")),)
    config = make(tmp_path / "out", epochs=2, mixture=Mixture(sources=sources, max_bad=0.5))
    config = replace(config, logging=replace(config.logging, steps=1000))  # and at checkpoints
    folder = train(config)
    assert logged(config.output, "unreadable")[-1] == 2
    assert json.loads((folder / "training.json").read_text())["unreadable"] == 2
    (named,) = (tmp_path / "out" / "unreadable.txt").read_text().splitlines()  # once for all epochs
    assert f"{tmp_path / 'data.json'}, record 2: {tmp_path / 'broken.mp4'} cannot be read" in named

    (tmp_path / "data.json").write_text(json.dumps([*records, record({"video": "gone"}, 4)]))
    missing = make(tmp_path / "gone", epochs=1, mixture=Mixture(sources=sources, max_bad=0.5))
    train(missing)
    (left_out,) = (tmp_path / "gone" / "left-out.txt").read_text().splitlines()
    assert left_out.endswith(f"data.json, record 3: video 'gone' does not exist below {tmp_path}")

    (tmp_path / "data.json").write_text(json.dumps(records))
    strict = make(tmp_path / "strict", epochs=1, mixture=Mixture(sources=sources, max_bad=0.1))
    with pytest.raises(TrainingError, match=r"left out 1 conversation whose.*max_bad"):
        train(strict)


def test_checkpoints_are_named_by_their_share_of_the_steps() -> None:
    names = milestones("ViCA2", 40_250, Saving(every=0.05))
    assert list(names.values()) == [*(f"ViCA2-{p}p" for p in range(5, 100, 5)), "ViCA2"]
    assert [step for step, name in names.items() if name in {"ViCA2-5p", "ViCA2"}] == [2012, 40250]
    few = milestones("few", 8, Saving(every=0.05))  # each named by the share nearest to its step
    assert [few[step] for step in (1, 2, 4, 6, 8)] == [
        *("few-10p", "few-25p", "few-50p", "few-75p", "few")
    ]
    assert len(few) == 8


def test_a_nan_gradient_stops_before_it_is_saved(make: Make, tmp_path: Path) -> None:
    config = make(tmp_path / "out")
    model = load_model(config.base, device="cpu")
    with torch.no_grad():
        model.lm_head.weight *= 1e25  # a loss of about 1e25 is finite, but its square is not
    model.save_pretrained(tmp_path / "steep")
    load_processor(config.base).save_pretrained(tmp_path / "steep")
    with pytest.raises(TrainingError, match="the gradient of step 1 is not finite"):
        train(replace(config, base=str(tmp_path / "steep")))
    assert not list((tmp_path / "out").glob("t*"))


def test_a_nan_loss_stops_the_run_and_keeps_checkpoints(make: Make, tmp_path: Path) -> None:
    config = make(
        tmp_path / "out",
        learning_rates=LearningRates(
            language_model=1e30,
            semantic_encoder=None,
            semantic_projector=None,
            spatial_projector=None,
        ),
        optimizer=Optimizer(warmup=0.5),
        saving=replace(make(tmp_path).saving, every=0.13),
    )
    with pytest.raises(TrainingError, match=r"the loss of step \d+ is not finite \(nan\)"):
        train(config)
    assert (tmp_path / "out" / "t-13p" / "training.json").is_file()
    assert not (tmp_path / "out" / "t").exists()


def test_an_exploding_loss_stops_and_keeps_checkpoints(make: Make, tmp_path: Path) -> None:
    # Once ten steps give a median, every loss is above half of it.
    config = make(
        tmp_path / "out",
        epochs=3,
        limits=Limits(explosion=0.5, patience=2),
        saving=Saving(every=0.08),
    )
    message = r"at step 12 and was above 0\.5 times its median.*--resume t-80p continues"
    with pytest.raises(TrainingError, match=message):
        train(config)
    states = sorted(path.name for path in (tmp_path / "out" / "resume").iterdir())
    assert states == [
        "t-80p",
        "t-88p",
    ]  # the checkpoint of step 11, after the loss rose, replaced none


def test_stale_states_after_a_resume_are_removed(tmp_path: Path) -> None:
    # It was trained to 20% and resumed from 10%: 15% is new, 20% is stale.
    for step, name in ((10, "t-10p"), (20, "t-20p"), (15, "t-15p")):
        for folder in (tmp_path / name, tmp_path / "resume" / name):
            folder.mkdir(parents=True)
            checkpoints.write_record(folder, {"step": step})
    checkpoints.drop_later(tmp_path, "t", 15)
    checkpoints.drop_old(tmp_path, "t", Saving(keep=1), step=15, finished=False)
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["t-15p"]
    assert sorted(path.name for path in tmp_path.glob("t-*")) == ["t-15p", "t-20p"]


@pytest.mark.parametrize("name", ["log.jsonl", "left-out.txt"])
def test_links_and_pipes_in_an_output_are_not_followed(
    make: Make, root: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "data.json").write_text(json.dumps([{}, record({}, 1)]), encoding="utf-8")
    source = Source(path=str(tmp_path / "data.json"), media=str(root))
    config = make(tmp_path / "out", mixture=Mixture(sources=(source,), max_bad=1))
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text('{"step": 9}\n', encoding="utf-8")
    (tmp_path / "out" / ".t-25p.partial").symlink_to(tmp_path / "mine")
    place = tmp_path / "out" / name
    place.symlink_to(tmp_path / "mine" / "file")
    with pytest.raises(TrainingError, match=rf"{name} cannot be opened: it is a link"):
        train(config)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(TrainingError, match=rf"{name} cannot be opened: it is a link, a pipe"):
        train(config)
    assert (tmp_path / "mine" / "file").read_text(encoding="utf-8") == '{"step": 9}\n'
    assert not (tmp_path / "out" / ".t-25p.partial").is_symlink()


def test_a_deepspeed_that_rounds_buffers_is_refused(make: Make, tmp_path: Path) -> None:
    """As in DeepSpeed 0.18, where a video's positions would be 25 rad off."""
    old = tmp_path / "site" / "deepspeed-0.18.9.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: deepspeed\nVersion: 0.18.9\n")
    (tmp_path / "site/deepspeed").mkdir()
    (tmp_path / "site/deepspeed/__init__.py").touch()
    config = make(tmp_path / "out")
    divided = replace(config, hardware=replace(config.hardware, zero=2))
    (tmp_path / "config.json").write_text(json.dumps(divided.resolved()), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "site"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "vica.training", str(tmp_path / "config.json")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "deepspeed 0.18.9 rounds the rotary frequencies" in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_rounded_buffers_are_detected_before_the_first_step(root: Path) -> None:
    model = load_model(root / "base", dtype=torch.bfloat16)
    check_buffers(model)  # weights may be in half precision
    torch.nn.Module.bfloat16(model)
    with pytest.raises(TrainingError, match=r"inv_freq is bfloat16.*deepspeed"):
        check_buffers(model)


def test_a_cambrian_is_refused_before_the_data_is_read(make: Make, tmp_path: Path) -> None:
    base = write_cambrian(tmp_path / "cambrian")
    config = make(tmp_path / "out", base=str(base), shape="vica-tiny")
    with pytest.raises(TrainingError, match="Cambrian-S is read but cannot be trained"):
        train(config)
