"""Many continuations of one prefix, run through the language model together.

The tokens of all continuations go through the layers as one packed sequence. Each attends to the
prefix's keys and values, of which there is one copy however many continuations read it, and to
its own, which are kept here.

Shapes: T tokens of all continuations, K continuations, S queries and M places of each, H heads,
J key heads, E the width of a head, D the model's width, P tokens of the prefix, L = P + T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import Qwen2Model
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2Attention,
    Qwen2DecoderLayer,
    apply_rotary_pos_emb,
)

from vica.attention import attend_own, attend_prefix, combine, wide
from vica.segments import positions, segment_ids

ROOM = 64
"""Places for new tokens that are taken at once at least."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PrefixCache:
    """The keys and values of a prefilled prefix: for each layer one tensor [J, P, E] each."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def length(self) -> int:
        """P, in tokens."""
        return self.keys[0].shape[1]

    def first(self, length: int) -> PrefixCache:
        """The cache of the first `length` tokens alone; nothing is copied."""
        return PrefixCache(
            keys=tuple(key[:, :length] for key in self.keys),
            values=tuple(value[:, :length] for value in self.values),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Places:
    """Where the tokens [T] of one pass belong.

    `rows_T` are their continuations, `slots_T` where each is among its continuation's queries of
    this pass, `own_T` its place in the cache. `visible_KSM` is what each query sees of its own.
    """

    rows_T: Tensor
    slots_T: Tensor
    own_T: Tensor
    visible_KSM: Tensor

    @classmethod
    def of(
        cls, rows_T: Tensor, slots_T: Tensor, own_T: Tensor, sizes: tuple[int, int, int]
    ) -> _Places:
        """`sizes` are K, S and M, known without asking the device."""
        count, slots, places = sizes
        own_KS = own_T.new_zeros(count, slots)  # a slot without a token sees the first place
        own_KS[rows_T, slots_T] = own_T
        visible_KSM = torch.arange(places, device=own_T.device) <= own_KS[..., None]
        return cls(rows_T=rows_T, slots_T=slots_T, own_T=own_T, visible_KSM=visible_KSM)


class Continuations:
    """The continuations that still go on: their own keys and values, and how long each is."""

    def __init__(self, backbone: Qwen2Model, prefix: PrefixCache) -> None:
        self._backbone, self._prefix = backbone, prefix
        self._keys: list[Tensor] = []  # for each layer [K, J, M, E]
        self._values: list[Tensor] = []
        self._lengths: list[int] = []  # and the same on the device, which need not be waited for
        self._lengths_K = torch.zeros(0, dtype=torch.long)

    def start(self, tokens: Sequence[Tensor]) -> Tensor:
        """Run the embeddings [S, D] of each continuation; the last hidden state of each [K, D]."""
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

    def step(self, embeds_KD: Tensor) -> Tensor:
        """Run one more token of each continuation: its hidden state [K, D]."""
        own_K = self._lengths_K
        self._lengths_K = own_K + 1
        self._lengths = [length + 1 for length in self._lengths]
        rows_K = torch.arange(len(own_K), device=own_K.device)
        sizes = (len(own_K), 1, max(self._lengths))
        places = _Places.of(rows_K, torch.zeros_like(rows_K), own_K, sizes)
        if max(self._lengths) > self._keys[0].shape[2]:
            self._grow()
        return self._run(embeds_KD, own_K + self._prefix.length, places)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these continuations alone."""
        rows_K = torch.tensor(rows, dtype=torch.long, device=self._lengths_K.device)
        self._lengths = [self._lengths[row] for row in rows]
        self._lengths_K = self._lengths_K[rows_K]
        for cache in (self._keys, self._values):
            for index, old in enumerate(cache):  # one at a time, so that memory does not double
                cache[index] = old[rows_K]

    def _allocate(self, like: Tensor, count: int, places: int) -> None:
        """Room for as many tokens, in the dtype that they are attended to in.

        In half precision all of them would be converted anew at every step.
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
        """The normed hidden states [T, D] of new tokens, whose keys and values are kept."""
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
        """What `Qwen2Attention.forward` computes, over the prefix and over one's own tokens."""
        query_THE, key_TJE, value_TJE = (
            project(normed_TD).unflatten(-1, (-1, layer.head_dim))
            for project in (layer.q_proj, layer.k_proj, layer.v_proj)
        )
        query_THE, key_TJE = (
            turned[0] for turned in apply_rotary_pos_emb(query_THE[None], key_TJE[None], *rotary, 2)
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
