"""A video's questions, one after another: the video is encoded once, each prompt read in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from vica.generation import settled
from vica.modeling import ViCA
from vica.processing import Frames, ViCAProcessor

EOS, LENGTH = "eos", "length"
_NOTES = ("transformers_version", "_from_model_config")
"""In a generation configuration, but without a bearing on answers."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's answer: its text without special tokens, what it took, and what ended it.

    `raw` keeps the special tokens, which part a Thinking reply; `prompt_tokens` counts the
    visual ones too; `stop` is `eos` or `length`.
    """

    text: str
    raw: str
    prompt_tokens: int
    new_tokens: int
    stop: str


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
    ended = bool(new) and new[-1] in _ends(model)
    return Reply(
        text=str(processor.tokenizer.decode(new, skip_special_tokens=True)).strip(),
        raw=str(processor.tokenizer.decode(new[:-1] if ended else new)),
        prompt_tokens=merged.embeds_BLD.shape[1],
        new_tokens=len(new),
        stop=EOS if ended else LENGTH,
    )


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


def _ends(model: ViCA) -> list[int]:
    """The ids that end a reply."""
    ends = model.generation_config.eos_token_id
    return [] if ends is None else ends if isinstance(ends, list) else [ends]
