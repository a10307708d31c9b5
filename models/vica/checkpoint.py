"""Checking a checkpoint on disk before it is loaded, and reading its configuration."""

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

from vica.budget import GRID, NEWLINES
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
from vica.hub import CAMBRIAN, CONFIG, MODEL_TYPES, family, fetch, read_config
from vica.lineages import OURS, UNUSED, restated
from vica.tensors import Shape, compare, our_name, published_name, shapes

ONLY: dict[str, tuple[object, ...]] = {
    "mm_newline_position": NEWLINES,
    "mm_patch_merge_type": ("spatial_unpad",),
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_resampler_type": (None,),
    "add_faster_video": (None, False),
    "mm_use_im_start_end": (None, False),
    "tokenizer_padding_side": ("right", "left"),
    "quantization_config": (None,),
}
"""The supported values of a field."""
ONLY_VICA2 = {"mm_newline_position": (GRID,)}
"""The same for ViCA2, whose original code was run with these values alone."""
ABSENT = {"mm_newline_position": "one_token", "mm_patch_merge_type": "flat"}
"""The original code's defaults for missing fields."""
STRIDE = 2
"""The original code pools every video by this stride, whatever its file states."""


def check_stated(stated: Mapping[str, Any], where: str) -> None:
    """Raise CheckpointError, naming the field, for a configuration that is not supported."""
    for problem in _problems(stated):
        raise CheckpointError(f"{where}: {problem}")


def _problems(stated: Mapping[str, Any]) -> Iterator[str]:
    theirs = OURS not in stated
    supported = ONLY | (ONLY_VICA2 if stated.get("model_type") == ViCA2Config.model_type else {})
    for field, known in supported.items():
        value = stated.get(field, ABSENT.get(field, known[0]) if theirs else known[0])
        if not any(value is one or (value == one and type(value) is type(one)) for one in known):
            missing = "" if field in stated else ", the original code's default, as it is missing"
            allowed = " or ".join(repr(one) for one in known)
            yield f"{field} is {value!r}{missing}; only {allowed} is supported"
    stride = stated.get("mm_spatial_pool_stride", STRIDE)
    if theirs and stride != STRIDE:
        yield (
            f"mm_spatial_pool_stride is {stride!r}, but the original code ignores it and pools by "
            f"{STRIDE}. Correct it, or pass mm_spatial_pool_stride={STRIDE}"
        )
    tower = stated.get("mm_vision_tower")
    if isinstance(tower, str) and "siglip" not in tower.lower():
        yield f"mm_vision_tower is {tower!r}; only SigLIP is supported"
    yield from _language_model(stated)
    for name in ("vision_config", "hiera_config"):
        yield from _encoder(name, stated.get(name))


def _language_model(stated: Mapping[str, Any]) -> Iterator[str]:
    for field in ("rope_scaling", "rope_parameters"):
        rope = stated.get(field)
        if rope is None:
            continue
        types = ("type", "rope_type")
        kinds = {rope.get(key, "default") for key in types} if _is_mapping(rope) else set()
        if kinds != {"default"} or rope.get("factor", 1) != 1:
            yield (
                f"{field} is {rope!r}, but the original code uses no scaling: set it to null if "
                "the checkpoint was trained with that code"
            )
    if stated.get("use_sliding_window"):
        yield "use_sliding_window is true; only layers that see the whole video are supported"


def _encoder(name: str, stated: object) -> Iterator[str]:
    """Values of a vision encoder for which its map's side would be computed wrongly."""
    if not _is_mapping(stated):
        return
    if stated.get("num_channels", 3) != 3:
        yield f"{name}.num_channels is {stated['num_channels']!r}; only 3 is supported"
    if stated.get("vision_use_head"):
        yield f"{name}.vision_use_head is true; only features before the head are supported"
    for field, known in (("patch_kernel_size", 7), ("patch_stride", 4), ("patch_padding", 3)):
        value = stated.get(field, known)
        if value not in (known, [known, known]):
            yield f"{name}.{field} is {value!r}; only {known} is supported"


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


SIGLIP = "model.vision_tower."
HIERA = "model.sam_tower."
Shapes = Mapping[str, Shape]
"""The tensors' shapes, by our names."""
_NOTES = {"dtype": None, "transformers_version": None}


def completed(config: ViCAConfig, stated: Mapping[str, object], shapes: Shapes) -> ViCAConfig:
    """A copy of `config` whose unstated sizes are taken from the tensors.

    An encoder counts as unstated if it is the published default: neither in the file, whose
    content is `stated`, nor set by the caller. The vocabulary size always comes from the tensors.

    Raises:
        CheckpointError: The shapes alone do not determine a size; names the field to add.
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
            f"SigLIP has width {width}, not {siglip_so400m().hidden_size} as published, and its "
            "number of heads cannot be read from the tensors: add vision_config to config.json, "
            "with num_attention_heads and its other sizes"
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
    width, blocks = positions[1], _count(shapes, f"{HIERA}blocks.")
    for build in PUBLISHED_HIERA.values():
        published = build()
        if (published.hidden_size, sum(published.blocks_per_stage or [])) == (width, blocks):
            config.hiera_config = published
            return
    raise CheckpointError(
        f"Hiera has width {width} and {counted(blocks, 'block')}, which matches no published size "
        f"({', '.join(PUBLISHED_HIERA)}), and its heads and windows cannot be read from the "
        "tensors: add hiera_config to config.json"
    )


def _complete_stage(config: ViCA2Config, shapes: Shapes) -> None:
    """Set the stage whose width is that of the projector's input; the widths all differ."""
    projector = shapes.get("model.sam_projector.0.weight")
    widths = list(config.hiera.embed_dim_per_stage or [])
    if projector and projector[1] in widths:
        config.hiera_stage = widths.index(projector[1]) + 1


