"""Models of transformers in memory: `vicabench.HF`, and scores while the Trainer trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForImageTextToText, Trainer, TrainingArguments

import vicabench as vb
from tests.hf_models import write_hf_model
from tests.support import rows_about, write_jsonl
from tests.videos import write_clip
from vicabench.adapters.hf.memory import fingerprint
from vicabench.adapters.hf.model import load_processor
from vicabench.errors import ConfigError, RunFolderError

KIND = "qwen2_vl"
SHOWN: dict[str, Any] = {"frames": 2, "max_new_tokens": 3}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model, and two questions about each of two clips."""
    folder = tmp_path_factory.mktemp("place")
    write_hf_model(folder / "model", KIND)
    rows = [row for row in rows_about(2) if row["id"].endswith(("-0", "-4"))]
    write_jsonl(folder / "mine.jsonl", rows)
    for video in range(2):
        write_clip(folder / f"clip{video}.mp4", frames=8)
    return folder


@pytest.fixture
def model(place: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(place / "model", dtype=torch.float32)


@pytest.fixture(scope="module")
def processor(place: Path) -> Any:
    return load_processor(place / "model", KIND)[0]


def test_a_model_in_memory_answers_like_its_folder(
    place: Path, model: Any, processor: Any, tmp_path: Path
) -> None:
    bench = vb.benchmark(place / "mine.jsonl")
    model.train()
    model.model.visual.eval()  # as in training with a frozen encoder
    before = [module.training for module in model.modules()]
    held = vb.evaluate(vb.HF(model, processor), bench, out=tmp_path / "held", **SHOWN)
    assert [module.training for module in model.modules()] == before
    named = vb.run(f"hf:{place / 'model'}", bench, out=tmp_path / "named", **SHOWN)
    assert all(p.response is not None for p in held.predictions)
    assert [p.response for p in held.predictions] == [p.response for p in named.predictions]


def test_another_model_does_not_continue_a_run(
    place: Path, model: Any, processor: Any, tmp_path: Path
) -> None:
    vb.evaluate(vb.HF(model, processor), place / "mine.jsonl", out=tmp_path / "run", **SHOWN)
    before = fingerprint(model)
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1e-3
    assert fingerprint(model) != before
    with pytest.raises(RunFolderError, match="weights_sha256"):
        vb.evaluate(vb.HF(model, processor), place / "mine.jsonl", out=tmp_path / "run", **SHOWN)


def test_models_that_cannot_be_asked_are_refused(place: Path, model: Any, processor: Any) -> None:
    refused: dict[str, dict[str, Any]] = {
        "--dtype": {"dtype": "bfloat16"},
        "--device": {"device": "cpu"},
    }
    for words, options in refused.items():
        with pytest.raises(ConfigError, match=words):
            vb.evaluate(vb.HF(model, processor), place / "mine.jsonl", **options)
    with pytest.raises(ConfigError, match="no generate"):
        vb.evaluate(vb.HF(torch.nn.Linear(1, 1), processor), place / "mine.jsonl")
    with pytest.raises(ConfigError, match="every=0"):
        vb.TrainerCallback(place / "mine.jsonl", every=0)


def test_scores_are_logged_while_a_model_trains(
    place: Path, model: Any, processor: Any, tmp_path: Path
) -> None:
    ids = torch.arange(3, 9)
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=3,
        per_device_train_batch_size=1,
        report_to=["tensorboard"],
        logging_strategy="no",
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"input_ids": ids, "labels": ids}] * 3,
        processing_class=processor,
    )
    callback = vb.TrainerCallback(place / "mine.jsonl", every=2, **SHOWN)
    trainer.add_callback(callback)
    trainer.train()
    assert list(callback.scores) == [2, 3]
    assert model.training
    logged = [row for row in trainer.state.log_history if "eval_overall" in row]
    assert [row["step"] for row in logged] == [2, 3]
    assert logged[0]["eval_overall"] == callback.scores[2].overall.mean
    assert vb.load(tmp_path / "out/vicabench/step-2").unasked == 0
    logs = [EventAccumulator(str(file)) for file in tmp_path.rglob("events.out.tfevents.*")]
    tracked = [log.Reload() for log in logs]
    (scores,) = [log for log in tracked if "eval/overall" in log.Tags()["scalars"]]
    assert [event.step for event in scores.Scalars("eval/overall")] == [2, 3]
