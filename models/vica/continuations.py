"""Many continuations of one prefix, run together through any decoder.

All continuations (questions) of a prefilled prefix run through the model together: a registered
attention function of transformers attends over the prefix and over each continuation's own tokens,
and merges the two parts by their log-sum-exp. The model's own layers run unchanged, or in the
shorter form of `vica.layers`. A recurrent layer has a small state in place of keys, which is copied
for each continuation.

Shapes: K continuations, T tokens of one pass, S slots, M places of a continuation's cache, H query
heads, J key heads, E their width, P tokens of the prefix, V rows of the vocabulary; B rows of the
model's batch.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import AttentionInterface, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer, LinearAttentionLayer

from vica.attention import Attended, Visible, attend_own, attend_prefix, combine
from vica.capture import Captured
from vica.errors import InputError
from vica.layers import Layers
from vica.memory import is_memory_error
from vica.prefix import Prefix, Shared

LOG = logging.getLogger(__name__)
NAME = "vica_prefix"
"""The name of the attention function while continuations run."""
ROOM = 64
"""The cache grows by at least this many tokens."""
ALIGNED = 8
"""Attention reads a multiple of so many places, as masks of CUDA's kernels must have."""
Merge = Callable[[Attended, Attended], Tensor]
"""Merges attention over the prefix and over own tokens: `combine`, or that compiled."""
CAPTURED_AFTER = 8
"""Steps of one shape, after which those that follow are captured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Places:
    """Where the tokens [T] of one pass belong.

    Attributes:
        rows_T: Their continuations, counted from the first of this pass.
        own_T: Their positions in the cache of their continuation.
        seen: Which of its continuation's cached tokens each query sees, by slots.
        slots_T: Their positions among their continuation's queries of this pass; None if tokens
            fill all slots, in order.
        filled_N: The token in each of the K x S slots, and any other in an empty one.
        window: The continuations of this pass.
    """

    rows_T: Tensor
    own_T: Tensor
    seen: Visible
    slots_T: Tensor | None = None
    filled_N: Tensor | None = None
    window: slice = field(default_factory=lambda: slice(None))

    @classmethod
    def start(cls, lengths: Sequence[int], device: torch.device, first: int = 0) -> _Places:
        """Those of the first tokens of continuations of these lengths, from the row `first` on."""
        longest = max(lengths)
        # Made on the host, which knows all of it, and copied at once.
        places = [(row, slot) for row, length in enumerate(lengths) for slot in range(length)]
        rows_T, own_T = torch.tensor(places).T.to(device)
        slots_KS = torch.arange(longest).expand(len(lengths), longest)
        filled_KS = slots_KS < torch.tensor(lengths)[:, None]
        before_K = torch.tensor([0, *accumulate(lengths)])[:-1]
        places_KS = torch.where(filled_KS, before_K[:, None] + slots_KS, 0)
        # An empty slot sees the first token: softmax needs one.
        seen_KS = torch.where(filled_KS, slots_KS, 0).to(device)
        dense = min(lengths) == longest
        return cls(
            rows_T=rows_T,
            own_T=own_T,
            seen=_earlier(seen_KS, longest),
            slots_T=None if dense else own_T,
            filled_N=None if dense else places_KS.flatten().to(device),
            window=slice(first, first + len(lengths)),
        )

    @classmethod
    def step(cls, own_K: Tensor, places: int) -> _Places:
        """Those of one more token of each continuation, which has `own_K` already."""
        rows_K = torch.arange(len(own_K), device=own_K.device)
        return cls(rows_T=rows_K, own_T=own_K, seen=_earlier(own_K[:, None], places))


def _earlier(own_KS: Tensor, places: int) -> Visible:
    """Slots see their continuation's tokens up to their own places."""
    places += -places % ALIGNED
    return Visible(torch.arange(places, device=own_KS.device) <= own_KS[..., None])


@dataclass(kw_only=True, eq=False)
class _Pass:
    """The pass that the layers are in: places of its tokens, and the cache's capacity [K, M]."""

    places: _Places | None = None
    lengths: list[int] = field(default_factory=list)
    capacity: int = 0


