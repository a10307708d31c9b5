"""Checkpoints that cannot run safely and completely are refused before weights are downloaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import hub as hubs
from tests.hf_models import write_hf_model
from tests.support import refuses, rows_about, write_jsonl
from tests.videos import write_clip
from vicabench.adapters import build_adapter
from vicabench.adapters.hf.text import text_model
from vicabench.errors import ConfigError
from vicabench.types import AdapterContext, Benchmark, ModelOptions

BENCHMARK = Benchmark(name="b", subset="", revision="", questions=(), files={})
MODEL = "internvl"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hf_model(tmp_path_factory.mktemp("good") / MODEL, MODEL)


def config(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **fields}), encoding="utf-8")


def pickle(folder: Path) -> None:
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def lose_a_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.popitem()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])


def lead_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "other.safetensors")
    names = load_file(folder.parent / "other.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../other.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"x": torch.zeros(1)}, folder / "beside.safetensors")


def round_weights(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("proj.weight"))
    tensors[name] = tensors[name].to(torch.int8)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def lose_the_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def show_no_frames(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content[-1].text }}")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pickle, "only those are read: pickled weights can run code"),
        (
            lose_a_weight,
            "InternVLForConditionalGeneration that are missing or have another shape: 1,",
        ),
        (lead_elsewhere, "names files outside its folder: ../other.safetensors"),
        (round_weights, "weights stored as whole numbers, whose fractions are lost: 1,"),
        (
            lambda folder: (folder / "adapter_config.json").write_text("{}"),
            "contains an adapter for another model",
        ),
        (
            lambda folder: config(folder, transformers_weights="a/b"),
            "names other files",
        ),
        (cut, "cannot be loaded"),
        (lose_the_template, "chat template"),
        (show_no_frames, "no place for the frames"),
        (lambda folder: config(folder, model_type="llava_llama"), "vicabench import"),
        (
            lambda folder: config(folder, model_type="internvl_chat", auto_map={"AutoModel": "x"}),
            "its config.json (internvl_chat) has no llm_config",
        ),
        (lambda folder: config(folder, model_type="qwen2"), "for text only"),
        (lambda folder: config(folder, model_type="florence2"), "reads text with an encoder"),
        (
            lambda folder: config(folder, model_type="vica_qwen"),
            "is a ViCA2, which has its own adapter: leave out hf:",
        ),
        (
            lambda folder: config(folder, _attn_implementation="lab/kernel"),
            "asks to run code from a repository (_attn_implementation)",
        ),
        (
            lambda folder: config(folder, text_config={"attn_implementation": {"": "lab/k@v1"}}),
            "asks to run code from a repository (attn_implementation)",
        ),
        (lambda folder: config(folder, custom_generate="lab/x"), "(custom_generate)"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    ],
)
def test_an_unusable_checkpoint_is_refused_with_the_reason(
    good: Path, tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = Path(shutil.copytree(good, tmp_path / "spoilt"))
    spoil(folder)
    context = AdapterContext(benchmark=BENCHMARK, seed=0, frames=4)
    with pytest.raises(ConfigError) as refused:
        build_adapter(f"hf:{folder}", context)
    assert words in str(refused.value)


def test_unsupported_options_are_refused(good: Path) -> None:
    options = ModelOptions(vision_batch=2, compile=True)
    context = AdapterContext(benchmark=BENCHMARK, seed=0, frames=4, options=options)
    with pytest.raises(ConfigError, match="--vision-batch, --compile"):
        build_adapter(f"hf:{good}", context)


def test_a_text_model_needs_a_chat_template(good: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(good, tmp_path / "mute"))
    lose_the_template(folder)
    with pytest.raises(ConfigError, match="chat template"):
        text_model(str(folder))


def test_a_hub_id_is_recorded_by_its_commit(good: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in good.iterdir()}
    vila = {**files, "config.json": b'{"model_type": "llava_llama", "architectures": ["VILA"]}'}
    write_clip(tmp_path / "clip0.mp4", frames=6)
    write_jsonl(tmp_path / "questions.jsonl", rows_about(1)[:2])
    with hubs.serve({"models/lab/intern": files, "models/lab/VILA1.5-3b": vila}) as hub:
        environment = {**hub.environment(tmp_path / "home"), "COLUMNS": "200"}

        def run(model: str) -> subprocess.CompletedProcess[str]:
            options = ("--frames", "2", "--max-new-tokens", "2", "--out", "run", "--model", model)
            return subprocess.run(
                [sys.executable, "-m", "vicabench", "run", "--benchmark=questions.jsonl", *options],
                cwd=tmp_path,
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )

        refuses(run("lab/VILA1.5-3b"), "llava_llama", "VILA-1.5 and NVILA have no class")
        assert hub.downloads("model.safetensors") == []
        done = run("lab/intern")
        commit = hub.repositories["models/lab/intern"][-1].commit
    assert done.returncode == 0, done.stderr
    run_config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert run_config["config"]["adapter"]["checkpoint"] == {"commit": commit}
    assert run_config["config"]["adapter"]["class"] == "InternVLForConditionalGeneration"
