"""Loading a model, its processor or its configuration from a hub id or folder."""

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
    """Load the ViCA or ViCA2 of a hub id or folder, ready to answer.

    Args:
        spec: Hub id or folder; the family is read from the checkpoint.
        device: Where the model is loaded.
        dtype: If None, bfloat16 on a GPU and float32 on a CPU.
        attention: `sdpa`, `flash_attention_2` or `eager`.
        changes: Configuration fields that set the token ratio (`hiera_frames`,
            `mm_spatial_pool_stride` ...).
        hub: Options of `vica.hub.fetch`.

    Raises:
        CheckpointError: The checkpoint is incomplete, or `attention` is not installed.
    """
    device = torch.device(device)
    if attention not in ATTENTIONS:
        raise CheckpointError(f"unknown attention {attention!r}: choose {', '.join(ATTENTIONS)}")
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
    """bfloat16, in which the models were trained; on a CPU float32."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def load_processor(spec: str | Path, config: ViCAConfig | None = None, **hub: Any) -> ViCAProcessor:
    """Load the processor of a hub id or folder; pass `model.config` if that was changed."""
    return ViCAProcessor.from_pretrained(spec, config=config, **hub)


def load_config(spec: str | Path, **hub: Any) -> ViCAConfig:
    """Load the configuration of a hub id or folder from `config.json`, without the weights."""
    folder = fetch(spec, weights=False, **hub)
    return configured(folder)[0]


def load_hiera(
    spec: str | Path,
    config: Sam2HieraDetConfig | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    **hub: Any,
) -> HieraTower:
    """Load Hiera alone, from its repository, from SAM 2.1 (trunk only), or one safetensors file.

    Without a `config`, the published size that fits the tensors is used.

    Raises:
        CheckpointError: The tensors are not exactly those of one Hiera.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in _hiera_files(Path(spec), hub):
        for name, tensor in load_file(path).items():
            if (ours := hiera_alone(name)) is not None:
                tensors[ours] = tensor.to(dtype)
    tower = HieraTower(config or _published_size(tensors, str(spec)))
    nn.Module.to(tower, dtype)
    wanted = {name: tuple(tensor.shape) for name, tensor in tower.state_dict().items()}
    stored = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    compare(stored, wanted, str(spec), str)
    tower.load_state_dict(tensors)
    tower.train(False)
    return tower


def _hiera_files(path: Path, hub: dict[str, Any]) -> list[Path]:
    if path.is_file() and path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path}: is not a safetensors file; pickled weights are not read, because loading "
            "them can run code"
        )
    if path.is_file():
        return [path]
    folder = path if path.is_dir() else download(str(path), (CONFIG, *WEIGHTS), hub)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{path}: has no safetensors files, and other weights are not read")
    return files


def _published_size(tensors: dict[str, torch.Tensor], where: str) -> Sam2HieraDetConfig:
    """The published Hiera configuration with this width and number of blocks."""
    blocks = {name.split(".")[1] for name in tensors if name.startswith("blocks.")}
    width = tensors["pos_embed"].shape[1] if "pos_embed" in tensors else 0
    for build in PUBLISHED_HIERA.values():
        config = build()
        if (config.hidden_size, sum(config.blocks_per_stage or [])) == (width, len(blocks)):
            return config
    raise CheckpointError(
        f"{where}: holds a Hiera of width {width} with {counted(len(blocks), 'block')}, which "
        f"matches no published size ({', '.join(PUBLISHED_HIERA)}): pass its configuration"
    )
