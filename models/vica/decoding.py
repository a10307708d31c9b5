"""Greedy answers of many continuations at once; those that are finished leave the batch.

Shapes: K continuations that still go on, D the model's width, V rows of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList

from vica.continuing import Continuations
from vica.errors import InputError
from vica.generation import settled
from vica.modeling import ViCA

Observer = Callable[[int, Tensor], None]
"""Told of every step: which continuation, and its float32 logits [V] before they are processed."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Where a continuation ends: after so many new tokens, or with one of the ids `stops`."""

    max_new_tokens: int
    stops: frozenset[int]


def greedy_settings(
    model: ViCA, options: Mapping[str, Any]
) -> tuple[GenerationConfig, LogitsProcessorList]:
    """The checkpoint's settings under the caller's, and all that changes scores.

    Raises InputError for options that greedy decoding does not know.
    """
    settings, scoring, unknown = settled(model.generation_config, options, model.vocabulary)
    if unknown or settings.do_sample or settings.num_beams not in {None, 1}:
        names = ", ".join(unknown) or "do_sample or num_beams"
        raise InputError(f"a predictor answers greedily and takes no {names}: use model.generate")
    # The list that `generate` would build: whatever a checkpoint states has its effect.
    processors = model._get_logits_processor(  # type: ignore[misc]  # they type self too narrowly
        settings, input_ids_seq_length=0, logits_processor=scoring, device=str(model.device)
    )
    return settings, processors


def decode(
    model: ViCA,
    going: Continuations,
    hidden_KD: Tensor,
    limits: Sequence[Limit],
    processors: LogitsProcessorList,
    observe: Observer | None = None,
) -> list[list[int]]:
    """The new ids of each continuation, its end included, from the hidden states they start with.

    Raises ScoresError for scores that are no numbers.
    """
    replies: list[list[int]] = [[] for _ in limits]
    live = list(range(len(limits)))
    while live:
        logits_KV = model.lm_head(hidden_KD).float()
        for row, index in enumerate(live if observe else ()):
            observe(index, logits_KV[row])  # type: ignore[misc]  # there is one, or no row
        said = [replies[index] for index in live]
        said_KS = torch.tensor(said, dtype=torch.long, device=logits_KV.device)
        picked_K = processors(cast(torch.LongTensor, said_KS), logits_KV).argmax(-1)
        for index, token in zip(live, picked_K.tolist(), strict=True):
            replies[index].append(token)
        rows = [r for r, index in enumerate(live) if not _ended(replies[index], limits[index])]
        if len(rows) < len(live):
            going.keep(rows)
            live, picked_K = [live[row] for row in rows], picked_K[rows]
        if live:
            hidden_KD = going.step(model.get_input_embeddings()(picked_K))
    return replies


def _ended(reply: Sequence[int], limit: Limit) -> bool:
    return reply[-1] in limit.stops or len(reply) >= limit.max_new_tokens
