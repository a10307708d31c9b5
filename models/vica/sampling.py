"""Sampled replies that depend on their seeds alone, whatever is decoded beside them.

Each reply has its random numbers from its seed, one a token, and a token is drawn by inverting the
cumulative distribution. So a reply is the same in any group of replies and after a restart, as far
as its scores are the same.

Shapes: K replies, S new ids so far, V rows of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf, isfinite
from random import Random
from typing import cast

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from vica.errors import InputError, ScoresError
from vica.generation import NAN, WithinTokenizer

Seed = int | str
BITS = 40
"""Of a random number: few enough that its product with a sum of 1 stays below that sum."""


INFINITE = "the model's scores are infinite: its weights overflow in this dtype"
WRONG = (INFINITE, NAN)
"""Why an id is negative, by that number: so nobody waits for the scores before fetching ids."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen from a model's scores; the defaults choose the highest.

    Attributes:
        temperature: The scores are divided by it, and the token is drawn; 0 for the highest score.
        top_p: Draw from the fewest tokens with this probability together, after `top_k`.
        top_k: Draw from so many tokens at most; 0 for all.
        presence_penalty: Subtracted from the score of each token that the reply already has, as
            in the APIs of OpenAI and vLLM.
        repetition_penalty: As in transformers; None for that of the checkpoint.

    Raises:
        InputError: A number is out of bounds, or would have no effect without a temperature.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    presence_penalty: float = 0.0
    repetition_penalty: float | None = None

    def __post_init__(self) -> None:
        repetition = 1.0 if self.repetition_penalty is None else self.repetition_penalty
        rules = {
            "temperature must be 0 or more, and finite": 0 <= self.temperature < inf,
            "top_p must be above 0 and at most 1": 0 < self.top_p <= 1,
            "top_k must be 0 (all) or more": self.top_k >= 0,
            "presence_penalty must be finite": isfinite(self.presence_penalty),
            "repetition_penalty must be above 0, and finite": 0 < repetition < inf,
            "top_p and top_k need a temperature above 0": self.temperature > 0
            or (self.top_p, self.top_k) == (1, 0),
        }
        for rule, kept in rules.items():
            if not kept:
                raise InputError(rule)

    @property
    def settings(self) -> dict[str, float]:
        """What differs from the defaults, by name."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}


GREEDY = Sampling()


class PresencePenalty(LogitsProcessor):
    """Lowers the scores of ids that a row has after its first `start` ids."""

    def __init__(self, penalty: float, start: int = 0) -> None:
        self.penalty, self.start = penalty, start

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [K, V], lower by the penalty once for each id in `input_ids` [K, start + S]."""
        own_KS = input_ids[:, self.start :]
        return scores - self.penalty * torch.zeros_like(scores).scatter(1, own_KS, 1.0)


class Drawn(LogitsProcessor):
    """Draws the id of a single row: all other scores become minus infinity.

    The last processor of a greedy `generate`, which then takes that id.
    """

    def __init__(self, seed: Seed) -> None:
        self._stream = Random(seed)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002
        """Scores [1, V] that are 0 for the drawn id."""
        return torch.full_like(scores, -torch.inf).scatter(1, draw(scores, [self._stream]), 0.0)


def processors(sampling: Sampling, start: int = 0) -> LogitsProcessorList:
    """The penalty and the filters before a draw, in the order of transformers and vLLM.

    The repetition penalty is not among them: `vica.generation.settled` applies it.

    Args:
        start: How many ids of a row belong to its prompt.
    """
    chosen = LogitsProcessorList()
    if sampling.presence_penalty:
        chosen.append(PresencePenalty(sampling.presence_penalty, start))
    if sampling.temperature not in (0, 1):
        chosen.append(TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.top_k:
        chosen.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        chosen.append(TopPLogitsWarper(sampling.top_p))
    return chosen


def draw(scores_KV: Tensor, streams: Sequence[Random]) -> Tensor:
    """Draw one id for each row [K, 1] from its processed scores, with the row's next number.

    Raises:
        ScoresError: A row has an infinite score, or none that is finite.
    """
    ids_K1 = _drawn(scores_KV, streams)
    if (ids_K1 < 0).any():
        raise ScoresError(INFINITE)
    return ids_K1


def _drawn(scores_KV: Tensor, streams: Sequence[Random]) -> Tensor:
    """The same without waiting: -2 where a row has an infinite score, or none that is finite."""
    # Apple's GPUs have no float64; elsewhere float32 would lose the rarest tokens of a long sum.
    wide = torch.float32 if scores_KV.device.type == "mps" else torch.float64
    sums_KV = scores_KV.to(wide).softmax(-1).cumsum(-1)
    numbers = [stream.getrandbits(BITS) / 2**BITS for stream in streams]
    numbers_K1 = torch.tensor(numbers, dtype=wide, device=scores_KV.device)[:, None]
    # The first id whose sum exceeds the number has a probability above 0.
    ids_K1 = torch.searchsorted(sums_KV, numbers_K1 * sums_KV[:, -1:], right=True)
    return ids_K1.masked_fill_(sums_KV[:, -1:].isnan(), WRONG.index(INFINITE) - len(WRONG))


class Chooser:
    """Chooses the next id of each of several replies that are decoded together.

    Args:
        scoring: Applied to the scores first: the checkpoint's rules and limits.
        sampling: How an id is chosen.
        seeds: One for each reply, in their order; unused by greedy decoding.

    Raises:
        InputError: A reply is to be sampled without a seed.
    """

    def __init__(
        self, scoring: LogitsProcessorList, sampling: Sampling, seeds: Sequence[Seed | None]
    ) -> None:
        quiet = [
            WithinTokenizer(each.length, waits=False) if isinstance(each, WithinTokenizer) else each
            for each in scoring
        ]
        self._processors = LogitsProcessorList([*quiet, *processors(sampling)])
        self._streams = [Random(seed) for seed in seeds] if sampling.temperature else None
        if sampling.temperature and None in seeds:
            raise InputError("a sampled reply needs a seed: Prompt(text=..., seed=...)")

    def __call__(self, new_KS: Tensor, logits_KV: Tensor, live: Sequence[int]) -> Tensor:
        """The next ids [K] of the replies with the indices `live`, which have `new_KS`.

        An id is negative, a place in `WRONG`, where the logits are NaN, or infinite and drawn from.
        """
        scores_KV = self._processors(cast(torch.LongTensor, new_KS), logits_KV)
        highest = scores_KV.max(-1)
        if self._streams is None:
            ids_K = highest.indices
        else:
            ids_K = _drawn(scores_KV, [self._streams[index] for index in live])[:, 0]
        return ids_K.masked_fill(highest.values.isnan(), WRONG.index(NAN) - len(WRONG))
