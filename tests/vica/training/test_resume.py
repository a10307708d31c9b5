"""Resuming: a run resumes whatever computes the same, and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from vica.errors import TrainingError
from vica.tiny import write_tiny_checkpoint
from vica.training.config import Limits, Mixture, Source, TrainingConfig
from vica.training.loss import SHARED_PREFIX
from vica.training.run import train

from tests import hub as hubs
from tests.vica.training.conftest import Make, logged, record, weights


@pytest.fixture(scope="module")
def half(make: Make, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """A run of four steps that can resume from its second."""
    config = make(tmp_path_factory.mktemp("half") / "out", epochs=1)
    config = replace(config, saving=replace(config.saving, optimizer="all"))
    train(config)
    return config


def test_a_run_resumes_after_its_files_have_moved(
    half: TrainingConfig, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(half.output, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "t")
    shutil.copytree(root / "base", tmp_path / "base")
    (tmp_path / "media").mkdir()
    for path in (*root.glob("*.mp4"), *root.glob("*.png")):
        shutil.copy(path, tmp_path / "media")
    shutil.copy(root / "data.json", tmp_path / "renamed.json")
    moved = Source(path=str(tmp_path / "renamed.json"), media=str(tmp_path / "media"))
    changed = replace(
        half,
        base=str(tmp_path / "base"),
        shape="vica2-7b",
        output=str(tmp_path / "out"),
        mixture=Mixture(sources=(moved,), seed=7, max_bad=0.5),
        hardware=replace(
            half.hardware, workers=1, gradient_checkpointing=False, attention=SHARED_PREFIX
        ),
        logging=replace(half.logging, tensorboard=True),
        limits=Limits(patience=9),
        saving=replace(half.saving, every=0.5),
    )
    assert changed.digest != half.digest
    train(changed, resume="t-50p")
    assert logged(changed.output) == logged(half.output)
    ours, theirs = weights(tmp_path / "out" / "t"), weights(Path(half.output) / "t")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def other_base(config: TrainingConfig, folder: Path) -> TrainingConfig:
    return replace(config, base=str(write_tiny_checkpoint(folder / "other", seed=1)))


def other_data(config: TrainingConfig, folder: Path) -> TrainingConfig:
    (folder / "data.json").write_text(json.dumps([record({}, 1)]), encoding="utf-8")
    return replace(config, mixture=Mixture(sources=(Source(path=str(folder / "data.json")),)))


def less_data(config: TrainingConfig, _: Path) -> TrainingConfig:
    source = replace(config.mixture.sources[0], sampling="first:50%")
    return replace(config, mixture=replace(config.mixture, sources=(source,)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, _: replace(c, batch=replace(c.batch, pack=4)), "batch.pack was 2 and is 4"),
        (
            lambda c, _: replace(c, hardware=replace(c.hardware, precision="bf16")),
            "hardware.precision was 'fp32' and is 'bf16'",
        ),
        (
            lambda c, _: replace(c, hardware=replace(c.hardware, attention="sdpa")),
            "the chosen attention was shared_prefix and is sdpa",
        ),
        (other_base, "the content of the base was sha256:[0-9a-f]+ and is sha256:[0-9a-f]+"),
        (other_data, "mixture.sources.0.path was '.*' and is '.*'.*the content of the data was"),
        (less_data, "mixture.sources.0.sampling was 'all' and is 'first:50%'"),
    ],
    ids=["pack", "precision", "attention", "base", "data", "sampling"],
)
def test_differing_settings_are_named_with_both_values(
    half: TrainingConfig,
    change: Callable[[TrainingConfig, Path], TrainingConfig],
    message: str,
    tmp_path: Path,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(half.output).rglob("*")}
    with pytest.raises(TrainingError, match=message):
        train(change(half, tmp_path), resume="t-50p")
    assert before == {path: path.stat().st_mtime_ns for path in Path(half.output).rglob("*")}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


FROM_A_HUB = """
import sys, shutil
from pathlib import Path
from dataclasses import replace
from vica.training.run import train
from vica.training.loss import SHARED_PREFIX
from vica.training.launching import read_config

