"""One copy of a prefix's keys and values, and many continuations of it, for any decoder.

The prefix (a video and the text around it) is prefilled once. Then all continuations (questions)
run through the model together: a registered attention function of transformers attends over the
prefix and over each continuation's own tokens, and merges the two parts by their log-sum-exp. The
model's own layers run unchanged. A recurrent layer has a small state in place of keys, which is
copied for each continuation.

Shapes: K continuations, T tokens of one pass, S slots, M places of a continuation's cache, H query
heads, J key heads, E their width, P tokens of the prefix, V rows of the vocabulary; B rows of the
model's batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import AttentionInterface, DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer, LinearAttentionLayer

from vica.attention import attend_own, attend_prefix, combine, wide
from vica.errors import InputError
from vica.segments import positions, segment_ids

NAME = "vica_prefix"
"""The name of the attention function while continuations run."""
ROOM = 64
"""The cache grows by at least this many tokens."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Places:
    """Where the tokens [T] of one pass belong.

    Attributes:
        rows_T: Their continuations, counted from the first of this pass.
        slots_T: Their positions among their continuation's queries of this pass.
        own_T: Their positions in the cache of their continuation.
        visible_KSM: Which of its continuation's cached tokens each query sees.
        window: The continuations of this pass.
    """

    rows_T: Tensor
    slots_T: Tensor
    own_T: Tensor
    visible_KSM: Tensor
    window: slice

    @classmethod
    def of(
        cls,
        rows_T: Tensor,
        slots_T: Tensor,
        own_T: Tensor,
        sizes: tuple[int, int, int],
        window: slice = slice(None),
    ) -> _Places:
        """Build the places; `sizes` are K, S and M, passed to avoid waiting for the device."""
        count, slots, places = sizes
        # An empty slot sees the first token: softmax needs one.
        own_KS = own_T.new_zeros(count, slots)
        own_KS[rows_T, slots_T] = own_T
        visible_KSM = torch.arange(places, device=own_T.device) <= own_KS[..., None]
        return cls(
            rows_T=rows_T, slots_T=slots_T, own_T=own_T, visible_KSM=visible_KSM, window=window
        )

    @property
    def dense(self) -> bool:
        """Whether the tokens fill all slots, and so in order."""
        rows, slots, _ = self.visible_KSM.shape
        return len(self.rows_T) == rows * slots


@dataclass(kw_only=True, eq=False)
class _Pass:
    """The pass that the layers are in: places of its tokens, and the cache's capacity [K, M]."""

    places: _Places | None = None
    lengths: list[int] = field(default_factory=list)
    capacity: int = 0


class _OwnLayer(DynamicLayer):
    """The keys and values [K, J, M, E] of the continuations' own tokens in one layer.

    They are kept in the dtype that attention computes in: a half-precision cache would be
    converted as a whole at every step.
    """

    def __init__(self, shared: Shared, now: _Pass) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shared, self._now = shared, now

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Store the new tokens' keys and values [B, J, S, E], and return them as they are."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            count = len(self._now.lengths)
            self.keys = self._empty(key_states, count)
            self.values = self._empty(value_states, count)
        at = cast(_Places, self._now.places)
        for store, new in ((self.keys, key_states), (self.values, value_states)):
            store_KJME = cast(Tensor, store)[at.window]
            store_KJME[at.rows_T, :, at.own_T] = _tokens(new).to(store_KJME.dtype)
        return key_states, value_states

    def _empty(self, like: Tensor, count: int) -> Tensor:
        shape = (count, like.shape[1], self._now.capacity, like.shape[-1])
        return like.new_zeros(shape, dtype=wide(like.dtype))

    def get_seq_length(self) -> int:
        """The length of the longest continuation, with the prefix."""
        return self._shared.keys_JPE.shape[1] + max(self._now.lengths, default=0)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Sizes for a mask, which the attention function ignores."""
        return self.get_seq_length() + query_length, 0

    def keep(self, rows_K: Tensor) -> None:
        """Drop all other continuations."""
        # One at a time, to avoid doubling the memory.
        self.keys = cast(Tensor, self.keys)[rows_K]
        self.values = cast(Tensor, self.values)[rows_K]

    def grow(self, more: int) -> None:
        """Make room for `more` tokens of each continuation."""
        self.keys = pad(cast(Tensor, self.keys), (0, 0, 0, more))
        self.values = pad(cast(Tensor, self.values), (0, 0, 0, more))

    def attend(self, query_BHSE: Tensor, scale: float | None) -> Tensor:
        """The attention output [B, S, H, E] over the prefix and each continuation's tokens."""
        at = cast(_Places, self._now.places)
        query_THE = _tokens(query_BHSE)
        rows, slots, used = at.visible_KSM.shape
        if at.dense:
            query_KSHE = query_THE.unflatten(0, (rows, slots))
        else:
            query_KSHE = query_THE.new_zeros(rows, slots, *query_THE.shape[1:])
            query_KSHE[at.rows_T, at.slots_T] = query_THE
        keys_KJME = cast(Tensor, self.keys)[at.window, :, :used]
        values_KJME = cast(Tensor, self.values)[at.window, :, :used]
        own = attend_own(query_KSHE, keys_KJME, values_KJME, at.visible_KSM, scale)
        whole = attend_prefix(query_THE, self._shared.keys_JPE, self._shared.values_JPE, scale)
        mine = own.flat() if at.dense else own.at(at.rows_T, at.slots_T)
        mixed_THE = combine(whole, mine)
        return cast(Tensor, mixed_THE.unflatten(0, (query_BHSE.shape[0], query_BHSE.shape[2])))


