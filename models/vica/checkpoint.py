"""Whole models on disk: what must be true of a checkpoint before it is loaded, and its config.

Names and shapes are compared from the files' headers before a weight is read; then transformers
streams the tensors from disk to the device in the wanted dtype.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from vica.compatibility import check_stated
from vica.config import FAMILIES, ViCAConfig
from vica.errors import BudgetError, CheckpointError
from vica.hub import CONFIG, MODEL_TYPES, family, fetch, read_config
from vica.inference import completed
from vica.names import our_name, published_name
from vica.pointers import pointer
from vica.tensors import Shape, compare, shapes
from vica.wording import an

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
