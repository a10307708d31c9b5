"""Generation settings: greedy, limited to the tokenizer's ids, otherwise the checkpoint's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from vica.errors import ScoresError

MAX_NEW_TOKENS = 1024
"""The published evaluation's limit; Thinking replies need it."""

_WITHOUT_SAMPLING = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}
"""Set explicitly, because transformers replaces None by the checkpoint's setting."""


NAN = "the model's scores are NaN: its weights are damaged, or overflow in this dtype"


class WithinTokenizer(LogitsProcessor):
    """Forbids ids that the tokenizer does not know: the embeddings have more rows than ids.

    Args:
        length: How many ids it knows.
        waits: Wait for the scores to see whether one is NaN, and raise; otherwise all scores of
            such a row become NaN, for whoever fetches the ids.
    """

    def __init__(self, length: int, *, waits: bool = True) -> None:
        self.length, self.waits = length, waits

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Scores [B, V] with all columns from `length` on set to minus infinity.

        Raises:
            ScoresError: A score is NaN, so the highest score is meaningless.
        """
        nan_B1 = scores.isnan().any(-1, keepdim=True)
        if self.waits and nan_B1.any():
            raise ScoresError(NAN)
        scores = scores.masked_fill(nan_B1, torch.nan)
        scores[:, self.length :] = -torch.inf
        return scores


def settled(
    stated: GenerationConfig, options: Mapping[str, Any], tokenizer_length: int
) -> tuple[GenerationConfig, LogitsProcessorList, dict[str, Any]]:
    """Merge a checkpoint's settings with the caller's `options`.

    Without `options`, decoding is greedy with the published length limit. The repetition penalty
    becomes a processor here, because it must count all new ids, and transformers would skip as
    many of them as the prompt has padding.

    Returns:
        The settings, the logits processors, and the options that are not settings.
    """
    config = deepcopy(stated)
    # A reply is plain ids, and must not depend on a machine's speed. (For max_time, None would be
    # replaced by the checkpoint's value.)
    config.update(return_dict_in_generate=False, max_time=math.inf)
    rest: dict[str, Any] = config.update(**options)
    if not options.get("do_sample", False):
        config.update(**_WITHOUT_SAMPLING)
    if config.max_new_tokens is None:
        config.max_new_tokens = MAX_NEW_TOKENS
    if config.pad_token_id is None:
        ends = config.eos_token_id
        config.pad_token_id = ends[0] if isinstance(ends, list) else ends
    scoring = LogitsProcessorList([WithinTokenizer(tokenizer_length)])
    if config.repetition_penalty not in {None, 1.0}:
        scoring.append(RepetitionPenaltyLogitsProcessor(config.repetition_penalty))
        config.repetition_penalty = 1.0
    return config, scoring, rest