def _tokens(states_BXSE: Tensor) -> Tensor:
    """The states [T, X, E] of a pass's tokens, in order."""
    return states_BXSE.transpose(1, 2).flatten(0, 1)


_LAYERS: ContextVar[Sequence[Any]] = ContextVar("layers of the continuations that run")


def attend(
    module: nn.Module,
    query_BHSE: Tensor,
    _key: Tensor,
    _value: Tensor,
    _mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in a layer; returns values [B, S, H, E].

    Raises:
        InputError: For attention that is not a softmax over all earlier tokens.
    """
    for name in ("sliding_window", "softcap", "s_aux", "position_bias"):
        if options.get(name) is not None:
            raise InputError(f"attention with {name} cannot be shared among continuations")
    if dropout:
        raise InputError("put the model into evaluation mode: dropout is on")
    layer = _LAYERS.get()[cast(int, module.layer_idx)]
    return cast(_OwnLayer, layer).attend(query_BHSE, scaling), None


AttentionInterface.register(NAME, attend)


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """Set this module's attention function in a model's decoder, and restore its own afterwards.

    Raises:
        InputError: For a model whose attention function cannot be set.
    """
    decoder = model.get_decoder()
    parts = [part for part in decoder.modules() if isinstance(part, PreTrainedModel)]
    # Transformers has no public way to read it.
    before = [part.config._attn_implementation for part in parts]
    decoder.set_attn_implementation(NAME)
    try:
        if decoder.config._attn_implementation != NAME:
            raise InputError(f"the attention of {type(model).__name__} cannot be replaced")
        yield
    finally:
        for part, name in zip(parts, before, strict=True):
            part.set_attn_implementation(name)


class Continuations:
    """The unfinished continuations of a prefix; run them inside `attending(model)`.

    Args:
        model: A model with a language model's head.
        prefix: What `prefill` returned; it stays as it is.
    """

    def __init__(self, model: Any, prefix: Prefix) -> None:
        self._model, self._prefix = model, prefix
        self._selects = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._now = _Pass()
        layers: list[Any] = [
            _OwnLayer(layer, self._now) if isinstance(layer, Shared) else layer
            for layer in prefix.layers
        ]
        self._cache = Cache(layers=layers)
        # Lengths are held twice, so that neither the host nor the device waits for the other.
        self._lengths_K = self._next_XK = torch.zeros(0, dtype=torch.long)

    def start(self, ids: Sequence[Sequence[int]], places: Sequence[Tensor] | None = None) -> Tensor:
        """Run each continuation's ids; return the logits [K, V] after the last one, in float32.

        Continuations with equal ids, such as several replies to one question, are run once.

        Args:
            ids: At least one id for each continuation.
            places: Position ids [..., S] of each, if they do not simply count all tokens; with
                several axes for rotary embeddings in several dimensions.
        """
        unique = {tuple(row): number for number, row in enumerate(ids)}
        if len(unique) == len(ids):
            return self._start(ids, places)
        numbers = list(unique.values())
        some = None if places is None else [places[number] for number in numbers]
        logits_KV = self._start([ids[number] for number in numbers], some)
        order = {row: place for place, row in enumerate(unique)}
        copied = [order[tuple(row)] for row in ids]
        self.keep(copied)
        return logits_KV[copied]

    def _start(self, ids: Sequence[Sequence[int]], places: Sequence[Tensor] | None) -> Tensor:
        device, lengths = self._model.device, [len(row) for row in ids]
        self._now.lengths, self._now.capacity = lengths, max(lengths) + ROOM
        self._lengths_K = torch.tensor(lengths, device=device)
        ids_T = torch.tensor([i for row in ids for i in row], device=device)
        segments_L = segment_ids(self._prefix.length, lengths).to(device)
        counted_T = positions(segments_L)[self._prefix.length :]
        own_T = counted_T - self._prefix.length
        places_XT = counted_T if places is None else torch.cat(list(places), dim=-1).to(device)
        last_K = self._lengths_K.cumsum(0) - 1
        self._next_XK = places_XT[..., last_K] + 1
        if len(self._prefix.shared) < len(self._prefix.layers):
            return self._one_by_one(ids_T.split(lengths), places_XT.split(lengths, dim=-1))
        rows_T = segments_L[self._prefix.length :] - 1
        sizes = (len(lengths), max(lengths), max(lengths))
        self._now.places = _Places.of(rows_T, own_T, own_T, sizes)
        return self._run(ids_T[None], places_XT[..., None, :], last_K)[0]

    def step(self, ids_K: Tensor) -> Tensor:
        """Run one more id of each continuation; return the logits [K, V] after it, in float32."""
        own_K, next_XK = self._lengths_K, self._next_XK
        self._lengths_K, self._next_XK = own_K + 1, next_XK + 1
        self._now.lengths = [length + 1 for length in self._now.lengths]
        if max(self._now.lengths) > self._now.capacity:
            self._grow()
        rows_K = torch.arange(len(own_K), device=own_K.device)
        sizes = (len(own_K), 1, max(self._now.lengths))
        self._now.places = _Places.of(rows_K, torch.zeros_like(rows_K), own_K, sizes)
        return self._run(ids_K[:, None], next_XK[..., None], own_K.new_zeros(1))[:, 0]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these continuations alone, in this order; one that is named twice is copied."""
        rows_K = torch.tensor(rows, dtype=torch.long, device=self._lengths_K.device)
        self._now.lengths = [self._now.lengths[row] for row in rows]
        self._lengths_K, self._next_XK = self._lengths_K[rows_K], self._next_XK[..., rows_K]
        for layer in self._cache.layers:
            if isinstance(layer, _OwnLayer):
                layer.keep(rows_K)
            else:
                layer.reorder_cache(cast(torch.LongTensor, rows_K))

    def _one_by_one(self, ids: Sequence[Tensor], places: Sequence[Tensor]) -> Tensor:
        """Run the ids [S] of each continuation by itself, because padding would enter a state."""
        states: list[list[Any]] = []
        logits = []
        for row, (ids_S, places_XS) in enumerate(zip(ids, places, strict=True)):
            own_S = torch.arange(len(ids_S), device=ids_S.device)
            rows_S, sizes = torch.zeros_like(own_S), (1, len(own_S), len(own_S))
            window = slice(row, row + 1)
            self._now.places = _Places.of(rows_S, own_S, own_S, sizes, window)
            for index, kept in enumerate(self._prefix.layers):
                if not isinstance(kept, Shared):
                    self._cache.layers[index] = deepcopy(kept)
            logits.append(self._run(ids_S[None], places_XS[..., None, :], own_S[-1:])[0])
            states.append(list(self._cache.layers))
        for index, kept in enumerate(self._prefix.layers):
            if not isinstance(kept, Shared):
                self._cache.layers[index] = _batched([row[index] for row in states])
        return torch.cat(logits)

    def _grow(self) -> None:
        more = max(ROOM, self._now.capacity // 2)
        self._now.capacity += more
        for layer in self._cache.layers:
            if isinstance(layer, _OwnLayer):
                layer.grow(more)

    def _run(self, ids_BS: Tensor, places_XBS: Tensor, keep: Tensor) -> Tensor:
        """The float32 logits [B, ., V] of the slots to `keep`."""
        selected = {"logits_to_keep": keep} if self._selects else {}
        token = _LAYERS.set(self._cache.layers)
        try:
            output = self._model(
                input_ids=ids_BS,
                position_ids=places_XBS,
                cache=self._cache,
                use_cache=True,
                **selected,
            )
        finally:
            _LAYERS.reset(token)
        logits = output.logits if self._selects else output.logits[:, keep]
        return cast(Tensor, logits).float()


def _batched(rows: Sequence[LinearAttentionLayer]) -> LinearAttentionLayer:
    """One layer with the states of several, in order."""
    whole = rows[0]
    for states in ("conv_states", "recurrent_states"):
        for index in range(whole.number_of_states):
            each = [getattr(row, states)[index] for row in rows]
            getattr(whole, states)[index] = None if each[0] is None else torch.cat(each)
    return whole
