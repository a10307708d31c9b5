"""The two encoders compared with the original, and Hiera's weights from every source."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.sam2.modeling_sam2 import Sam2MultiScaleAttention
from vica.errors import CheckpointError
from vica.loading import load_hiera
from vica.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vica.towers import HieraTower

from tests.vica.published import FEATURES, GOLDENS, Golden, hiera_config

TENSORS = GOLDENS / "hiera_tiny.safetensors"


def tower(path: Path = TENSORS) -> HieraTower:
    stated = json.loads((GOLDENS / "hiera_tiny_config.json").read_text())
    return load_hiera(path, hiera_config({"global_att_blocks": (12, 16, 20), **stated}))


@torch.no_grad()
def test_all_four_stages_of_hiera_equal_the_original() -> None:
    golden = np.load(GOLDENS / "hiera_tiny.npz")
    frames = torch.from_numpy(golden["frames"]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    maps = tower().stages((frames - mean) / std)
    for stage, found_FHWD in enumerate(maps, start=1):
        found_FDHW = found_FHWD.permute(0, 3, 1, 2).numpy()
        assert list(found_FDHW.shape) == golden[f"stage{stage}_shape"].tolist()
        part = found_FDHW[:, :, ::4, ::4] if stage < 3 else found_FDHW
        assert np.abs(part - golden[f"stage{stage}"]).max() < FEATURES


@torch.no_grad()
def test_an_earlier_stage_is_computed_alone_and_is_the_same() -> None:
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    hiera = tower()
    for stage, map_FHWD in enumerate(hiera.stages(pixels), start=1):
        assert torch.equal(hiera(pixels, stage), map_FHWD.flatten(1, 2))


@torch.no_grad()
def test_attention_in_windows_is_that_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    hiera = tower()
    for block in cast(Sequence[Any], hiera.blocks[:3]):  # the third pools its queries
        window_NHWD = torch.randn(6, 8, 8, block.dim, generator=torch.Generator().manual_seed(0))
        theirs = Sam2MultiScaleAttention.forward(block.attn, window_NHWD)
        torch.testing.assert_close(block.attn(window_NHWD), theirs, rtol=0, atol=0)
        with monkeypatch.context() as patched:
            patched.setattr("vica.towers.MOST_ROWS", 4 * block.attn.num_attention_heads)
            torch.testing.assert_close(block.attn(window_NHWD), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("prefix", ["hiera.", "image_encoder.trunk.", "vision_encoder.backbone."])
def test_hiera_is_loaded_from_its_repository_and_from_sam(prefix: str, tmp_path: Path) -> None:
    converted = prefix == "vision_encoder.backbone."  # by transformers, with other names
    stored = tower().state_dict() if converted else load_file(TENSORS)
    tensors = {prefix + name: tensor for name, tensor in stored.items()}
    tensors["sam_mask_decoder.iou_token.weight"] = torch.zeros(1, 8)
    save_file(tensors, tmp_path / "model.safetensors")
    first, reloaded = tower().state_dict(), tower(tmp_path).state_dict()
    assert all(torch.equal(reloaded[name], tensor) for name, tensor in first.items())


def test_a_hiera_of_no_published_size_asks_for_its_configuration() -> None:
    with pytest.raises(CheckpointError, match=r"width 8 with 24 blocks.*pass its configuration"):
        load_hiera(TENSORS)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sam2.1_hiera_base_plus.pt").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match="can run code"):
        load_hiera(tmp_path / "sam2.1_hiera_base_plus.pt")


@pytest.mark.parametrize("case", ["video5", "image_anyres_big"])
@torch.no_grad()
def test_features_around_the_projectors_equal_the_original(golden: Golden, case: str) -> None:
    visual, model = golden.visual(case), golden.model.model
    features = {"siglip": model.vision_tower(visual.pixels_FCHW)}
    features["mmproj"] = model.mm_projector(features["siglip"])
    if visual.hiera_pixels_FCHW is not None:
        features["sam"] = model.get_submodule("sam_tower")(visual.hiera_pixels_FCHW)
        features["samproj"] = model.get_submodule("sam_projector")(features["sam"])
    for name, found_FLD in features.items():
        assert list(found_FLD.shape) == golden.fields[f"{case}__{name}_shape"].tolist()
        assert golden.far(case, f"{name}_frame_mean", found_FLD.mean((1, 2))) < FEATURES
        assert golden.far(case, f"{name}_first", found_FLD[0, ::29]) < FEATURES
        assert golden.far(case, f"{name}_last", found_FLD[-1, ::29]) < FEATURES