class _OwnLayer(DynamicLayer):
    """The keys and values of the continuations' own tokens in one layer, in the model's dtype.

    They are in `stores`: [K, J, M, E] each, or both in one, [K, 2 x J, M, E].
    """

    def __init__(self, shared: Shared, now: _Pass) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shared, self._now = shared, now
        self._stores: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Store the new tokens' keys and values [B, J, S, E], and return them as they are."""
        self._store(_tokens(key_states), _tokens(value_states))
        return key_states, value_states

    def _store(self, *new: Tensor) -> None:
        """Store tensors [T, ., E] of the new tokens."""
        at, count = cast(_Places, self._now.places), len(self._now.lengths)
        if not self._stores:
            sizes = [(count, one.shape[1], self._now.capacity, one.shape[2]) for one in new]
            self._stores = [one.new_zeros(size) for one, size in zip(new, sizes, strict=True)]
        for store, new_TXE in zip(self._stores, new, strict=True):
            store[at.window][at.rows_T, :, at.own_T] = new_TXE

    def get_seq_length(self) -> int:
        """The length of the longest continuation, with the prefix."""
        return self._shared.keys_JPE.shape[1] + max(self._now.lengths, default=0)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Sizes for a mask, which the attention function ignores."""
        return self.get_seq_length() + query_length, 0

    def keep(self, rows_K: Tensor) -> None:
        """Drop all other continuations."""
        for index, store in enumerate(self._stores):  # one at a time, for the sake of memory
            self._stores[index] = store[rows_K]

    def grow(self, more: int) -> None:
        """Make room for `more` tokens of each continuation."""
        for index, store in enumerate(self._stores):
            self._stores[index] = pad(store, (0, 0, 0, more))

    def attend(self, query_BHSE: Tensor, scale: float | None) -> Tensor:
        """The attention output [B, S, H, E] over the prefix and each continuation's tokens."""
        mixed_THE = self._attend(_tokens(query_BHSE), scale)
        return cast(Tensor, mixed_THE.unflatten(0, (query_BHSE.shape[0], query_BHSE.shape[2])))

    def take(self, query_THE: Tensor, new_TXE: Tensor, merge: Merge) -> Tensor:
        """Store new keys and values [T, 2 x J, E]; return the attention output [T, H, E]."""
        self._store(new_TXE)
        return self._attend(query_THE, None, merge)

    def _attend(self, query_THE: Tensor, scale: float | None, merge: Merge = combine) -> Tensor:
        at = cast(_Places, self._now.places)
        rows, slots, used = at.seen.visible_KSM.shape
        slots_THE = query_THE if at.filled_N is None else query_THE.index_select(0, at.filled_N)
        stores = [store[at.window, :, :used] for store in self._stores]
        keys_KJME, values_KJME = stores if len(stores) > 1 else stores[0].chunk(2, dim=1)
        query_KSHE = slots_THE.unflatten(0, (rows, slots))
        own = attend_own(query_KSHE, keys_KJME, values_KJME, at.seen, scale)
        mine = own.flat() if at.slots_T is None else own.at(at.rows_T, at.slots_T)
        whole = attend_prefix(query_THE, self._shared.keys_JPE, self._shared.values_JPE, scale)
        return merge(whole, mine).flatten(1, 2)


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
        short: The model's layers in their short form, if they have one.
    """

    def __init__(self, model: Any, prefix: Prefix, short: Layers | None = None) -> None:
        self._model, self._prefix = model, prefix
        self._selects = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._now = _Pass()
        layers: list[Any] = [
            _OwnLayer(layer, self._now) if isinstance(layer, Shared) else layer
            for layer in prefix.layers
        ]
        self._cache, self._layers = Cache(layers=layers), short
        # Lengths are held twice, so that neither the host nor the device waits for the other.
        self._lengths_K = self._next_XK = self._ids_K = torch.zeros(0, dtype=torch.long)
        self._captured: Captured | None = None
        self._steps, self._capturable = 0, True

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
        self._now.lengths, self._now.capacity = lengths, _capacity(max(lengths))
        last_K = torch.tensor(lengths).cumsum(0) - 1
        ids_T = torch.tensor([i for row in ids for i in row])
        counted_T = torch.cat([torch.arange(n) for n in lengths]) + self._prefix.length
        self._lengths_K, last_K = torch.stack([torch.tensor(lengths), last_K]).to(device)
        ids_T, counted_T = torch.stack([ids_T, counted_T]).to(device)
        places_XT = counted_T if places is None else torch.cat(list(places), dim=-1).to(device)
        self._next_XK = places_XT[..., last_K] + 1
        if len(self._prefix.shared) < len(self._prefix.layers):
            return self._one_by_one(ids_T.split(lengths), places_XT.split(lengths, dim=-1))
        self._now.places = _Places.start(lengths, device)
        return self._run(ids_T[None], places_XT[..., None, :], last_K)[0]

    @property
    def steady(self) -> bool:
        """Whether steps are captured, so that another number of continuations costs a new one."""
        return self._captured is not None

    def step(self, ids_K: Tensor) -> Tensor:
        """Run one more id of each continuation; return the logits [K, V] after it, in float32.

        On a GPU the layers' short form is captured as a CUDA graph after some steps.
        """
        self._now.lengths = [length + 1 for length in self._now.lengths]
        if max(self._now.lengths) > self._now.capacity:
            self._grow()
        if self._captured is None and self._worth_capturing():
            self._capture(ids_K)
        if self._captured is None:
            logits_KV = self._step(ids_K, max(self._now.lengths))
        else:
            self._ids_K.copy_(ids_K)
            logits_KV = self._captured()
        self._steps += 1
        self._lengths_K.add_(1)
        self._next_XK.add_(1)
        return logits_KV

    def _capture(self, ids_K: Tensor) -> None:
        """Capture steps from now on; those of a model that cannot be captured stay as they are."""
        self._ids_K = ids_K.clone()
        try:
            self._captured = Captured(self._whole_step, ids_K.device)
        except RuntimeError as error:
            if is_memory_error(error):
                raise
            self._capturable = False
            LOG.warning("Steps of decoding are not captured as a CUDA graph: %s", error)

    def _worth_capturing(self) -> bool:
        """Capturing takes as long as some steps, which short replies do not have."""
        here = self._layers is not None and self._model.device.type == "cuda"
        return here and self._capturable and self._steps >= CAPTURED_AFTER

    def _whole_step(self) -> Tensor:
        """A step of the ids in `_ids_K` that reads the whole cache, so that all have one shape."""
        return self._step(self._ids_K, self._now.capacity)

    def _step(self, ids_K: Tensor, used: int) -> Tensor:
        self._now.places = _Places.step(self._lengths_K, used)
        zero = self._lengths_K.new_zeros(1)
        return self._run(ids_K[:, None], self._next_XK[..., None], zero)[:, 0]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these continuations alone, in this order; one that is named twice is copied."""
        self._captured, self._steps = None, 0
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
            self._now.places = _Places.start([len(ids_S)], ids_S.device, row)
            for index, kept in enumerate(self._prefix.layers):
                if not isinstance(kept, Shared):
                    self._cache.layers[index] = deepcopy(kept)
            last = self._now.places.own_T[-1:]
            logits.append(self._run(ids_S[None], places_XS[..., None, :], last)[0])
            states.append(list(self._cache.layers))
        for index, kept in enumerate(self._prefix.layers):
            if not isinstance(kept, Shared):
                self._cache.layers[index] = _batched([row[index] for row in states])
        return torch.cat(logits)

    def _grow(self) -> None:
        more = max(ROOM, self._now.capacity // 2 // ROOM * ROOM)
        self._captured, self._steps = None, 0
        self._now.capacity += more
        for layer in self._cache.layers:
            if isinstance(layer, _OwnLayer):
                layer.grow(more)

    def _run(self, ids_BS: Tensor, places_XBS: Tensor, keep: Tensor) -> Tensor:
        """The float32 logits [B, ., V] of the slots to `keep`."""
        if self._layers:
            return self._run_short(self._layers, ids_BS, places_XBS, keep)
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

    def _run_short(self, layers: Layers, ids_BS: Tensor, places_BS: Tensor, keep: Tensor) -> Tensor:
        own = cast(Sequence[_OwnLayer], self._cache.layers)
        embeds_BSD = self._model.get_input_embeddings()(ids_BS)
        hidden_TD = layers(
            embeds_BSD.flatten(0, 1),
            places_BS.flatten(),
            lambda index, *states: own[index].take(*states, layers.combine),
        )
        hidden_BSD = hidden_TD.unflatten(0, ids_BS.shape)
        if ids_BS.shape[1] > 1:
            hidden_BSD = hidden_BSD[:, keep]
        return cast(Tensor, self._model.lm_head(hidden_BSD)).float()


def _capacity(length: int) -> int:
    """Room for continuations of this length and some more, in whole steps."""
    return (length // ROOM + 2) * ROOM


def _batched(rows: Sequence[LinearAttentionLayer]) -> LinearAttentionLayer:
    """One layer with the states of several, in order."""
    whole = rows[0]
    for states in ("conv_states", "recurrent_states"):
        for index in range(whole.number_of_states):
            each = [getattr(row, states)[index] for row in rows]
            getattr(whole, states)[index] = None if each[0] is None else torch.cat(each)
    return whole
