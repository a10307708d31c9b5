"""Checkpoints on disk: what must be true of one before it is loaded, and its configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from math import isqrt
from pathlib import Path
from typing import Any, TypeGuard, cast

import torch
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from vica.config import (
    FAMILIES,
    PUBLISHED_HIERA,
    SIGLIP_HEAD_WIDTH,
    ViCA2Config,
    ViCAConfig,
    hiera_base_plus,
    siglip,
    siglip_so400m,
)
from vica.errors import BudgetError, CheckpointError, an, counted, pointer
from vica.hub import CONFIG, MODEL_TYPES, family, fetch, read_config
from vica.tensors import Shape, compare, our_name, published_name, shapes

OURS = "video_frames"
"""A field that only our files have: their other fields are ours as well, and mean what they say."""
ONLY: dict[str, tuple[object, ...]] = {
    "mm_newline_position": ("grid",),
    "mm_patch_merge_type": ("spatial_unpad",),
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_resampler_type": (None,),
    "add_faster_video": (None, False),
    "mm_use_im_start_end": (None, False),
    "tokenizer_padding_side": ("right", "left"),
    "quantization_config": (None,),
}
"""The values of a field that are computed here."""
ABSENT = {"mm_newline_position": "one_token", "mm_patch_merge_type": "flat"}
"""What the original takes where its file says nothing."""
STRIDE = 2
"""Its code pools every video by this, whatever its file says."""


def check_stated(stated: Mapping[str, Any], where: str) -> None:
    """Raise CheckpointError, naming the field, for a configuration that is not computed here."""
    for problem in _problems(stated):
        raise CheckpointError(f"{where}: {problem}")


def _problems(stated: Mapping[str, Any]) -> Iterator[str]:
    theirs = OURS not in stated
    for field, known in ONLY.items():
        value = stated.get(field, ABSENT.get(field, known[0]) if theirs else known[0])
        if not any(value is one or (value == one and type(value) is type(one)) for one in known):
            missing = "" if field in stated else ", as the original takes it where it is missing"
            allowed = " or ".join(repr(one) for one in known)
            yield f"{field} is {value!r}{missing}; only {allowed} can be computed"
    stride = stated.get("mm_spatial_pool_stride", STRIDE)
    if theirs and stride != STRIDE:
        yield (
            f"mm_spatial_pool_stride is {stride!r}, which the original writes and does not use: it "
            f"pools by {STRIDE}. Correct it, or pass mm_spatial_pool_stride={STRIDE}"
        )
    tower = stated.get("mm_vision_tower")
    if isinstance(tower, str) and "siglip" not in tower.lower():
        yield f"mm_vision_tower is {tower!r}; only SigLIP can be computed"
    yield from _language_model(stated)
    for name in ("vision_config", "hiera_config"):
        yield from _encoder(name, stated.get(name))


def _language_model(stated: Mapping[str, Any]) -> Iterator[str]:
    for field in ("rope_scaling", "rope_parameters"):
        rope = stated.get(field)
        if rope is None:
            continue
        kinds = {rope.get(key, "default") for key in ("type", "rope_type")} if _is(rope) else set()
        if kinds != {"default"} or rope.get("factor", 1) != 1:
            yield (
                f"{field} is {rope!r}, and the original code computes without any: set it to null "
                "if the checkpoint was trained by that code"
            )
    if stated.get("use_sliding_window"):
        yield "use_sliding_window is true; only layers that see the whole video can be computed"


def _encoder(name: str, stated: object) -> Iterator[str]:
    """Of a vision encoder: what the arithmetic of its map's side does not hold for."""
    if not _is(stated):
        return
    if stated.get("num_channels", 3) != 3:
        yield f"{name}.num_channels is {stated['num_channels']!r}; pictures have 3 colours"
    if stated.get("vision_use_head"):
        yield f"{name}.vision_use_head is true; the features are those before the head"
    for field, known in (("patch_kernel_size", 7), ("patch_stride", 4), ("patch_padding", 3)):
        value = stated.get(field, known)
        if value not in (known, [known, known]):
            yield f"{name}.{field} is {value!r}; only {known} can be computed"


