"""How answers are generated: greedily, within the tokenizer, and else as the checkpoint says."""

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
"""As in the published evaluation; Thinking replies need it."""

_WITHOUT_SAMPLING = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}
"""Stated, as transformers fills what is None from the checkpoint's settings."""


class WithinTokenizer(LogitsProcessor):
    """Forbids ids that the tokenizer does not know: embeddings have more rows than it has ids."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Scores [B, V] with all columns from `length` on at minus infinity.

        Raises ScoresError for scores that are no numbers: the highest of them means nothing.
        """
        if torch.isnan(scores).any():
            raise ScoresError(
                "the model's scores are not numbers (NaN): its weights are damaged, or overflow "
                "in this dtype"
            )
        scores = scores.clone()
        scores[:, self.length :] = -torch.inf
        return scores


def settled(
    stated: GenerationConfig, options: Mapping[str, Any], tokenizer_length: int
) -> tuple[GenerationConfig, LogitsProcessorList, dict[str, Any]]:
    """The checkpoint's settings under the caller's `options`, what changes scores, and the rest.

    Greedy, and of the published length, where `options` are silent. The repetition penalty is
    ours to apply: it counts new ids, and transformers would leave out as many of them as the
    prompt has padding. The rest are options that are no settings.
    """
    config = deepcopy(stated)
    # A reply is its ids, and does not depend on how fast a machine is. (None would be replaced by
    # what the checkpoint states.)
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
