"""Checkpoints on disk: round trips, shards, incomplete configurations and refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from vica.chat import prompt, video_question
from vica.checkpoint import completed
from vica.config import ViCA2Config, ViCAConfig, hiera_large, vica2_tiny
from vica.errors import CheckpointError
from vica.loading import load_config, load_model, load_processor
from vica.modeling import ViCA, ViCA2
from vica.tensors import published_name
from vica.tiny import random_model, write_tiny_checkpoint

from tests.vica.published import GOLDENS, Golden, towers

WEIGHTS = "model.safetensors"


def stored(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor in the files of a folder."""
    return {
        name: tensor
        for path in folder.glob("*.safetensors")
        for name, tensor in load_file(path).items()
    }


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(tensor, other[name]) and tensor.dtype == other[name].dtype
        for name, tensor in one.items()
    )


def copied(folder: Path, to: Path, **config: Any) -> Path:
    """A copy of a checkpoint, with changes to its config.json."""
    shutil.copytree(folder, to)
    stated = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(stated | config))
    return to


def test_a_published_checkpoint_is_written_again_bit_for_bit(
    golden: Golden, tmp_path: Path
) -> None:
    golden.model.save_pretrained(tmp_path)
    assert same(stored(tmp_path), stored(golden.folder))
    ours = json.loads((tmp_path / "config.json").read_text())
    theirs = json.loads((golden.folder / "config.json").read_text())
    values = {name: ours.get(name, "is not there") for name in theirs}
    changed = {name for name, value in theirs.items() if values[name] != value}
    assert changed == {"sliding_window", "transformers_version"}  # None if it is not used


@pytest.mark.parametrize("published", [True, False])
def test_both_layouts_are_read_as_they_were_written(published: bool, tmp_path: Path) -> None:
    model = load_model(write_tiny_checkpoint(tmp_path / "first"), dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "reloaded", published=published)
    reloaded = ViCA2.from_pretrained(tmp_path / "reloaded")
    assert reloaded.dtype == torch.bfloat16
    assert same(dict(reloaded.state_dict()), dict(model.state_dict()))
    names = set(stored(tmp_path / "reloaded"))
    assert names == {published_name(n) if published else n for n in model.state_dict()}
    assert reloaded.config.hiera.to_dict() == model.config.hiera.to_dict()


def test_shards_are_loaded_in_the_wanted_dtype(tmp_path: Path) -> None:
    whole = write_tiny_checkpoint(tmp_path / "whole", seed=3)
    parts = write_tiny_checkpoint(tmp_path / "parts", seed=3, max_shard_size="200KB")
    assert len(list(parts.glob("model-0000?-of-0000?.safetensors"))) > 3
    assert same(stored(whole), stored(parts))
    model = load_model(parts, dtype=torch.bfloat16)
    wanted = {name: tensor.bfloat16() for name, tensor in stored(whole).items()}
    assert same({published_name(n): t for n, t in model.state_dict().items()}, wanted)


def test_the_seed_alone_gives_the_weights_of_a_tiny_checkpoint(tmp_path: Path) -> None:
    first, reloaded, other = (
        stored(write_tiny_checkpoint(tmp_path / str(number), family="vica", seed=seed))
        for number, seed in enumerate([1, 1, 2])
    )
    assert same(first, reloaded)
    assert not same(first, other)
    with pytest.raises(CheckpointError, match="already holds a checkpoint"):
        write_tiny_checkpoint(tmp_path / "0")


def drop_shard(folder: Path) -> None:
    next(folder.glob("model-00002*")).unlink()


def cut(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-10])


def lie_in_the_index(folder: Path) -> None:
    path = folder / f"{WEIGHTS}.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.image_old_line"] = "model-00001-of-00001.safetensors"
    index["weight_map"] = dict.fromkeys(index["weight_map"], next(folder.glob("*-0000*")).name)
    path.write_text(json.dumps(index))


