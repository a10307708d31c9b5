"""Greedy answers of many continuations at once; those that are finished leave the batch.

Shapes: K continuations that still go on, D the model's width, V rows of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from vica.continuing import Continuations
from vica.errors import InputError
from vica.generation import settled
from vica.modeling import ViCA

Observer = Callable[[int, int, Tensor], None]
"""Told of every step: which continuation, which step of it, from 0, and its float32 logits [V]
before they are processed. A group that memory was short for begins again with step 0."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Where a continuation ends: after so many new tokens, or with one of the ids `stops`."""

    max_new_tokens: int
    stops: frozenset[int]


UNKNOWN = (
    "num_beams",
    "num_return_sequences",
    "guidance_scale",
    "penalty_alpha",
    "dola_layers",
    "stop_strings",
    "prompt_lookup_num_tokens",
    "return_dict_in_generate",
    "output_scores",
    "output_logits",
    "output_attentions",
    "output_hidden_states",
    "min_length",
    "cache_implementation",
    "token_healing",
    "use_mtp",
    "constraints",
    "force_words_ids",
    "encoder_repetition_penalty",
    "encoder_no_repeat_ngram_size",
)
"""Settings of `generate` that have no meaning, or not yet one, where many replies are decoded."""


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """How replies are decoded: new tokens at most, the ids that end them, what changes scores."""

    max_new_tokens: int
    ends: tuple[int, ...]
    processors: LogitsProcessorList
    own_limits: bool


def greedy_settings(model: ViCA, options: Mapping[str, Any]) -> Greedy:
    """The checkpoint's settings under the caller's, as `generate` would settle them.

    Raises InputError for settings that greedy decoding of many replies cannot honour.
    """
    settings, scoring, unknown = settled(model.generation_config, options, model.vocabulary)
    refused = [name for name in UNKNOWN if not _is_off(getattr(settings, name, None))]
    refused += [name for name in ("do_sample", "max_time") if options.get(name)]
    if refused or unknown:
        names = ", ".join([*refused, *unknown])
        raise InputError(
            f"a predictor answers greedily and knows no {names}: leave that out of the options or "
            "of the checkpoint's generation_config.json, or use model.generate"
        )
    settings.max_length = settings.max_new_tokens  # as in `generate` after embeddings
    model._prepare_special_tokens(settings, False, device=model.device)  # type: ignore[misc]  # they type self too narrowly
    processors = model._get_logits_processor(  # type: ignore[misc]  # the list of `generate`
        settings, input_ids_seq_length=0, logits_processor=scoring, device=str(model.device)
    )
    ends = settings.eos_token_id
    return Greedy(
        max_new_tokens=settings.max_new_tokens,
        ends=() if ends is None else tuple(ends) if isinstance(ends, list) else (ends,),
        processors=processors,
        own_limits=settings.forced_eos_token_id is None,
    )


def _is_off(value: object) -> bool:
    """Whether a setting changes nothing: one beam, no guidance; True is not the number 1."""
    return value is not True and value in (None, False, 1, 1.0)


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
    said_KS = torch.empty(len(live), 0, dtype=torch.long, device=hidden_KD.device)
    while live:
        logits_KV = model.lm_head(hidden_KD).float()
        for row, index in enumerate(live if observe else ()):
            observe(index, len(replies[index]), logits_KV[row])  # type: ignore[misc]  # there is one, or no row
        picked_K = processors(cast(torch.LongTensor, said_KS), logits_KV).argmax(-1)
        said_KS = torch.cat([said_KS, picked_K[:, None]], dim=1)
        for index, token in zip(live, picked_K.tolist(), strict=True):
            replies[index].append(token)
        rows = [r for r, index in enumerate(live) if not _ended(replies[index], limits[index])]
        if len(rows) < len(live):
            going.keep(rows)
            live, said_KS = [live[row] for row in rows], said_KS[rows]
        if live:
            hidden_KD = going.step(model.get_input_embeddings()(said_KS[:, -1]))
    return replies


def _ended(reply: Sequence[int], limit: Limit) -> bool:
    return reply[-1] in limit.stops or len(reply) >= limit.max_new_tokens