def _same(one: PreTrainedConfig, other: PreTrainedConfig) -> bool:
    """Whether two configurations are equal apart from fields that do not affect the size."""
    return one.to_diff_dict() | _NOTES == other.to_diff_dict() | _NOTES


def _count(shapes: Shapes, prefix: str) -> int:
    """The number of numbered layers under a prefix."""
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
"""Integer fields that transformers does not validate."""
HEAD = "lm_head.weight"
"""Missing from the files if it is tied to the embeddings."""
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")


def prepared(
    model_class: type[PreTrainedModel],
    spec: str | Path,
    config: ViCAConfig | None,
    options: Mapping[str, Any],
) -> tuple[Path, ViCAConfig, dict[str, Any]]:
    """A checkpoint's folder, its complete configuration, and the options that remain to apply.

    Raises:
        CheckpointError: The files do not hold exactly the tensors of such a model.
    """
    rest = dict(options)
    hub = {name: rest.pop(name) for name in HUB_OPTIONS if name in rest}
    folder = fetch(spec, **{name: value for name, value in hub.items() if value is not None})
    wanted = cast(type[ViCAConfig], model_class.config_class)
    _check_family(folder, wanted)
    if config is not None:
        check_stated(_restated(folder), str(folder / CONFIG))
    stored = {our_name(name): shape for name, shape in shapes(folder).items()}
    if read_config(folder).get("model_type") == CAMBRIAN:
        stored = {name: shape for name, shape in stored.items() if not name.startswith(UNUSED)}
    if config is None:
        config, rest = configured(folder, rest)
    config = completed(config, read_config(folder), stored)
    if has_tokenizer(folder):
        config.tokenizer_length = len(read_tokenizer(folder))
    try:
        shapes_wanted = _shapes_of(model_class, config)
        _ = config.pinpoints
    except BudgetError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error
    except (TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise CheckpointError(f"{folder / CONFIG}: cannot be used: {error!r}") from error
    if config.tie_word_embeddings and HEAD not in stored:
        del shapes_wanted[HEAD]
    compare(stored, shapes_wanted, str(folder), published_name)
    return folder, config, rest


def configured(
    folder: Path, options: Mapping[str, Any] | None = None
) -> tuple[ViCAConfig, dict[str, Any]]:
    """A folder's configuration, updated by the `options` that are its fields, and the others.

    Raises:
        CheckpointError: Its values are invalid or not supported.
    """
    config_class, stated = FAMILIES[family(folder)], _restated(folder)
    check_stated({**stated, **(options or {})}, str(folder / CONFIG))
    try:  # not `from_pretrained`, which warns of the name `llava`
        config, rest = config_class.from_dict(stated, return_unused_kwargs=True, **(options or {}))
    except Exception as error:  # transformers does not validate values, so anything can be raised
        raise CheckpointError(f"{folder / CONFIG}: cannot be used: {error}") from error
    for name in COUNTS:
        if type(value := getattr(config, name, 1)) is not int:
            raise CheckpointError(
                f"{folder / CONFIG}: {name} must be a whole number, not {value!r}"
            )
    return cast(ViCAConfig, config), rest


def _restated(folder: Path) -> dict[str, Any]:
    """The content of a folder's `config.json` by our names; CheckpointError if it has no such."""
    try:
        return restated(read_config(folder))
    except CheckpointError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error


def write_published_config(config: ViCAConfig, folder: Path) -> None:
    """Replace a folder's `config.json` with one in the published layout."""
    text = json.dumps(published_config(config), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def published_config(config: ViCAConfig) -> dict[str, Any]:
    """The fields of `config.json` as the original code writes them, and our additional ones."""
    fields = config.to_dict()
    rope = fields.pop("rope_parameters", None) or {}
    for ours in ("layer_types", "lineage"):
        fields.pop(ours, None)
    return fields | {
        "architectures": [config.published_architecture],
        "rope_theta": rope.get("rope_theta", 10000.0),
        "rope_scaling": None,
        "torch_dtype": fields.pop("dtype", None),
        "mm_hidden_size": config.siglip.hidden_size,
        "mm_projector_type": "mlp2x_gelu",
        "mm_patch_merge_type": "spatial_unpad",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
    }


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a folder's tokenizer; raises CheckpointError if it is missing or damaged."""
    if not has_tokenizer(folder):
        raise CheckpointError(f"{folder}: has no tokenizer ({' or '.join(TOKENIZER_FILES)})")
    try:
        # With a configuration, the folder's is not read, which may be of transformers' `llava`.
        known = AutoTokenizer.from_pretrained(folder, config=ViCAConfig())
        return cast(PreTrainedTokenizerBase, known)
    except Exception as error:  # the tokenizers library raises plain Exception
        pointers = (
            f"{name} {text}" for name in TOKENIZER_FILES if (text := pointer(folder / name))
        )
        what = next(pointers, f"its tokenizer cannot be read: {error}")
        raise CheckpointError(f"{folder}: {what}") from error


def has_tokenizer(folder: Path) -> bool:
    """Whether the folder has a tokenizer; training can do without one."""
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def _check_family(folder: Path, wanted: type[ViCAConfig]) -> None:
    stored = family(folder)
    if stored != wanted.model_type:
        raise CheckpointError(
            f"{folder}: is {an(MODEL_TYPES[stored])} checkpoint ({stored}), but "
            f"{MODEL_TYPES[wanted.model_type]} ({wanted.model_type}) was requested"
        )


def _shapes_of(model_class: type[PreTrainedModel], config: ViCAConfig) -> dict[str, Shape]:
    """The shape of each of a model's tensors, by our names, without allocating them."""
    with torch.device("meta"):
        model = model_class(deepcopy(config))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
