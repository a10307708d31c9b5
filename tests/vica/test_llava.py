"""Original LLaVA checkpoints over Qwen2: values of the original code for tiny random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from vica.errors import CheckpointError
from vica.loading import load_config, load_model, load_processor
from vica.modeling import ViCA

from tests.llava import CONFIGS, write_llava
from tests.vica.published import FEATURES, GOLDENS, LOGITS


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_a_video_is_read_as_by_the_original(name: str, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / name, name)
    model = load_model(folder)
    processor = load_processor(folder, model.config)
    with np.load(GOLDENS / "vica.npz") as shared, np.load(GOLDENS / "llava.npz") as values:
        video = processor.video(shared["frames"][:5])
        ids = torch.from_numpy(shared["video5__input_ids"])
        wanted = {key: values[f"{name}__{key}"] for key in WANTED}
    block_ND = model.encode(video)
    assert len(block_ND) == model.config.layout.video(5).total
    embeds_BLD = model.merge(ids, [block_ND]).embeds_BLD
    assert list(embeds_BLD.shape) == wanted["embeds_shape"].tolist()
    far = np.abs(embeds_BLD.mean(-1).numpy() - wanted["embeds_token_mean"])
    assert far.max() < FEATURES
    logits = model(inputs_embeds=embeds_BLD, logits_to_keep=4).logits[..., : model.vocabulary]
    assert np.abs(logits.numpy() - wanted["logits_last"]).max() < LOGITS
    new = model.generate(inputs_embeds=embeds_BLD, max_new_tokens=8)
    assert new.tolist() == wanted["generate"].tolist()


WANTED = ("embeds_shape", "embeds_token_mean", "logits_last", "generate")


def test_the_budget_follows_the_place_of_newlines(tmp_path: Path) -> None:
    layouts = {name: load_config(write_llava(tmp_path / name, name)).layout for name in CONFIGS}
    newlines = {name: each.semantic.newlines(64) for name, each in layouts.items()}
    assert newlines == {"llava_video": 64 * 13, "onevision": 1, "frame": 64, "no_token": 0}
    totals = {name: each.video(64).total for name, each in layouts.items()}
    assert totals == {
        "llava_video": 64 * 13 * 14,
        "onevision": 64 * 14 * 14 + 1,
        "frame": 64 * (13 * 13 + 1),
        "no_token": 64 * 14 * 14,
    }


def test_a_stride_that_is_null_is_the_originals(tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "null", "onevision", mm_spatial_pool_stride=None)
    assert load_config(folder).layout.semantic.pooled == 14


def test_a_saved_llava_keeps_its_newlines(tmp_path: Path) -> None:
    model = load_model(write_llava(tmp_path / "onevision", "onevision"))
    for published in (True, False):
        model.save_pretrained(tmp_path / str(published), published=published)
        again = ViCA.from_pretrained(tmp_path / str(published))
        assert again.config.layout == model.config.layout
    stated = json.loads((tmp_path / "True" / "config.json").read_text())
    assert (stated["model_type"], stated["mm_newline_position"]) == ("llava_qwen", "one_token")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "of Llama": (
        {"architectures": ["LlavaLlamaForCausalLM"]},
        r"of the family 'llava'; known are .* llava of the class LlavaQwenForCausalLM",
    ),
    "of transformers": (
        {"architectures": ["LlavaForConditionalGeneration"]},
        r"of the family 'llava'; known are",
    ),
    "newlines": (
        {"mm_newline_position": "row"},
        r"mm_newline_position is 'row'; only 'grid' or 'frame' or 'one_token' or 'no_token' is",
    ),
    "without newlines": ({"mm_patch_merge_type": "flat"}, r"mm_patch_merge_type is 'flat'"),
    "slow and fast": ({"add_faster_video": True}, r"add_faster_video is True"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_original_reads_otherwise_is_refused(name: str, tmp_path: Path) -> None:
    changes, message = REFUSED[name]
    folder = write_llava(tmp_path / "llava", "llava_video", **changes)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)
