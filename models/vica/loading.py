"""A model and its processor from one name, whatever the family, where and as they are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig

from vica.checkpoint import configured
from vica.config import PUBLISHED_HIERA, ViCAConfig
from vica.errors import CheckpointError, counted
from vica.hub import CONFIG, WEIGHTS, download, family, fetch
from vica.modeling import MODELS, ViCA
from vica.processing import ViCAProcessor
from vica.tensors import compare, hiera_alone
from vica.towers import HieraTower

FLASH = "flash_attention_2"
ATTENTIONS = ("sdpa", FLASH, "eager")


def load_model(
    spec: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    attention: str = "sdpa",
    changes: Mapping[str, Any] | None = None,
    **hub: Any,
) -> ViCA:
    """The ViCA or ViCA2 of a hub id or folder, ready to answer.

    The family is read from the checkpoint. `dtype` is bfloat16 on a GPU and float32 on a CPU if
    None. `changes` are fields of its configuration that set the token ratio (`hiera_frames`,
    `mm_spatial_pool_stride` ...). Raises CheckpointError for a checkpoint that is not whole, and
    for an `attention` that is not installed.
    """
    device = torch.device(device)
    if attention not in ATTENTIONS:
        raise CheckpointError(f"no attention {attention!r}: choose {', '.join(ATTENTIONS)}")
    if attention == FLASH and find_spec("flash_attn") is None:
        raise CheckpointError(f"{FLASH} needs the package flash-attn: pip install 'vicabench[gpu]'")
    folder = fetch(spec, **hub)
    return MODELS[family(folder)].from_pretrained(
        folder,
        dtype=dtype or default_dtype(device),
        device_map={"": device},
        attn_implementation=attention,
        **(changes or {}),
    )


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16, in which the models were trained, except on a CPU."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def load_processor(spec: str | Path, config: ViCAConfig | None = None, **hub: Any) -> ViCAProcessor:
    """The processor of a hub id or folder; give it `model.config` if that was changed."""
    return ViCAProcessor.from_pretrained(spec, config=config, **hub)


def load_config(spec: str | Path, **hub: Any) -> ViCAConfig:
    """The configuration of a hub id or folder, as far as `config.json` states it; no weights."""
    folder = fetch(spec, weights=False, **hub)
    return configured(folder)[0]


def load_hiera(
    spec: str | Path,
    config: Sam2HieraDetConfig | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    **hub: Any,
) -> HieraTower:
    """Hiera alone, from its own repository, from SAM 2.1, or from one safetensors file.

    Of a whole SAM 2.1 only the trunk is read. Without a `config` the size is the published one
    that the tensors fit. Raises CheckpointError unless they are exactly one Hiera's.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in _hiera_files(Path(spec), hub):
        for name, tensor in load_file(path).items():
            if (ours := hiera_alone(name)) is not None:
                tensors[ours] = tensor.to(dtype)
    tower = HieraTower(config or _published_size(tensors, str(spec)))
    nn.Module.to(tower, dtype)
    wanted = {name: tuple(tensor.shape) for name, tensor in tower.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    compare(found, wanted, str(spec), str)
    tower.load_state_dict(tensors)
    tower.train(False)
    return tower


def _hiera_files(path: Path, hub: dict[str, Any]) -> list[Path]:
    if path.is_file() and path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path}: is no safetensors file; pickled weights can run code when they are loaded"
        )
    if path.is_file():
        return [path]
    folder = path if path.is_dir() else download(str(path), (CONFIG, *WEIGHTS), hub)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{path}: has no safetensors files, and only those are read")
    return files


def _published_size(tensors: dict[str, torch.Tensor], where: str) -> Sam2HieraDetConfig:
    """The published size with this width and number of blocks."""
    blocks = {name.split(".")[1] for name in tensors if name.startswith("blocks.")}
    width = tensors["pos_embed"].shape[1] if "pos_embed" in tensors else 0
    for build in PUBLISHED_HIERA.values():
        config = build()
        if (config.hidden_size, sum(config.blocks_per_stage or [])) == (width, len(blocks)):
            return config
    raise CheckpointError(
        f"{where}: holds a Hiera of width {width} with {counted(len(blocks), 'block')}, which is "
        f"none of the published sizes ({', '.join(PUBLISHED_HIERA)}): pass its configuration"
    )
