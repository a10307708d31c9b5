"""The shape of a checkpoint of the family: its configuration, parameters and memory.

Nothing is loaded onto a device, and the weights are not read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from vica import ViCAConfig, load_config
from vica.config import SIZES
from vica.errors import CheckpointError
from vica.hub import kind_of
from vica.training.cost import skeleton
from vica.training.flops import head_width
from vica.training.optimizer import part_of

from vicabench.adapters import SHIPPED
from vicabench.adapters.checkpoints import local_folder, located
from vicabench.adapters.devices import device_of, dtype_of, name_of
from vicabench.adapters.hf.model import read_config, small_files

FAMILIES = ("vica", "vica2")
BUILT_IN = {
    **{
        f"{family}-{size}": build
        for size, builds in SIZES.items()
        for family, build in zip(FAMILIES, builds, strict=True)
    },
    **{size: builds[-1] for size, builds in SIZES.items()},
}
"""Sizes by name; without a family, ViCA2's."""
STATED = "published configuration; its own config.json is not in the local cache"
"""The source of the shape of a published checkpoint that is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model runs: the product name of the device, and the dtype as torch spells it."""

    device: str
    dtype: str
    bytes_each: int


def place_of(device: str, dtype: str) -> Place:
    """The device and dtype that these options choose on this machine.

    Raises:
        ConfigError: For a device or dtype that does not exist here.
    """
    found = device_of(device)
    automatic = torch.float32 if found.type == "cpu" else torch.bfloat16
    chosen = dtype_of(dtype) or automatic
    name = str(chosen).removeprefix("torch.")
    return Place(device=name_of(found), dtype=name, bytes_each=chosen.itemsize)


def shape_of(spec: str, published: str | None = None) -> tuple[ViCAConfig, str]:
    """The configuration of a checkpoint, and where it comes from.

    Args:
        spec: A hub id, the folder of a checkpoint, or a size.
        published: The size of `spec` if it is a published checkpoint. It is used where the
            checkpoint is not on this machine, instead of asking the hub.

    Raises:
        ConfigError, VicaError: The checkpoint does not exist, or belongs to another family.
    """
    if spec in BUILT_IN:
        return BUILT_IN[spec](), "built in"
    if spec in SHIPPED:
        return load_config(SHIPPED[spec]), "included in the package"
    if published is None or Path(spec).is_dir():
        return load_config(local_folder(spec, weights=False)), "config.json"
    name, hub = located(spec)
    try:
        return load_config(name, local_files_only=True, **hub), "config.json in the local cache"
    except CheckpointError:
        return BUILT_IN[published](), STATED


def without_prefix(spec: str) -> str:
    """The checkpoint of a `spec` that begins with `hf:` or `vllm:`."""
    return spec.removeprefix("hf:").removeprefix("vllm:")


def is_of_transformers(spec: str, published: str | None) -> bool:
    """Whether a `spec` of `models show` is a model of transformers, and not of the family.

    Raises:
        ConfigError, VicaError: The checkpoint does not exist.
    """
    if without_prefix(spec) != spec:
        return True
    if spec in BUILT_IN or spec in SHIPPED or published is not None:
        return False
    if not Path(spec).is_dir() and spec.count("/") != 1:  # `shape_of` says what a hub id is
        return False
    return kind_of(read_config(small_files(spec), spec)) is None


def parameters(config: ViCAConfig) -> dict[str, int]:
    """The parameters of each part of the model."""
    sizes = Counter[str]()
    for name, parameter in skeleton(config).named_parameters():
        sizes[part_of(name)] += parameter.numel()
    return dict(sizes)


def prefix_bytes(config: ViCAConfig, tokens: int, bytes_each: int) -> int:
    """The size of the keys and values of a prefix of so many tokens."""
    whole: Any = config
    heads = whole.num_key_value_heads or whole.num_attention_heads
    numbers: int = 2 * whole.num_hidden_layers * heads * head_width(config) * tokens
    return numbers * bytes_each
