"""`--model` a checkpoint in InternVL's original layout, with the original code's values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils.import_utils import is_torchvision_available
from vica.video import read_frames

from tests.adapters.test_llava import write_questions
from tests.internvl import CONFIGS, stated, write_internvl
from tests.llava import GOLDENS
from tests.support import Vicabench, read_jsonl, refuses
from vicabench.adapters import build_adapter
from vicabench.adapters.hf.model import open_model
from vicabench.errors import UserError
from vicabench.harnesses.prompts import vsi_bench
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question

REPLIES = json.loads((GOLDENS / "internvl_replies.json").read_text(encoding="utf-8"))
ON_CPU = ModelOptions(device="cpu", dtype="float32")
pillow = pytest.mark.skipif(
    is_torchvision_available(), reason="torchvision resizes otherwise than the original's Pillow"
)


@pillow
@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_has_the_replies_of_the_original(warm: Vicabench, tmp_path: Path, name: str) -> None:
    write_questions(tmp_path)
    write_internvl(tmp_path / name, name)
    how = ("--frames", "4", "--max-new-tokens", "12", "--dtype", "float32", "--device", "cpu")
    what = ("--benchmark", "questions.jsonl", "--model", f"hf:./{name}", "--out", "out")
    done = warm("run", *what, *how)
    assert done.returncode == 0, done.stderr
    lines = sorted(read_jsonl(tmp_path / "out" / "predictions.jsonl"), key=lambda line: line["id"])
    kept = [
        {
            "id": line["id"],
            "prompt_tokens": line["prompt_tokens"],
            "response": line["response"].strip(),  # as the original strips it
        }
        for line in lines
    ]
    assert kept == REPLIES[name]["images"]
    settings = json.loads((tmp_path / "out" / "config.json").read_text())["config"]["adapter"]
    assert settings["class"] == "InternVLForConditionalGeneration"
    assert len(settings["checkpoint"]["sha256"]) == 64


@pillow
@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_features_and_logits_equal_the_original(tmp_path: Path, name: str) -> None:
    write_questions(tmp_path)
    frames = read_frames(tmp_path / "clip.mkv", 4)
    opened, _ = open_model(str(write_internvl(tmp_path / name, name)), ON_CPU)
    seen = opened.inputs.see(frames.pixels_THWC, frames.seconds, frames.duration)
    pixels = seen.tensors["pixel_values"].float()
    features = opened.model.model.get_image_features(pixel_values=pixels, return_dict=True)
    with np.load(GOLDENS / "internvl.npz") as values:
        wanted = {key.removeprefix(f"{name}__"): values[key] for key in values}
    # Values are up to 13, and the measured difference 5e-6.
    assert np.abs(features.pooler_output.numpy() - wanted["features"]).max() < 5e-5
    for row in read_jsonl(tmp_path / "questions.jsonl"):
        options = tuple(row["options"] or ())
        asked = Question(id="", video="", task="", text=row["question"], answer="", options=options)
        text = opened.inputs.text(vsi_bench(asked), frames=4)
        ids = torch.tensor([opened.inputs.tokens(seen, text).ids])
        logits = opened.model(input_ids=ids, pixel_values=pixels, logits_to_keep=1).logits[0, -1]
        assert np.abs(logits.numpy() - wanted[f"images__{row['id']}__logits"]).max() < 1e-4


def test_models_show_tells_the_budget(warm: Vicabench, tmp_path: Path) -> None:
    write_internvl(tmp_path / "300m", "300m")
    done = warm("models", "show", "./300m", "--frames", "4")
    assert done.returncode == 0, done.stderr
    assert "InternVLForConditionalGeneration (internvl_chat, read as internvl)" in done.stdout
    weights = load_file(tmp_path / "300m" / "model.safetensors").values()
    assert f"parameters: {sum(tensor.numel() for tensor in weights):,}" in done.stdout
    assert "a video: 4 frames of 640 x 480" in done.stdout
    assert "a frame: 4 tokens;" in done.stdout
    if not is_torchvision_available():  # each frame between two marks, and newlines between them
        assert f"tokens: {4 * (4 + 2) + 3} of 8,192" in done.stdout
    over = warm("models", "show", "hf:./300m", "--frames", "1500")
    refuses(over, "1,500 frames make 10,499 tokens, 2,307 more than the context of 8,192")
    refuses(warm("models", "show", "hf:./300m", "--hiera-pool", "2"), "has no Hiera")


def section(name: str, **changes: Any) -> Callable[[Path], None]:
    """Change fields of a section of config.json."""

    def change(folder: Path) -> None:
        fields = stated("300m")
        fields[name] |= changes
        (folder / "config.json").write_text(json.dumps(fields), encoding="utf-8")

    return change


def field(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(
        json.dumps({k: v for k, v in (stated("300m") | changes).items() if v != "absent"})
    )


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", metadata={"format": "pt"})

    return changed


QKV = "vision_model.encoder.layers.1.attn.qkv.weight"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "unknown tensor": (
        weights(lambda held: held.update({"mlp1.9.weight": torch.zeros(2)})),
        r"1 unexpected: mlp1.9.weight",
    ),
    "missing tensor": (
        weights(lambda held: held.pop(QKV)),
        r"3 missing: model.vision_tower.encoder.layer.1.attention.q_proj.weight",
    ),
    "misshapen tensor": (
        weights(lambda held: held.update({QKV: torch.zeros(90, 32)})),
        r"3 misshapen: .*layers.1.attn.qkv.weight is \[30, 32\], not \[32, 32\]",
    ),
    "old shuffle": (field(ps_version="absent"), r"ps_version is 'v1', and only 'v2' is supported"),
    "other layer": (field(select_layer=-4), r"select_layer is -4"),
    "other template": (field(template="Hermes-2"), r"template is 'Hermes-2'.*only of internvl2_5"),
    "other size": (field(force_image_size=28), r"force_image_size is 28"),
    "odd map": (section("vision_config", image_size=42), r"image_size 42 and patch_size 14"),
    "no language": (field(llm_config="absent"), r"has no llm_config"),
    "other language": (
        section("llm_config", architectures=["InternLM2ForCausalLM"]),
        r"language model is \['InternLM2ForCausalLM'\].*Qwen2ForCausalLM and Qwen3ForCausalLM",
    ),
    "wrong value": (section("llm_config", hidden_size="wide"), r"cannot be loaded"),
    "kernel": (
        section("llm_config", attn_implementation="lab/kernel"),
        r"asks to run code from a repository \(attn_implementation\)",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer_config.json").unlink(), r"tokenizer_config.json"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_restated_is_refused(name: str, tmp_path: Path) -> None:
    damage, message = BROKEN[name]
    folder = write_internvl(tmp_path / "model", "300m")
    damage(folder)
    context = AdapterContext(
        benchmark=Benchmark(name="b", subset="", revision="", questions=(), files={}),
        seed=0,
        frames=2,
        options=ON_CPU,
    )
    with pytest.raises(UserError, match=message):
        build_adapter(f"hf:{folder}", context)
