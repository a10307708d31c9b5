"""Answering one question at a time, as the original code does, and comparing both ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from vica.budget import GRID, Layout
from vica.generation import settled
from vica.merging import Visual
from vica.modeling import ViCA
from vica.predictor import Predictor, Reply, end_ids, reply_of
from vica.processing import Frames, ViCAProcessor

_NOTES = ("transformers_version", "_from_model_config", "max_time")
"""Fields of a generation configuration that do not affect answers."""


@torch.no_grad()
def answer(
    model: ViCA,
    processor: ViCAProcessor,
    frames_FHWC: Frames,
    prompts: Sequence[str],
    **options: Any,
) -> Iterator[Reply]:
    """Answer prompts about one video, in order; yield each reply when it is complete.

    Args:
        model: The model.
        processor: Its processor.
        frames_FHWC: uint8 RGB frames [F, H, W, 3].
        prompts: Whole conversations (`vica.chat.prompt`) with one `<image>` each.
        options: Options of `generate`.

    Raises:
        InputError: A prompt does not have exactly one `<image>`.
        BudgetError: A prompt has more tokens than the context holds.
    """
    model.config.layout.video(len(frames_FHWC)).check()
    visual = processor.video(frames_FHWC)
    block_ND = model.encode(visual)
    for prompt in prompts:
        yield reply(model, processor, block_ND, prompt, **options)


@torch.no_grad()
def reply(
    model: ViCA, processor: ViCAProcessor, block_ND: Tensor, prompt: str, **options: Any
) -> Reply:
    """Answer one prompt about a video whose tokens [N, D] `model.encode` returned.

    Raises the same errors as `answer`.
    """
    ids = processor.tokens([prompt])["input_ids"].to(block_ND.device)
    merged = model.merge(ids, [block_ND])
    new = model.generate(inputs_embeds=merged.embeds_BLD, **options)[0].tolist()
    return reply_of(processor, new, ends=end_ids(model), prompt_tokens=merged.embeds_BLD.shape[1])


def describe(model: ViCA, **options: Any) -> dict[str, Any]:
    """Everything but the weights that can change a loaded model's answers, as JSON values.

    `options` are the ones that `answer` will be called with.
    """
    settings, _, _ = settled(model.generation_config, options, model.vocabulary)
    stated = {k: v for k, v in settings.to_diff_dict().items() if k not in _NOTES}
    return {
        "family": model.config.model_type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
        "vocabulary": model.vocabulary,
        "layout": _settings_of(model.config.layout),
        "generation": {
            **stated,
            "repetition_penalty": model.generation_config.repetition_penalty,
            **options,
        },
    }


def _settings_of(layout: Layout) -> dict[str, Any]:
    """A layout as JSON values; settings that only LLaVA and Cambrian-S have are left out elsewhere.

    So a run of ViCA that an earlier version started can be continued.
    """
    stated = asdict(layout)
    for branch in filter(None, (stated["semantic"], stated["spatial"])):
        for name, usual in (("newline", GRID), ("to", None)):
            if branch[name] == usual:
                del branch[name]
    return stated


COMPARED = 64
"""How many steps' logits are compared; bounds the memory they take."""


@dataclass(frozen=True, kw_only=True)
class Both:
    """One prompt's replies, from a shared prefill and `alone`, and how much they differ.

    `difference` is the largest absolute difference between the logits of ids that the tokenizer
    knows, over the first 64 steps while the replies agree. `parted` is the first step at which
    their ids differ, and `margin` the gap between the two highest logits there, for the prompt
    alone; both are None if the ids are equal.
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
    """Answer prompts about one video together, then each alone, and compare them in order.

    Alone, a prompt is prefilled in full with the video's tokens, as in the original code. Raises
    the same errors as `Predictor.encode` and `Predictor.answer`.
    """
    model, processor = predictor.model, predictor.processor
    visual = video if isinstance(video, Visual) else processor.video(video)
    seen: dict[int, list[Tensor]] = defaultdict(list)

    def keep(index: int, step: int, logits_V: Tensor) -> None:
        if step < COMPARED:
            seen[index][step:] = [logits_V.cpu()]  # drops later steps of a failed attempt

    encoded = predictor.encode(visual, prompts)
    replies = predictor.answer(encoded, prompts, observe=keep, max_new_tokens=max_new_tokens)
    del encoded  # whole prompts need its memory
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
    output = model.generate(
        inputs_embeds=merged.embeds_BLD,
        return_dict_in_generate=True,
        output_logits=True,
        **options,
    )
    reply = reply_of(
        processor,
        output.sequences[0].tolist(),
        ends=end_ids(model),
        prompt_tokens=merged.embeds_BLD.shape[1],
    )
    return reply, [logits_BV[0].float().cpu() for logits_BV in output.logits]


def _compared(
    shared: Reply, alone: Reply, ours: Sequence[Tensor], theirs: Sequence[Tensor], known: int
) -> Both:
    pairs = enumerate(zip_longest(shared.ids, alone.ids))
    parted = next((step for step, (a, b) in pairs if a != b), None)
    # The step at which the ids part is still computed from the same ids, so it is compared too.
    together = len(ours) if parted is None else parted + 1
    gaps = [
        float((our_V - their_V)[:known].abs().max())
        for our_V, their_V in zip(ours[:together], theirs[:together], strict=False)
    ]
    margin = None
    if parted is not None and parted < len(theirs):
        best, second = theirs[parted][:known].topk(2).values.tolist()
        margin = best - second
    return Both(shared=shared, alone=alone, difference=max(gaps), parted=parted, margin=margin)
