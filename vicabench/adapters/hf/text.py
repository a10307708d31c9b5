"""A language model without a video, for what reads or judges answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from vica import hub as hubs
from vica.generation import settled

from vicabench.adapters.checkpoints import identity
from vicabench.adapters.extras import explained
from vicabench.adapters.hf.checkpoint import check_family, small_files, with_weights
from vicabench.adapters.hf.loading import SAFE, load, refused
from vicabench.adapters.hf.reading import GREEDY, check_context
from vicabench.errors import ConfigError
from vicabench.types import ModelOptions

TEMPLATE = "chat_template.json"
"""Where processors kept the template before tokenizers did."""


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A loaded model that completes prompts greedily; `settings` says exactly which and how."""

    model: Any
    tokenizer: Any
    settings: Mapping[str, Any]

    @torch.no_grad()
    def complete(self, prompt: str, max_new_tokens: int) -> str:
        """The reply to a user's prompt, without special tokens, of so many new tokens at most.

        BudgetError for a prompt that is longer than the context.
        """
        turn = {"role": "user", "content": prompt}
        if self.settings["modality"] == "image-text":
            turn = {"role": "user", "content": [{"type": "text", "text": prompt}]}  # type: ignore[dict-item]  # what its template wants
        inputs = self.tokenizer.apply_chat_template(
            [turn],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self.model.device)
        check_context(self.model, inputs["input_ids"].shape[1])
        options = {"max_new_tokens": max_new_tokens, **GREEDY}
        settings, scoring, _ = settled(self.model.generation_config, options, len(self.tokenizer))
        new = self.model.generate(**inputs, generation_config=settings, logits_processor=scoring)
        said = new[0, inputs["input_ids"].shape[1] :]
        return str(self.tokenizer.decode(said, skip_special_tokens=True)).strip()


def text_model(argument: str, options: ModelOptions | None = None) -> TextModel:
    """Load the checkpoint that `argument` names, a hub id or a folder, for text alone.

    Language models and models of images and text are both good. ConfigError if it cannot be
    loaded, or has no chat template.
    """
    options = options or ModelOptions()
    small = small_files(argument)
    sees = check_family(small, argument) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    folder = with_weights(argument, small)
    with refused(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, **SAFE)
    if not tokenizer.chat_template and (folder / TEMPLATE).is_file():
        with explained():
            tokenizer.chat_template = hubs.read_json(folder / TEMPLATE).get("chat_template")
    if not tokenizer.chat_template:
        raise ConfigError(
            f"{argument} has no chat template: name a model that follows instructions."
        )
    model = load(AutoModelForImageTextToText if sees else AutoModelForCausalLM, folder, options)
    return TextModel(
        model=model,
        tokenizer=tokenizer,
        settings={
            "checkpoint": identity(folder),
            "class": type(model).__name__,
            "modality": "image-text" if sees else "text",
            "device": model.device.type,
            "dtype": str(model.dtype).removeprefix("torch."),
            "attention": options.attention,
            "decoding": "greedy",
        },
    )
