"""The ViCA model family as a library, independent of the benchmark.

After `import vica`, transformers' `AutoConfig`, `AutoProcessor` and
`AutoModelForImageTextToText` know these models. torch and transformers are imported only when
one of the names below is used, or when the caller imports transformers: reading videos needs
neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vica.errors import (
    BudgetError,
    CheckpointError,
    InputError,
    MemoryShortError,
    VicaError,
)
from vica.registration import import_ours, register_with_transformers

if TYPE_CHECKING:
    from vica.answering import answer, describe
    from vica.config import ViCA2Config, ViCAConfig
    from vica.loading import load_config, load_hiera, load_model, load_processor
    from vica.modeling import ViCA, ViCA2
    from vica.predictor import EncodedVideo, Predictor, Prompt, Reply
    from vica.processing import ViCAProcessor
    from vica.sampling import Sampling
    from vica.tiny import write_tiny_checkpoint

__all__ = [
    "BudgetError",
    "CheckpointError",
    "EncodedVideo",
    "InputError",
    "MemoryShortError",
    "Predictor",
    "Prompt",
    "Reply",
    "Sampling",
    "ViCA",
    "ViCA2",
    "ViCA2Config",
    "ViCAConfig",
    "ViCAProcessor",
    "VicaError",
    "answer",
    "describe",
    "load_config",
    "load_hiera",
    "load_model",
    "load_processor",
    "write_tiny_checkpoint",
]

_MODULE_OF = {
    "EncodedVideo": "vica.predictor",
    "Predictor": "vica.predictor",
    "Prompt": "vica.predictor",
    "Reply": "vica.predictor",
    "Sampling": "vica.sampling",
    "ViCA": "vica.modeling",
    "ViCA2": "vica.modeling",
    "ViCA2Config": "vica.config",
    "ViCAConfig": "vica.config",
    "ViCAProcessor": "vica.processing",
    "answer": "vica.answering",
    "describe": "vica.answering",
    "load_config": "vica.loading",
    "load_hiera": "vica.loading",
    "load_model": "vica.loading",
    "load_processor": "vica.loading",
    "write_tiny_checkpoint": "vica.tiny",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_ours()
    return getattr(import_module(_MODULE_OF[name]), name)


register_with_transformers()
