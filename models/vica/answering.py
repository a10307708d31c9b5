"""One question at a time, as the original code answers: each prompt is read in full, video and all.

`vica.predictor` gives the same replies for a fraction of the work; this is what it is compared to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from vica.generation import settled
from vica.modeling import ViCA
from vica.processing import Frames, ViCAProcessor
from vica.replies import Reply, end_ids, reply_of

_NOTES = ("transformers_version", "_from_model_config", "max_time")
"""In a generation configuration, but without a bearing on answers."""


@torch.no_grad()
def answer(
    model: ViCA,
    processor: ViCAProcessor,
    frames_FHWC: Frames,
    prompts: Sequence[str],
    **options: Any,
) -> Iterator[Reply]:
    """The reply to each prompt about one video, in order, each as soon as it is there.

    A prompt is a whole conversation (`vica.chat.prompt`) with one `<image>`. `options` are
    those of `generate`. Raises InputError for prompts without the video and BudgetError for
    more tokens than the context holds.
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
    """The reply to one prompt about a video that `model.encode` gave the tokens [N, D] of.

    Raises as `answer` does.
    """
    ids = processor.tokens([prompt])["input_ids"].to(block_ND.device)
    merged = model.merge(ids, [block_ND])
    new = model.generate(inputs_embeds=merged.embeds_BLD, **options)[0].tolist()
    return reply_of(processor, new, ends=end_ids(model), prompt_tokens=merged.embeds_BLD.shape[1])


def describe(model: ViCA, **options: Any) -> dict[str, Any]:
    """Everything of a loaded model that can change an answer, as JSON values.

    `options` are those that `answer` will be given. The weights themselves are not in it.
    """
    settings, _, _ = settled(model.generation_config, options, model.vocabulary)
    stated = {k: v for k, v in settings.to_diff_dict().items() if k not in _NOTES}
    return {
        "family": model.config.model_type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
        "vocabulary": model.vocabulary,
        "layout": asdict(model.config.layout),
        "generation": {
            **stated,
            "repetition_penalty": model.generation_config.repetition_penalty,
            **options,
        },
    }
