"""Choose the next ids of many replies as `generate` would for each prompt alone.

Shapes: K unfinished replies, L tokens of a prompt, S new ones, V rows of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from vica.generation import WithinTokenizer
from vica.sampling import Seed, draw

PLAIN = (WithinTokenizer, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)
"""Processors of scores that do not read the ids."""
TOGETHER = (*PLAIN, RepetitionPenaltyLogitsProcessor)
"""Processors of scores that may see an id of a prompt more than once."""


def caught(_model: Any, *_ids: Any, logits_processor: LogitsProcessorList, **_: Any) -> Any:
    """A `custom_generate` that returns the processors of scores that `generate` has prepared."""
    return logits_processor


class Choice:
    """Chooses the next ids of a batch of replies.

    Args:
        prompts: The ids of each prompt.
        processors: The processors of scores for each prompt.
        seeds: Those of sampled replies; None to choose the highest score.
        device: The model's.
    """

    def __init__(
        self,
        prompts: Sequence[tuple[int, ...]],
        processors: Sequence[LogitsProcessorList],
        seeds: Sequence[Seed] | None,
        device: torch.device,
    ) -> None:
        self._processors = processors
        self._streams = None if seeds is None else [Random(seed) for seed in seeds]
        kinds = {type(each) for row in processors for each in row}
        self._together = kinds <= {*TOGETHER}
        if kinds <= {*PLAIN}:
            prompts = [()] * len(prompts)
        longest = max(map(len, prompts))
        # A prompt is padded with its first id, which a penalty counts once all the same.
        padded = [[*row[:1] * (longest - len(row)), *row] for row in prompts]
        self._lengths = [len(row) for row in prompts]
        self._prompts_KL = torch.tensor(padded, dtype=torch.long, device=device)

    def __call__(self, new_KS: Tensor, logits_KV: Tensor, live: Sequence[int]) -> Tensor:
        """The next ids [K] of the replies with the indices `live`, which have `new_KS`."""
        scores_KV = self._scores(new_KS, logits_KV, live)
        if self._streams is None:
            return scores_KV.argmax(-1)
        return draw(scores_KV, [self._streams[index] for index in live])[:, 0]

    def _scores(self, new_KS: Tensor, logits_KV: Tensor, live: Sequence[int]) -> Tensor:
        """The processed scores [K, V]."""
        ids_KL = torch.cat([self._prompts_KL[list(live)], new_KS], dim=1)
        if self._together:
            return self._processors[0](ids_KL, logits_KV)  # type: ignore[arg-type]  # their LongTensor
        whole = self._prompts_KL.shape[1]
        rows = [
            self._processors[index](
                ids_KL[row : row + 1, whole - self._lengths[index] :],  # type: ignore[arg-type]
                logits_KV[row : row + 1],
            )
            for row, index in enumerate(live)
        ]
        return torch.cat(rows)