def _is(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


SIGLIP = "model.vision_tower."
HIERA = "model.sam_tower."
Shapes = Mapping[str, Shape]
"""By our names."""
_NOTES = {"dtype": None, "transformers_version": None}


def completed(config: ViCAConfig, stated: Mapping[str, object], shapes: Shapes) -> ViCAConfig:
    """A copy of `config` in which what was left open fits the tensors.

    Open is an encoder that is as published by default: neither in the file, whose content is
    `stated`, nor set by the caller. The rows of the vocabulary are always the tensors'.
    Raises CheckpointError naming the field to add where shapes alone do not settle it.
    """
    config = deepcopy(config)
    embeds = shapes.get("model.embed_tokens.weight")
    if embeds:
        config.vocab_size = embeds[0]
    if "vision_config" not in stated and _same(config.siglip, siglip_so400m()):
        _complete_siglip(config, shapes)
    if isinstance(config, ViCA2Config):
        if "hiera_config" not in stated and _same(config.hiera, hiera_base_plus()):
            _complete_hiera(config, shapes)
        if "hiera_stage" not in stated:
            _complete_stage(config, shapes)
    return config


def _complete_siglip(config: ViCAConfig, shapes: Shapes) -> None:
    patch = shapes.get(f"{SIGLIP}embeddings.patch_embedding.weight")
    positions = shapes.get(f"{SIGLIP}embeddings.position_embedding.weight")
    mlp = shapes.get(f"{SIGLIP}encoder.layers.0.mlp.fc1.weight")
    if not (patch and positions and mlp) or patch[0] == config.siglip.hidden_size:
        return
    width, size, side = patch[0], patch[2], isqrt(positions[0])
    if width % SIGLIP_HEAD_WIDTH:
        raise CheckpointError(
            f"SigLIP is {width} wide here, not {siglip_so400m().hidden_size} as published, and "
            "tensors do not tell its number of heads: add vision_config to config.json, with "
            "num_attention_heads and its other sizes"
        )
    config.vision_config = siglip(
        width=width,
        mlp_width=mlp[0],
        layers=_count(shapes, f"{SIGLIP}encoder.layers."),
        heads=width // SIGLIP_HEAD_WIDTH,
        image_size=config.siglip_size if config.siglip_size // size == side else side * size,
        patch_size=size,
    )


def _complete_hiera(config: ViCA2Config, shapes: Shapes) -> None:
    positions = shapes.get(f"{HIERA}pos_embed")
    if not positions:
        return
    found = (positions[1], _count(shapes, f"{HIERA}blocks."))
    for build in PUBLISHED_HIERA.values():
        published = build()
        if (published.hidden_size, sum(published.blocks_per_stage or [])) == found:
            config.hiera_config = published
            return
    raise CheckpointError(
        f"Hiera has width {found[0]} and {counted(found[1], 'block')} here, which is none of the "
        "published "
        f"sizes ({', '.join(PUBLISHED_HIERA)}), and tensors do not tell its heads and windows: "
        "add hiera_config to config.json"
    )


def _complete_stage(config: ViCA2Config, shapes: Shapes) -> None:
    """Each stage has its own width, which is the width of the projector's input."""
    projector = shapes.get("model.sam_projector.0.weight")
    widths = list(config.hiera.embed_dim_per_stage or [])
    if projector and projector[1] in widths:
        config.hiera_stage = widths.index(projector[1]) + 1


def _same(one: PreTrainedConfig, other: PreTrainedConfig) -> bool:
    """Whether two configurations are of one size, whatever else is noted in them."""
    return one.to_diff_dict() | _NOTES == other.to_diff_dict() | _NOTES


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbered layers there are under a prefix."""
    numbers = {n.removeprefix(prefix).split(".")[0] for n in shapes if n.startswith(prefix)}
    return len(numbers)


HUB_OPTIONS = ("revision", "cache_dir", "token", "local_files_only", "force_download")
COUNTS = (
    "video_frames",
    "tokenizer_model_max_length",
    "mm_spatial_pool_stride",
    "hiera_frames",
    "hiera_stage",
    "hiera_pool_stride",
)
"""Fields of ours that transformers does not check."""
HEAD = "lm_head.weight"
"""Left out of the files where it is tied to the embeddings."""
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")


def prepared(
    model_class: type[PreTrainedModel],
    spec: str | Path,
    config: ViCAConfig | None,
    options: Mapping[str, Any],
) -> tuple[Path, ViCAConfig, dict[str, Any]]:
    """A checkpoint's folder, its whole configuration, and the options that are still to apply.

    Raises CheckpointError unless the files hold exactly the tensors of such a model.
    """
    rest = dict(options)
    hub = {name: rest.pop(name) for name in HUB_OPTIONS if name in rest}
    folder = fetch(spec, **{name: value for name, value in hub.items() if value is not None})
    wanted = cast(type[ViCAConfig], model_class.config_class)
    _check_family(folder, wanted)
    if config is not None:
        check_stated(read_config(folder), str(folder / CONFIG))
    found = {our_name(name): shape for name, shape in shapes(folder).items()}
    if config is None:
        config, rest = configured(folder, rest)
    config = completed(config, read_config(folder), found)
    if has_tokenizer(folder):
        config.tokenizer_length = len(read_tokenizer(folder))
    try:
        shapes_wanted = _shapes_of(model_class, config)
        _ = config.pinpoints
    except BudgetError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise CheckpointError(f"{folder / CONFIG}: cannot be used: {error!r}") from error
    if config.tie_word_embeddings and HEAD not in found:
        del shapes_wanted[HEAD]
    compare(found, shapes_wanted, str(folder), published_name)
    return folder, config, rest


def configured(
    folder: Path, options: Mapping[str, Any] | None = None
) -> tuple[ViCAConfig, dict[str, Any]]:
    """The configuration in a folder, changed by those `options` that are its fields; the others.

    Raises CheckpointError when its values cannot be used, or ask for what is not computed here.
    """
    config_class = FAMILIES[family(folder)]
    check_stated({**read_config(folder), **(options or {})}, str(folder / CONFIG))
    try:
        config, rest = config_class.from_pretrained(
            folder, return_unused_kwargs=True, **(options or {})
        )
    except Exception as error:  # values can be wrong in any way, and transformers trusts them
        raise CheckpointError(f"{folder / CONFIG}: cannot be used: {error}") from error
    for name in COUNTS:
        if type(value := getattr(config, name, 1)) is not int:
            raise CheckpointError(
                f"{folder / CONFIG}: {name} must be a whole number, it is {value!r}"
            )
    return cast(ViCAConfig, config), rest


def write_published_config(config: ViCAConfig, folder: Path) -> None:
    """Replace `config.json` in a folder by one in the published layout."""
    text = json.dumps(published_config(config), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def published_config(config: ViCAConfig) -> dict[str, Any]:
    """`config.json` as the original code wrote it, with our fields beside."""
    fields = config.to_dict()
    rope = fields.pop("rope_parameters", None) or {}
    fields.pop("layer_types", None)
    return fields | {
        "architectures": [config.published_architecture],
        "rope_theta": rope.get("rope_theta", 10000.0),
        "rope_scaling": None,
        "torch_dtype": fields.pop("dtype", None),
        "mm_hidden_size": config.siglip.hidden_size,
        "mm_projector_type": "mlp2x_gelu",
        "mm_patch_merge_type": "spatial_unpad",
        "mm_newline_position": "grid",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
    }


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder; raises CheckpointError when it is missing or damaged."""
    if not has_tokenizer(folder):
        raise CheckpointError(f"{folder}: has no tokenizer ({' or '.join(TOKENIZER_FILES)})")
    try:
        return cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(folder))
    except Exception as error:  # the tokenizers library raises plain Exception
        pointers = (
            f"{name} {said}" for name in TOKENIZER_FILES if (said := pointer(folder / name))
        )
        what = next(pointers, f"its tokenizer cannot be read: {error}")
        raise CheckpointError(f"{folder}: {what}") from error


def has_tokenizer(folder: Path) -> bool:
    """Whether there is a tokenizer beside the weights; training can do without."""
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def _check_family(folder: Path, wanted: type[ViCAConfig]) -> None:
    found = family(folder)
    if found != wanted.model_type:
        raise CheckpointError(
            f"{folder}: is {an(MODEL_TYPES[found])} checkpoint ({found}), asked for was "
            f"{MODEL_TYPES[wanted.model_type]} ({wanted.model_type})"
        )


def _shapes_of(model_class: type[PreTrainedModel], config: ViCAConfig) -> dict[str, Shape]:
    """The shape of each of a model's tensors, by our names, without giving it memory."""
    with torch.device("meta"):
        model = model_class(deepcopy(config))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