def rewrite(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def rewritten(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return rewritten


def config(**changes: Any) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return changed


def pointer(name: str) -> Callable[[Path], object]:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    return lambda folder: (folder / name).write_text(text)


def pickle_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


NEWLINE, GATE = "model.image_newline", "model.layers.0.mlp.gate_proj.weight"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing shard": (drop_shard, r"names missing files: model-00002-of"),
    "index that lies": (lie_in_the_index, r"lists tensors that no file has: .*image_old_line"),
    "truncated file": (cut, r"model.safetensors: is damaged or cut short"),
    "missing tensor": (rewrite(lambda t: t.pop(NEWLINE)), r"1 missing: model.image_newline"),
    "extra tensor": (
        rewrite(lambda t: t.update(spare=torch.zeros(2))),
        r"1 unexpected: spare",
    ),
    "wrong shape": (
        rewrite(lambda t: t.update({GATE: torch.zeros(3, 4)})),
        r"1 misshapen: model.layers.0.mlp.gate_proj.weight is \[3, 4\], not \[128, 64\]",
    ),
    "whole numbers": (
        rewrite(lambda t: t.update({GATE: t[GATE].to(torch.int8)})),
        r"stored as whole numbers, .*: 1, .*gate_proj",
    ),
    "unknown family": (config(model_type="llava"), r"of the family 'llava'; known are llava_qwen"),
    "pickles": (pickle_only, r"found pytorch_model.bin.*can run code"),
    "remote code": (
        config(auto_map={"AutoModel": "modeling.Evil"}),
        r"asks to run code from a repository \(auto_map\)",
    ),
    "kernel of the hub": (
        config(vision_config={"_attn_implementation": "lab/kernel"}),
        r"asks to run code from a repository \(_attn_implementation\)",
    ),
    "wrong value": (config(hidden_size="wide"), r"config.json: cannot be used"),
    "no config": (lambda f: (f / "config.json").unlink(), r"has no config.json"),
    "torn config": (lambda f: (f / "config.json").write_text("{"), r"cannot be read"),
    "pointer for weights": (pointer(WEIGHTS), r"model.safetensors: is a Git-LFS .*git lfs pull"),
    "pointer for config": (pointer("config.json"), r"config.json: is a Git-LFS pointer"),
    "pointer for tokenizer": (pointer("tokenizer.json"), r"tokenizer.json is a Git-LFS pointer"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), r"has no model.safetensors"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    damage, message = BROKEN[name]
    size = "200KB" if name in {"missing shard", "index that lies"} else "5GB"
    folder = write_tiny_checkpoint(tmp_path / "broken", max_shard_size=size)
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


ASKED = [
    ({"mm_newline_position": "one_token"}, "mm_newline_position is 'one_token'; only 'grid'"),
    ({"mm_patch_merge_type": "flat"}, "mm_patch_merge_type is 'flat'"),
    ({"mm_patch_merge_type": "spatial_maxpool2x2_unpad"}, "mm_patch_merge_type"),
    ({"mm_projector_type": "mlp3x_gelu"}, "mm_projector_type is 'mlp3x_gelu'"),
    ({"mm_resampler_type": "spatial_pool"}, "mm_resampler_type is 'spatial_pool'; only None"),
    ({"add_faster_video": True}, "add_faster_video is True"),
    ({"mm_use_im_start_end": True}, "mm_use_im_start_end is True"),
    ({"tokenizer_padding_side": "both"}, "tokenizer_padding_side is 'both'"),
    ({"quantization_config": {"bits": 4}}, "quantization_config"),
    (
        {"mm_spatial_pool_stride": 4},
        "mm_spatial_pool_stride is 4, but the original code ignores it",
    ),
    ({"mm_vision_tower": "openai/clip-vit-large-patch14-336"}, "mm_vision_tower is .*SigLIP"),
    ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is {'type': 'linear'"),
    ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "rope_parameters is"),
    ({"use_sliding_window": True}, "use_sliding_window is true"),
    ({"vision_config": {"num_channels": 4}}, r"vision_config.num_channels is 4"),
    ({"vision_config": {"vision_use_head": True}}, r"vision_config.vision_use_head"),
    ({"hiera_config": {"patch_padding": 1}}, r"hiera_config.patch_padding is 1"),
]


@pytest.mark.parametrize(("stated", "message"), ASKED, ids=lambda v: str(v)[:40])
def test_an_unsupported_field_is_refused_by_name(
    stated: dict[str, Any], message: str, tmp_path: Path
) -> None:
    published = GOLDENS / "tiny-vica2"
    folder = copied(published, tmp_path / "asks", **stated)
    for load in (load_config, load_model):
        with pytest.raises(CheckpointError, match=f"config.json: {message}"):
            load(folder)


def test_missing_fields_have_the_originals_defaults(tmp_path: Path) -> None:
    folder = copied(GOLDENS / "tiny-vica2", tmp_path / "lacks")
    path = folder / "config.json"
    stated = json.loads(path.read_text())
    del stated["mm_newline_position"]
    path.write_text(json.dumps(stated | {"mm_spatial_pool_mode": "average"}))
    with pytest.raises(
        CheckpointError, match="'one_token', the original code's default, as it is missing"
    ):
        load_config(folder)
    path.write_text(json.dumps(stated | {"mm_newline_position": "grid"}))
    pooled = copied(folder, tmp_path / "pooled", mm_spatial_pool_mode="average")
    spatial = load_config(pooled).layout.spatial  # the original has one mode for both encoders
    assert spatial is not None
    assert spatial.mode == "average"


@pytest.mark.parametrize(
    "stated", ["(1x1),...,(6x6)", "[[384, 384], (768, 384)]", [[384, 384], [768, 384]]]
)
def test_sizes_of_tiles_are_read_in_the_originals_spellings(stated: Any, tmp_path: Path) -> None:
    folder = copied(GOLDENS / "tiny-vica", tmp_path / "text", image_grid_pinpoints=stated)
    sizes = load_config(folder).pinpoints
    wanted = ViCAConfig().pinpoints if "..." in stated else [[384, 384], [768, 384]]
    assert sizes == wanted


@pytest.mark.parametrize("stated", ["(1x1),...,(9999x9999)", "six", [[384]], [[100, 384]], [], 3])
def test_malformed_tile_sizes_are_refused(stated: Any, tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "bad", image_grid_pinpoints=stated)
    with pytest.raises(CheckpointError, match=r"config.json: image_grid_pinpoints"):
        load_model(folder)


def test_a_checkpoint_of_the_other_family_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"is a ViCA2 checkpoint \(vica_qwen\), but ViCA \(llava_qwen\) was requested",
    ):
        ViCA.from_pretrained(tiny)
    renamed = copied(tiny, tmp_path / "renamed", model_type="llava_qwen")
    with pytest.raises(CheckpointError, match=r"unexpected: model.sam_projector"):
        load_model(renamed)


def test_the_family_is_read_from_the_checkpoint(tmp_path: Path) -> None:
    folder = write_tiny_checkpoint(tmp_path / "ViCA2-thinkng", family="vica")
    assert type(load_model(folder)) is ViCA


def test_heads_of_an_unpublished_encoder_must_be_stated() -> None:
    with pytest.raises(CheckpointError, match="add vision_config to config"):
        ViCA.from_pretrained(GOLDENS / "tiny-vica")
    half = {"vision_config": towers("vica2")["vision_config"]}
    stated = ViCA2Config.from_pretrained(GOLDENS / "tiny-vica2", **half)
    with pytest.raises(CheckpointError, match=r"width 8 and 8 blocks.*add hiera_config"):
        ViCA2.from_pretrained(GOLDENS / "tiny-vica2", config=stated)


def test_sizes_that_a_config_omits_come_from_the_shapes() -> None:
    shapes = {
        "model.embed_tokens.weight": (151647, 3584),
        "model.vision_tower.embeddings.patch_embedding.weight": (576, 3, 14, 14),
        "model.vision_tower.embeddings.position_embedding.weight": (729, 576),
        "model.vision_tower.encoder.layers.0.mlp.fc1.weight": (2000, 576),
        "model.vision_tower.encoder.layers.11.mlp.fc1.weight": (2000, 576),
        "model.sam_tower.pos_embed": (1, 144, 7, 7),
        "model.sam_projector.0.weight": (3584, 576),
        **{f"model.sam_tower.blocks.{n}.norm1.weight": (144,) for n in range(48)},
    }
    config = completed(ViCA2Config(), {}, shapes)
    assert isinstance(config, ViCA2Config)
    assert (config.vocab_size, config.hiera_stage, config.hiera_side) == (151647, 3, 64)
    assert config.hiera.to_dict() == hiera_large().to_dict()
    siglip = config.siglip
    assert (siglip.hidden_size, siglip.num_attention_heads, siglip.intermediate_size) == (
        576,
        8,
        2000,
    )
    assert (config.siglip_size, config.siglip_side, siglip.num_hidden_layers) == (384, 27, 2)


def test_a_stated_encoder_is_not_guessed_at(tmp_path: Path, tiny: Path) -> None:
    stage = copied(tiny, tmp_path / "stage", hiera_stage=3)
    with pytest.raises(
        CheckpointError, match=r"sam_projector.0.weight is \[64, 64\], not \[64, 32"
    ):
        load_model(stage)


def test_a_published_config_is_read_by_its_own_fields() -> None:
    config = ViCAConfig.from_pretrained(GOLDENS / "tiny-vica")
    assert config.rope_parameters == {"rope_theta": 1000000.0, "rope_type": "default"}
    assert config.siglip.hidden_size == 1152
    assert vica2_tiny().image_grid_pinpoints != config.image_grid_pinpoints
    assert config.image_grid_pinpoints == ViCAConfig().image_grid_pinpoints


def test_the_token_ratio_is_changed_when_a_checkpoint_is_loaded(tiny: Path) -> None:
    model = load_model(tiny, changes={"hiera_frames": 16, "hiera_pool_stride": 4})
    budget = model.config.layout.video(64)
    assert (budget.spatial_frames, budget.spatial) == (16, 16 * 2 * 3)
    processor = load_processor(tiny, config=model.config)
    video = processor.video(np.zeros((64, 8, 8, 3), np.uint8))
    assert len(model.encode(video)) == budget.total


def test_an_unknown_attention_is_refused(tiny: Path) -> None:
    if find_spec("flash_attn") is None:
        with pytest.raises(CheckpointError, match=r"pip install 'vicabench\[gpu\]'"):
            load_model(tiny, attention="flash_attention_2")
    with pytest.raises(CheckpointError, match="unknown attention 'fast': choose sdpa"):
        load_model(tiny, attention="fast")


def test_eager_and_sdpa_attention_agree(tiny: Path) -> None:
    ids = torch.arange(40)[None]
    eager, sdpa = (load_model(tiny, attention=name)(ids).logits for name in ("eager", "sdpa"))
    assert torch.allclose(eager, sdpa, atol=1e-5)


def test_a_missing_or_damaged_tokenizer_is_reported(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "damaged")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="its tokenizer cannot be read"):
        load_model(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="has no tokenizer"):
        load_processor(folder)
    assert load_model(folder).config.tokenizer_length == 259  # as config.json states


def test_tied_embeddings_are_stored_once(tmp_path: Path) -> None:
    model = random_model(vica2_tiny(tie_word_embeddings=True), seed=0)
    model.save_pretrained(tmp_path)
    assert "lm_head.weight" not in stored(tmp_path)
    reloaded = load_model(tmp_path)
    assert reloaded.lm_head.weight is reloaded.get_input_embeddings().weight
    assert same(dict(reloaded.state_dict()), dict(model.state_dict()))


@torch.no_grad()
def test_a_model_in_bfloat16_answers(tiny: Path) -> None:
    model, processor = load_model(tiny, dtype=torch.bfloat16), load_processor(tiny)
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    inputs = processor(text=prompt(video_question("How many?")), videos=frames)
    assert model(**inputs).logits.dtype == torch.bfloat16
    assert model.generate(**inputs, max_new_tokens=2).shape == (1, 2)
