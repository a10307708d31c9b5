"""The same questions answered both ways: from one prefill, and one prompt at a time.

This is the proof of `vica.predictor`, for any checkpoint on any device. In float32 the texts are
equal; in bfloat16 two orders of summation can part where two tokens are nearly as likely.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from vica.modeling import ViCA
from vica.predictor import Predictor
from vica.processing import Frames, ViCAProcessor
from vica.replies import Reply, end_ids, reply_of
from vica.visuals import Visual

COMPARED = 64
"""Steps whose logits are compared, to bound the memory they take."""


@dataclass(frozen=True, kw_only=True)
class Both:
    """One prompt's replies, from a shared prefill and `alone`, and how far they are apart.

    `difference` is the largest one between the logits of ids the tokenizer knows, over the first
    64 steps as long as the replies go together. `parted` is the step from which they do not, and
    `margin` by how much the two best logits differed there, for the prompt alone; both are None
    for replies of the same ids.
    """

    shared: Reply
    alone: Reply
    difference: float
    parted: int | None = None
    margin: float | None = None


@torch.no_grad()
def both_ways(
    predictor: Predictor, video: Frames | Visual, prompts: Sequence[str], *, max_new_tokens: int
) -> Iterator[Both]:
    """Answer prompts about one video together, then each alone, and compare; in order.

    Alone, a prompt is read in full with the video's tokens, as the original code does it. Raises
    as `Predictor.encode` and `Predictor.answer` do.
    """
    model, processor = predictor.model, predictor.processor
    visual = video if isinstance(video, Visual) else processor.video(video)
    seen: dict[int, list[Tensor]] = defaultdict(list)

    def keep(index: int, step: int, logits_V: Tensor) -> None:
        if step < COMPARED:
            seen[index][step:] = [logits_V.cpu()]  # an attempt that failed is forgotten

    encoded = predictor.encode(visual, prompts)
    replies = predictor.answer(encoded, prompts, observe=keep, max_new_tokens=max_new_tokens)
    del encoded  # its memory is wanted for whole prompts
    block_ND = model.encode(visual)
    for index, (text, shared) in enumerate(zip(prompts, replies, strict=True)):
        alone, logits = _alone(model, processor, block_ND, text, max_new_tokens=max_new_tokens)
        yield _compared(shared, alone, seen.pop(index), logits, model.vocabulary)


def _alone(
    model: ViCA, processor: ViCAProcessor, block_ND: Tensor, text: str, **options: Any
) -> tuple[Reply, list[Tensor]]:
    """The reply to a whole prompt, and the logits [V] of its steps."""
    ids = processor.tokens([text])["input_ids"].to(block_ND.device)
    merged = model.merge(ids, [block_ND])
    found = model.generate(
        inputs_embeds=merged.embeds_BLD,
        return_dict_in_generate=True,
        output_logits=True,
        **options,
    )
    reply = reply_of(
        processor,
        found.sequences[0].tolist(),
        ends=end_ids(model),
        prompt_tokens=merged.embeds_BLD.shape[1],
    )
    return reply, [logits_BV[0].float().cpu() for logits_BV in found.logits]


def _compared(
    shared: Reply, alone: Reply, ours: Sequence[Tensor], theirs: Sequence[Tensor], known: int
) -> Both:
    pairs = enumerate(zip_longest(shared.ids, alone.ids))
    parted = next((step for step, (a, b) in pairs if a != b), None)
    together = len(ours) if parted is None else parted + 1  # logits part one step after the ids
    gaps = [
        float((our_V - their_V)[:known].abs().max())
        for our_V, their_V in zip(ours[:together], theirs[:together], strict=False)
    ]
    margin = None
    if parted is not None and parted < len(theirs):
        best, second = theirs[parted][:known].topk(2).values.tolist()
        margin = best - second
    return Both(shared=shared, alone=alone, difference=max(gaps), parted=parted, margin=margin)
