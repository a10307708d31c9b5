"""Complete texts with a checkpoint, without a video, to read or judge answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
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
from vicabench.adapters.hf.model import SAFE, check_family, load, refused, small_files, with_weights
from vicabench.adapters.hf.reading import ONE_REPLY, check_context
from vicabench.errors import ConfigError
from vicabench.types import ModelOptions

TEMPLATE = "chat_template.json"
"""The file of the chat template in older checkpoints with a processor."""


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A loaded model that completes prompts greedily; `settings` identify it."""

    model: Any
    tokenizer: Any
    settings: Mapping[str, Any]

    @torch.no_grad()
    def complete(self, prompt: str, max_new_tokens: int) -> str:
        """Return the reply to a user's prompt, without special tokens.

        Raises:
            BudgetError: For a prompt that is longer than the context.
        """
        ids = prompt_ids(self.tokenizer, prompt, parts=self.settings["modality"] == "image-text")
        ids_BS = torch.tensor([ids], device=self.model.device)
        inputs = {"input_ids": ids_BS, "attention_mask": torch.ones_like(ids_BS)}
        check_context(self.model, len(ids))
        options = {"max_new_tokens": max_new_tokens, **ONE_REPLY}
        settings, scoring, _ = settled(self.model.generation_config, options, len(self.tokenizer))
        new = self.model.generate(**inputs, generation_config=settings, logits_processor=scoring)
        reply = new[0, inputs["input_ids"].shape[1] :]
        return str(self.tokenizer.decode(reply, skip_special_tokens=True)).strip()


def prompt_ids(tokenizer: Any, prompt: str, *, parts: bool = False) -> list[int]:
    """The ids of a user's turn, with special tokens from the chat template only.

    A prompt may quote text that is spelled like a token that ends a turn, so the ids of the prompt
    itself are those of ordinary tokens only.

    Args:
        parts: Whether the template expects the content in parts.

    Raises:
        ConfigError: For a template that does not insert the content exactly once.
    """
    mark = f"content{token_hex(16)}"
    content = [{"type": "text", "text": mark}] if parts else mark
    turn = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    around = turn.split(mark)
    if len(around) != 2:
        raise ConfigError(
            "The chat template of the model does not insert a user's text exactly once."
        )
    before, after = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in around)
    return [*before, *_ordinary(tokenizer, prompt.strip()), *after]


def _ordinary(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text, without tokens that were added to the vocabulary."""
    split_ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    ids: list[int] = []
    for each in split_ids:
        word = str(tokenizer.added_tokens_decoder.get(each, ""))
        # `split_special_tokens` leaves added tokens that are not special: these are cut in two.
        pieces = (word[:1], word[1:]) if len(word) > 1 else ()
        ids += [i for piece in pieces for i in _ordinary(tokenizer, piece)] if pieces else [each]
    return ids


def text_model(argument: str, options: ModelOptions | None = None) -> TextModel:
    """Load the checkpoint that `argument` names, a hub id or a folder, for text only.

    It may be a language model, or a model of images and text.

    Raises:
        ConfigError: If it cannot be loaded, or has no chat template.
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
