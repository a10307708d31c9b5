"""How answers are generated: greedily, within the tokenizer, and else as the checkpoint says."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor

MAX_NEW_TOKENS = 1024
"""As in the published evaluation; Thinking replies need it."""

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p")


class WithinTokenizer(LogitsProcessor):
    """Forbids ids that the tokenizer does not know: embeddings have more rows than it has ids."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Scores [B, V] with all columns from `length` on at minus infinity."""
        scores = scores.clone()
        scores[:, self.length :] = -torch.inf
        return scores


def settled(
    stated: GenerationConfig, options: Mapping[str, Any]
) -> tuple[GenerationConfig, dict[str, Any]]:
    """The checkpoint's settings under the caller's `options`, and those that are no settings.

    Greedy, and of the published length, where `options` are silent.
    """
    config = deepcopy(stated)
    rest: dict[str, Any] = config.update(**options)
    if not options.get("do_sample", False):
        config.do_sample = False
        for name in _SAMPLING:
            setattr(config, name, None)
    if config.max_new_tokens is None:
        config.max_new_tokens = MAX_NEW_TOKENS
    if config.pad_token_id is None:
        ends = config.eos_token_id
        config.pad_token_id = ends[0] if isinstance(ends, list) else ends
    return config, rest
