"""What a prefilled prefix (a video and the text around it) leaves in a decoder: one copy for all.

Shapes: J key heads, E their width, P tokens of the prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer, LinearAttentionLayer

from vica.errors import InputError

UNSTABLE_ROPES = frozenset({"dynamic", "longrope"})
"""Rotary embeddings whose frequencies depend on the length of the whole sequence."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shared:
    """A layer's keys and values of the prefix: [J, P, E] each."""

    keys_JPE: Tensor
    values_JPE: Tensor

    def first(self, length: int) -> Shared:
        """Those of the first `length` tokens, as a view."""
        return Shared(keys_JPE=self.keys_JPE[:, :length], values_JPE=self.values_JPE[:, :length])


@dataclass(frozen=True, kw_only=True, eq=False)
class Prefix:
    """What a prefilled prefix left in each layer: keys and values, or a recurrent state."""

    layers: tuple[Shared | LinearAttentionLayer, ...]

    @classmethod
    def of(cls, cache: Cache) -> Prefix:
        """The prefix in a DynamicCache with one row; InputError for a layer without all of it."""
        return cls(layers=tuple(_kept(layer) for layer in cache.layers))

    @property
    def length(self) -> int:
        """P, the number of tokens."""
        return self.shared[0].keys_JPE.shape[1]

    @property
    def shared(self) -> list[Shared]:
        """The layers with keys and values."""
        return [layer for layer in self.layers if isinstance(layer, Shared)]

    def first(self, length: int) -> Prefix:
        """The prefix of the first `length` tokens, as a view.

        Raises:
            InputError: For a shorter prefix than this, if a layer is recurrent.
        """
        if length == self.length:
            return self
        if len(self.shared) < len(self.layers):
            raise InputError("a recurrent state cannot be cut back to fewer tokens")
        return Prefix(layers=tuple(layer.first(length) for layer in self.shared))


def _kept(layer: Any) -> Shared | LinearAttentionLayer:
    if type(layer) is DynamicLayer:
        return Shared(
            keys_JPE=cast(Tensor, layer.keys)[0], values_JPE=cast(Tensor, layer.values)[0]
        )
    if type(layer) is LinearAttentionLayer:
        return layer
    raise InputError(f"{type(layer).__name__} does not keep a whole prefix")


def why_not(model: Any) -> str | None:
    """Why continuations of one prefix cannot run together through this model; None if they can."""
    config = model.config.get_text_config(decoder=True)
    decoder = model.get_decoder()
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    ropes = _rope_types(getattr(config, "rope_parameters", None) or {})
    names = {name.rpartition(".")[2] for name, _ in decoder.named_parameters()}
    partial = bool(kinds - {DynamicLayer, LinearAttentionLayer}) or DynamicLayer not in kinds
    capped = bool(getattr(config, "attn_logit_softcapping", None))
    reasons = {
        "it has an encoder for text": model.config.is_encoder_decoder,
        "a layer of its language model does not keep the whole prefix": partial,
        "its attention caps the scores (attn_logit_softcapping)": capped,
        "layers of its language model share keys": getattr(config, "num_kv_shared_layers", 0),
        "its attention has sinks": "sinks" in names,
        "its rotary positions depend on the length of the prompt": ropes & UNSTABLE_ROPES,
        "its layers are on several devices": len({w.device for w in decoder.parameters()}) > 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _rope_types(parameters: Mapping[str, Any]) -> set[str]:
    """The types of rotary embeddings in a configuration, which may have one per type of layer."""
    inner = [each for each in parameters.values() if isinstance(each, Mapping)]
    return {str(each.get("rope_type")) for each in (parameters, *inner)}


def prefill(model: Any, **inputs: Any) -> Prefix:
    """Run one prompt [1, P] through a model, and keep what it leaves in the cache.

    `inputs` are those of the forward of its base model, with pixels or features.
    """
    cache = DynamicCache(config=model.config)
    model.base_model(**inputs, cache=cache, use_cache=True)  # no logits are needed
    return Prefix.of(cache)
