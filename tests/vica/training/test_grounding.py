"""Lessons: an untrained model learns what films show, and its checkpoint can be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from vica import load_model, load_processor
from vica.chat import token_ids, vsi_bench_question
from vica.errors import CheckpointError, DataError
from vica.training.pretraining import Pretraining, pretrain, write_start

from vicabench.rooms import templates
from vicabench.rooms.training import TrainingRooms, build_training, phrases

STEPS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lessons of two rooms, and a model to start from."""
    out = tmp_path_factory.mktemp("lessons")
    build_training(out / "data", TrainingRooms(seed=1, scenes=2, walks=1), workers=1)
    write_start(out / "start", phrases(), seed=0)
    return out


def run(folder: Path, name: str, steps: int = STEPS) -> list[dict[str, float]]:
    """The losses of every step."""
    losses = []
    recipe = Pretraining(
        base=str(folder / "start"),
        data=str(folder / "data"),
        output=str(folder / name),
        steps=steps,
        films=2,
        warmup=2,
    )
    pretrain(recipe, lambda _step, _steps, values: losses.append(dict(values)))
    return losses


def test_grounding_learns_and_its_checkpoint_loads(folder: Path) -> None:
    losses = run(folder, "one")
    for name in ("semantic shows", "spatial shows", "when"):
        assert losses[-1][name] < 0.9 * losses[0][name], name
    before, after = (load_model(folder / name).state_dict() for name in ("start", "one"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("model.sam_tower.") for name in moved)
    assert any(name.startswith("model.vision_tower.") for name in moved)


def test_the_same_seed_gives_the_same_losses(folder: Path) -> None:
    assert run(folder, "two", 3) == run(folder, "three", 3)


def test_a_question_about_rooms_has_a_dozen_ids(folder: Path) -> None:
    tokenizer = load_processor(folder / "start").tokenizer
    text = vsi_bench_question(templates.ABS_DISTANCE.format(a="sofa", b="trash bin"))
    ids = token_ids(text, tokenizer)
    assert len(ids) == 6
    assert tokenizer.decode(ids[1:]) == text.removeprefix("<image>")


def test_missing_lessons_and_taken_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no lessons"):
        pretrain(
            Pretraining(base=str(folder / "start"), data=str(tmp_path), output=str(tmp_path / "o"))
        )
    with pytest.raises(CheckpointError, match="is not empty"):
        write_start(folder / "start", phrases())
