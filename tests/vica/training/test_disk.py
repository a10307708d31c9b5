"""Disks and shared memory that are too small: reported early, without losing anything."""

from __future__ import annotations

import logging
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from vica.errors import TrainingError
from vica.loading import load_model
from vica.training.config import Saving, TrainingConfig
from vica.training.cost import SMALL, Load, Sizes, counts, load, sizes
from vica.training.run import train

from tests.vica.training.conftest import Make, logged

Free = Callable[[Path], int]


def pretend(monkeypatch: pytest.MonkeyPatch, free: Free) -> None:
    """Make the system report this many free bytes for a path."""
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda at: real(at)._replace(free=free(Path(at))))


def test_a_checkpoint_too_large_for_the_disk_is_not_started(
    finished: TrainingConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = replace(finished, output=str(tmp_path / "out"))
    first = tmp_path / "out" / "t-25p"
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        pretend(patch, lambda _: 1_000_000 if first.exists() else SMALL + 5_000_000)
        with pytest.raises(TrainingError, match=r"t-50p was not saved: .* has 1 MB free"):
            train(config)
    assert "The 4 remaining checkpoints take up to" in caplog.text
    assert sorted(path.name for path in (tmp_path / "out").glob("*t-*")) == ["t-25p"]
    train(config, resume="last")
    assert logged(config.output) == logged(finished.output)


def test_an_unwritable_checkpoint_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    config = make(tmp_path / "out", epochs=1)
    with no_files_above(200_000), pytest.raises(TrainingError, match="t-25p could not be written"):
        train(config)
    assert not list((tmp_path / "out").glob("**/*t-25p*"))


@contextmanager
def no_files_above(size: int) -> Iterator[None]:
    """Make writes beyond this size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_checked_disk_space_is_what_is_written(make: Make, tmp_path: Path) -> None:
    config = make(tmp_path / "out", epochs=1, saving=Saving(every=0.5, optimizer="all"))
    train(config)
    model = load_model(config.base, device="cpu")
    asked = sizes(counts(model, config.learning_rates), config.hardware)
    written = {path: size_of(tmp_path / "out" / path) for path in ("t-50p", "resume/t-50p")}
    # The tensors of a tiny model; names, steps and the tokenizer are a tenth of that here.
    assert written["t-50p"] == pytest.approx(asked.checkpoint, rel=0.1)
    assert written["resume/t-50p"] == pytest.approx(asked.state, rel=0.1)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("saving", "most", "last"),
    [
        # The last checkpoint has no state; a new state is written before the old one is removed.
        (Saving(), 19 * 10 + 2 * 100, 20 * 10),
        (Saving(optimizer="all"), 20 * 10 + 19 * 100, 20 * 10 + 19 * 100),
        (Saving(keep=2), 3 * 10 + 2 * 100, 2 * 10),
    ],
)
def test_disk_load_counts_what_exists_at_a_time(saving: Saving, most: int, last: int) -> None:
    assert load(Sizes(checkpoint=10, state=100), 20, saving) == Load(most=most, last=last)


def test_workers_without_shared_memory_are_refused(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(tmp_path / "out")
    config = replace(config, hardware=replace(config.hardware, workers=2))
    pretend(monkeypatch, lambda at: 10_000 if at == Path("/dev/shm") else 10**12)
    # 2 workers x 2 batches, 2 of the step, 1 more; each 3 frames for SigLIP, 2 for Hiera.
    with pytest.raises(TrainingError, match=r"workers=2 on 1 device can take up to .* MB"):
        train(config)
