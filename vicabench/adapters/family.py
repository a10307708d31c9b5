"""Choose the adapter for `--model FOLDER` or `--model OWNER/NAME` by its configuration."""

from __future__ import annotations

from vica.hub import MODEL_TYPES

from vicabench.adapters import vica
from vicabench.adapters.hf import adapter as hf
from vicabench.adapters.hf.model import read_config, small_files
from vicabench.types import Adapter, AdapterContext


def build(argument: str, context: AdapterContext) -> Adapter:
    """Build the adapter for a checkpoint: ViCA's for ViCA and ViCA2, `hf` for all others."""
    kind = read_config(small_files(argument), argument).get("model_type")
    if kind in MODEL_TYPES:
        return vica.build(argument, context)
    return hf.build(argument, context)
