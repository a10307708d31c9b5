"""Decoding many replies together; those that end leave the batch.

Shapes: K unfinished replies, S new ids of each so far, V rows of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from vica.errors import InputError, ScoresError
from vica.generation import settled
from vica.modeling import ViCA
from vica.sampling import GREEDY, WRONG, Chooser, Sampling, Seed

Choose = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
"""Chooses the next ids [K] from the replies' ids [K, S], their float32 logits [K, V] and their
indices."""
Observer = Callable[[int, int, Tensor], None]
"""Called at every step with the index of a reply, its step from 0, and its float32 logits [V]
before processing. A group that is retried because memory was short restarts at step 0."""


class Batch(Protocol):
    """What is decoded: `vica.continuations.Continuations`."""

    @property
    def steady(self) -> bool:
        """Whether to drop replies costs more than to go on with a few that have ended."""

    def step(self, ids_K: Tensor) -> Tensor:
        """Run one more id of each reply; return the float32 logits [K, V] after it."""

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other replies."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """When a reply ends: after `max_new_tokens`, or with one of the ids `stops`."""

    max_new_tokens: int
    stops: frozenset[int]

    def ends(self, reply: Sequence[int]) -> bool:
        """Whether the reply is complete."""
        return reply[-1] in self.stops or len(reply) >= self.max_new_tokens


def decode(
    batch: Batch,
    logits_KV: Tensor,
    limits: Sequence[Limit],
    choose: Choose,
    observe: Observer | None = None,
) -> list[list[int]]:
    """Decode each reply from its first logits; return its new ids, including the end.

    In a steady batch replies that have ended stay, unread, until they are half of it.

    Raises:
        ScoresError: The logits of a reply are NaN, or infinite where an id is drawn.
    """
    replies: list[list[int]] = [[] for _ in limits]
    rows = list(range(len(limits)))  # whose reply each row of the batch is
    live = set(rows)
    new_KS = torch.empty(len(rows), 0, dtype=torch.long, device=logits_KV.device)
    while live:
        for row, index in enumerate(rows if observe else ()):
            if index in live:
                observe(index, len(replies[index]), logits_KV[row])  # type: ignore[misc]  # no rows without an observer
        ids_K = choose(new_KS, logits_KV, rows)
        new_KS = torch.cat([new_KS, ids_K[:, None]], dim=1)
        # The one time in a step that the host waits for the device.
        for index, token in zip(rows, ids_K.tolist(), strict=True):
            if index in live:
                replies[index].append(_sound(token))
        live = {index for index in live if not limits[index].ends(replies[index])}
        if live and len(live) < len(rows) and not (batch.steady and 2 * len(live) > len(rows)):
            kept = [row for row, index in enumerate(rows) if index in live]
            batch.keep(kept)
            new_KS, rows = new_KS[kept], [rows[row] for row in kept]
        if live:
            logits_KV = batch.step(new_KS[:, -1])
    return replies


def _sound(token: int) -> int:
    """The id; raises ScoresError for one that says what is wrong with the scores."""
    if token < 0:
        raise ScoresError(WRONG[token])
    return token


UNSUPPORTED = (
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
"""Settings of `generate` that are not supported when many replies are decoded together."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How replies are decoded: the token limit, the ids that end one, and how ids are chosen.

    `own_limits` says whether each prompt may set its own token limit.
    """

    max_new_tokens: int
    ends: tuple[int, ...]
    processors: LogitsProcessorList
    own_limits: bool
    sampling: Sampling = GREEDY

    def chooser(self, seeds: Sequence[Seed | None]) -> Chooser:
        """Chooses the ids of replies with these seeds."""
        return Chooser(self.processors, self.sampling, seeds)


def decoding_settings(model: ViCA, options: Mapping[str, Any]) -> Decoding:
    """Merge the checkpoint's settings with the caller's `options`, as `generate` would.

    Whether a checkpoint samples is left out of it: only `sampling` among the options says so.

    Raises:
        InputError: A setting is not supported when many replies are decoded together.
    """
    options = dict(options)
    sampling: Sampling = options.pop("sampling", GREEDY)
    if sampling.repetition_penalty is not None:
        options["repetition_penalty"] = sampling.repetition_penalty
    settings, scoring, unknown = settled(model.generation_config, options, model.vocabulary)
    refused = [name for name in UNSUPPORTED if not _is_off(getattr(settings, name, None))]
    refused += [name for name in ("do_sample", "max_time") if options.get(name)]
    if refused or unknown:
        names = ", ".join([*refused, *unknown])
        raise InputError(
            f"a predictor decodes replies together and does not support {names}: remove that from "
            "the options or from the checkpoint's generation_config.json, or use model.generate"
        )
    settings.max_length = settings.max_new_tokens  # as in `generate` for embeddings
    model._prepare_special_tokens(settings, False, device=model.device)  # type: ignore[misc]  # their type of self is too narrow
    processors = model._get_logits_processor(  # type: ignore[misc]  # as `generate` calls it
        settings, input_ids_seq_length=0, logits_processor=scoring, device=str(model.device)
    )
    ends = settings.eos_token_id
    return Decoding(
        max_new_tokens=settings.max_new_tokens,
        ends=() if ends is None else tuple(ends) if isinstance(ends, list) else (ends,),
        processors=processors,
        own_limits=settings.forced_eos_token_id is None,
        sampling=sampling,
    )


def _is_off(value: object) -> bool:
    """Whether a setting changes nothing: one beam, no guidance; True is not the number 1."""
    return value is not True and value in (None, False, 1, 1.0)
