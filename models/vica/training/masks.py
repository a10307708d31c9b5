"""From a conversation to the ids and labels that the published models were trained on.

The text around the image token is arranged as the original does; nothing is written back, so that
a second reading gives the same (the original's stacks a second time instruction).
"""

from __future__ import annotations

from typing import Any

from vica import chat
from vica.training.types import HUMAN, VIDEO, Conversation

NOISE = "QA_GT_caption_based_noisy"
"""A mark in some of the LLaVA data, which the original removes wherever it stands."""


def training_turns(conversation: Conversation, *, time_instruction: str = "") -> list[chat.Turn]:
    """The turns as they are trained on, `<image>` at the start of the first if there is a visual.

    `time_instruction` (`vica.chat.time_instruction`) goes into videos only.
    """
    turns = [
        (chat.USER if role == HUMAN else chat.ASSISTANT, text) for role, text in conversation.turns
    ]
    (role, first), rest = turns[0], turns[1:]
    if conversation.kind == VIDEO and time_instruction:
        first = f"{chat.PLACEHOLDER}\n{time_instruction}\n{first.replace(chat.PLACEHOLDER, '')}"
    elif chat.PLACEHOLDER in first and not first.startswith(chat.PLACEHOLDER):
        text = first.replace(chat.PLACEHOLDER, "").strip()
        first = f"{chat.PLACEHOLDER}\n{text}".strip()
    return [(who, text.replace(NOISE, "")) for who, text in [(role, first), *rest]]


def labelled(
    conversation: Conversation, tokenizer: Any, *, time_instruction: str = ""
) -> tuple[list[int], list[int]]:
    """Ids, -200 for the visual, and labels, -100 where there is no loss, of one conversation.

    The model's turns carry loss on all their tokens; so do, in every turn, the tokens that start
    and end a turn and lone newlines.
    """
    turns = training_turns(conversation, time_instruction=time_instruction)
    return chat.labelled(turns, tokenizer)
