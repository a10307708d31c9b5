"""Choose the adapter for `--model FOLDER` or `--model OWNER/NAME` by its configuration."""

from __future__ import annotations

from vica.hub import kind_of

from vicabench.adapters import vica
from vicabench.adapters.hf import adapter as hf
from vicabench.adapters.hf.model import read_config, small_files
from vicabench.types import Adapter, AdapterContext


def build(argument: str, context: AdapterContext) -> Adapter:
    """Build the adapter for a checkpoint: ViCA's for LLaVA, ViCA and ViCA2, `hf` for all others."""
    if kind_of(read_config(small_files(argument), argument)) is not None:
        return vica.build(argument, context)
    return hf.build(argument, context)