config = read_config(Path(sys.argv[1]))
shutil.rmtree(train(config))
print("first half", flush=True)
sys.stdin.readline()
train(config, resume="t-50p")
"""


def test_a_resumed_run_uses_the_commits_of_its_start(
    half: TrainingConfig, root: Path, tmp_path: Path
) -> None:
    base = files_of(root / "base")
    newer = files_of(write_tiny_checkpoint(tmp_path / "newer", seed=1))
    data = {"data.json": (root / "data.json").read_bytes()}
    source = Source(path="lab/data", media=str(root))
    config = replace(
        half, base="lab/base", mixture=Mixture(sources=(source,)), output=str(tmp_path / "out")
    )
    (tmp_path / "config.json").write_text(json.dumps(config.resolved()), encoding="utf-8")
    with hubs.serve({"models/lab/base": base, "datasets/lab/data": data}) as hub:
        command = [sys.executable, "-c", FROM_A_HUB, str(tmp_path / "config.json")]
        with subprocess.Popen(
            command, stdin=-1, stdout=-1, text=True, env=hub.environment(tmp_path)
        ) as process:
            assert process.stdout
            while process.stdout.readline() not in {"first half\n", ""}:
                pass
            hub.publish("models/lab/base", newer)
            hub.publish("datasets/lab/data", {"data.json": b"[]"})
            process.communicate("go on\n")
        assert process.returncode == 0
    assert logged(config.output) == logged(half.output)
    recipe = json.loads((tmp_path / "out" / "t" / "training.json").read_text())["recipe"]
    assert recipe["base_revision"] == hubs.Repository(files=base).commit
    assert recipe["mixture"]["sources"][0]["revision"] == hubs.Repository(files=data).commit


class Command:
    """An object whose pickle creates a file when it is loaded."""

    def __init__(self, left: Path) -> None:
        self.left = left

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.left,)


def forge(state: Path, file: str, content: object) -> None:
    """Replace a file of a state by a pickle or text, with a correct digest."""
    if isinstance(content, str):
        (state / file).write_text(content, encoding="utf-8")
    else:
        torch.save(content, state / file)
    record = json.loads((state / "training.json").read_text(encoding="utf-8"))
    record["files"][file] = hashlib.sha256((state / file).read_bytes()).hexdigest()
    (state / "training.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("file", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_damaged_state_is_named_with_a_whole_one(
    half: TrainingConfig, tmp_path: Path, file: str
) -> None:
    out = Path(shutil.copytree(half.output, tmp_path / "out"))
    shutil.rmtree(out / "t")
    config = replace(half, output=str(out))
    whole = (out / "resume/t-75p" / file).read_bytes()
    (out / "resume/t-75p" / file).write_bytes(whole[:-9])
    message = rf"t-75p: {file} damaged\. t-50p is whole: continue with --resume t-50p"
    with pytest.raises(TrainingError, match=message):
        train(config, resume="last")
    forge(out / "resume/t-75p", file, Command(tmp_path / "ran"))
    with pytest.raises(TrainingError, match=r"more than tensors and values.*--resume t-50p"):
        train(config, resume="last")
    assert not (tmp_path / "ran").exists()


def test_the_progress_of_a_state_is_checked(half: TrainingConfig, tmp_path: Path) -> None:
    out = Path(shutil.copytree(half.output, tmp_path / "out"))
    shutil.rmtree(out / "t")
    config = replace(half, output=str(out))
    state = out / "resume/t-75p"
    progress = json.loads((state / "trainer_state.json").read_text(encoding="utf-8"))
    for message, words in {
        "[" * 100_000: "t-75p: was not written by a run like this one",
        "5": "t-75p: was not written by a run like this one",
        json.dumps(progress | {"global_step": 1}): "trainer_state.json is of another step",
        json.dumps(progress | {"log_history": 5}): "log_history is 5",
        json.dumps(progress | {"logging_steps": 0}): "logging_steps is 0",
    }.items():
        forge(state, "trainer_state.json", message)
        with pytest.raises(TrainingError, match=rf"{words}.*--resume t-50p"):
            train(config, resume="last")
    record = out / "t-75p/training.json"
    fields = json.loads(record.read_text(encoding="utf-8"))
    bad = [
        fields | {"recipe": 5},
        fields | {"recipe": {"mixture": 5}},
        fields | {"unreadable": "no"},
    ]
    for message in ("[" * 100_000, '{"step": Infinity}', '{"step": 3}', *map(json.dumps, bad)):
        record.write_text(message, encoding="utf-8")
        with pytest.raises(TrainingError, match=r"was not written by a training run|lacks"):
            train(config, resume="last")
