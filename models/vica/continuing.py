"""Running many continuations of one prefix through the model together, and decoding them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import LogitsProcessorList, Qwen2Model
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2Attention,
    Qwen2DecoderLayer,
    apply_rotary_pos_emb,
)

from vica.attention import attend_own, attend_prefix, combine, wide
from vica.errors import InputError
from vica.generation import settled
from vica.modeling import ViCA
from vica.sampling import GREEDY, Chooser, Sampling, Seed
from vica.segments import positions, segment_ids

ROOM = 64
"""The cache grows by at least this many tokens."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PrefixCache:
    """The keys and values of a prefilled prefix: one tensor [J, P, E] each per layer."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def length(self) -> int:
        """P, the number of tokens."""
        return self.keys[0].shape[1]

    def first(self, length: int) -> PrefixCache:
        """The cache of the first `length` tokens, as a view."""
        return PrefixCache(
            keys=tuple(key[:, :length] for key in self.keys),
            values=tuple(value[:, :length] for value in self.values),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Places:
    """Where the tokens [T] of one pass belong.

    Attributes:
        rows_T: Their continuations.
        slots_T: Their positions among their continuation's queries of this pass.
        own_T: Their positions in the cache of their continuation.
        visible_KSM: Which of its continuation's cached tokens each query sees.
    """

    rows_T: Tensor
    slots_T: Tensor
    own_T: Tensor
    visible_KSM: Tensor

    @classmethod
    def of(
        cls, rows_T: Tensor, slots_T: Tensor, own_T: Tensor, sizes: tuple[int, int, int]
    ) -> _Places:
        """Build the places; `sizes` are K, S and M, passed to avoid waiting for the device."""
        count, slots, places = sizes
        own_KS = own_T.new_zeros(
            count, slots
        )  # an empty slot sees the first token: softmax needs one
        own_KS[rows_T, slots_T] = own_T
        visible_KSM = torch.arange(places, device=own_T.device) <= own_KS[..., None]
        return cls(rows_T=rows_T, slots_T=slots_T, own_T=own_T, visible_KSM=visible_KSM)


class Continuations:
    """The unfinished continuations: their keys and values, and their lengths."""

    def __init__(self, model: ViCA, prefix: PrefixCache) -> None:
        self._model, self._backbone, self._prefix = model, cast(Qwen2Model, model.model), prefix
        self._keys: list[Tensor] = []  # for each layer [K, J, M, E]
        self._values: list[Tensor] = []
        # Lengths are held twice, so that neither the host nor the device waits for the other.
        self._lengths: list[int] = []
        self._lengths_K = torch.zeros(0, dtype=torch.long)

    def start(self, tokens: Sequence[Tensor]) -> Tensor:
        """Run each continuation's embeddings [S, D]; return their last hidden states [K, D]."""
        lengths = self._lengths = [len(part_SD) for part_SD in tokens]
        embeds_TD = torch.cat(list(tokens))
        segments_L = segment_ids(self._prefix.length, lengths).to(embeds_TD.device)
        rows_T = segments_L[self._prefix.length :] - 1
        positions_T = positions(segments_L)[self._prefix.length :]
        own_T = positions_T - self._prefix.length
        self._lengths_K = torch.tensor(lengths, device=embeds_TD.device)
        self._allocate(embeds_TD, len(lengths), max(lengths) + ROOM)
        sizes = (len(lengths), max(lengths), max(lengths))
        hidden_TD = self._run(embeds_TD, positions_T, _Places.of(rows_T, own_T, own_T, sizes))
        return hidden_TD[self._lengths_K.cumsum(0) - 1]

    def start_each(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, int]:
        """Start a continuation for each row of ids; equal rows are run once and copied.

        Returns:
            The float32 logits [K, V] after the last ids, and how many tokens were run.
        """
        embed = self._model.get_input_embeddings()
        places = {ids: place for place, ids in enumerate(dict.fromkeys(map(tuple, rows)))}
        device = self._prefix.keys[0].device
        hidden_KD = self.start([embed(torch.tensor(ids, device=device)) for ids in places])
        if len(places) < len(rows):
            copied = [places[tuple(ids)] for ids in rows]
            self.keep(copied)
            hidden_KD = hidden_KD[copied]
        return self._logits(hidden_KD), sum(map(len, places))

    def step(self, ids_K: Tensor) -> Tensor:
        """Run one more id of each continuation; return the float32 logits [K, V] after it."""
        embeds_KD = self._model.get_input_embeddings()(ids_K)
        own_K = self._lengths_K
        self._lengths_K = own_K + 1
        self._lengths = [length + 1 for length in self._lengths]
        rows_K = torch.arange(len(own_K), device=own_K.device)
        sizes = (len(own_K), 1, max(self._lengths))
        places = _Places.of(rows_K, torch.zeros_like(rows_K), own_K, sizes)
        if max(self._lengths) > self._keys[0].shape[2]:
            self._grow()
        return self._logits(self._run(embeds_KD, own_K + self._prefix.length, places))

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these continuations alone, in this order; one that is named twice is copied."""
        rows_K = torch.tensor(rows, dtype=torch.long, device=self._lengths_K.device)
        self._lengths = [self._lengths[row] for row in rows]
        self._lengths_K = self._lengths_K[rows_K]
        for cache in (self._keys, self._values):
            for index, old in enumerate(cache):  # one at a time, to avoid doubling the memory
                cache[index] = old[rows_K]

    def _logits(self, hidden_KD: Tensor) -> Tensor:
        return self._model.lm_head(hidden_KD).float()  # type: ignore[no-any-return]

    def _allocate(self, like: Tensor, count: int, places: int) -> None:
        """Allocate the cache in the dtype that attention computes in.

        A half-precision cache would be converted as a whole at every step.
        """
        heads, _, width = self._prefix.keys[0].shape
        shape, dtype = (count, heads, places, width), wide(like.dtype)
        for cache in (self._keys, self._values):
            cache[:] = [like.new_zeros(shape, dtype=dtype) for _ in self._prefix.keys]

    def _grow(self) -> None:
        more = max(ROOM, self._keys[0].shape[2] // 2)
        for cache in (self._keys, self._values):
            for index, old in enumerate(cache):
                cache[index] = pad(old, (0, 0, 0, more))

    def _run(self, embeds_TD: Tensor, positions_T: Tensor, places: _Places) -> Tensor:
        """The normed hidden states [T, D] of new tokens, whose keys and values are cached."""
        rotary = self._backbone.rotary_emb(embeds_TD[None], positions_T[None])
        hidden_TD = embeds_TD
        for index, layer in enumerate(cast(Sequence[Qwen2DecoderLayer], self._backbone.layers)):
            normed_TD = layer.input_layernorm(hidden_TD)
            hidden_TD = hidden_TD + self._attention(
                index, layer.self_attn, normed_TD, rotary, places
            )
            hidden_TD = hidden_TD + layer.mlp(layer.post_attention_layernorm(hidden_TD))
        return self._backbone.norm(hidden_TD)  # type: ignore[no-any-return]

    def _attention(
        self,
        index: int,
        layer: Qwen2Attention,
        normed_TD: Tensor,
        rotary: tuple[Tensor, Tensor],
        at: _Places,
    ) -> Tensor:
        """Compute `Qwen2Attention.forward` over the prefix and each continuation's own tokens."""
        query_THE, key_TJE, value_TJE = (
            project(normed_TD).unflatten(-1, (-1, layer.head_dim))
            for project in (layer.q_proj, layer.k_proj, layer.v_proj)
        )
        query_THE, key_TJE = (
            rotated[0]
            for rotated in apply_rotary_pos_emb(query_THE[None], key_TJE[None], *rotary, 2)
        )
        keys_KJME, values_KJME = self._keys[index], self._values[index]
        keys_KJME[at.rows_T, :, at.own_T] = key_TJE.to(keys_KJME.dtype)
        values_KJME[at.rows_T, :, at.own_T] = value_TJE.to(values_KJME.dtype)
        rows, slots, used = at.visible_KSM.shape
        query_KSHE = query_THE.new_zeros(rows, slots, *query_THE.shape[1:])
        query_KSHE[at.rows_T, at.slots_T] = query_THE
        own = attend_own(
            query_KSHE, keys_KJME[:, :, :used], values_KJME[:, :, :used], at.visible_KSM
        )
        shared = attend_prefix(query_THE, self._prefix.keys[index], self._prefix.values[index])
        mixed_THE = combine(shared, own.at(at.rows_T, at.slots_T))
        return layer.o_proj(mixed_THE.flatten(1))  # type: ignore[no-any-return]


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
