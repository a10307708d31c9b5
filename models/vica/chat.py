"""The conversation format (`qwen_1_5`): prompts, tokens, and the parts of a reply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_NAMES = {"think": "thoughts", "response": "response", "final": "final"}
_MARKED = re.compile(r"<\|im_start\|>(think|response|final)\b[ \t]*\n?")
_BARE = re.compile(r"^(think|response|final)[ \t]*(?:\n|\Z)", re.MULTILINE)
_END = "<|im_end|>"


@dataclass(frozen=True, kw_only=True)
class ThinkingReply:
    """A reply split into its parts; a missing part is None."""

    thoughts: str | None = None
    response: str | None = None
    final: str | None = None


def split_reply(reply: str) -> ThinkingReply | None:
    """Split a Thinking reply into its parts, stripped; None for any other reply.

    Each part starts once, in order: a line `final` inside the final part is text. Names without
    `<|im_start|>` count only if the reply begins with one.
    """
    text = reply.split(_END, maxsplit=1)[0].strip()
    pattern = _MARKED if _MARKED.search(text) else _BARE
    if pattern is _BARE and not _BARE.match(text):
        return None
    order = list(_NAMES)
    starts: list[re.Match[str]] = []
    for match in pattern.finditer(text):
        if not starts or order.index(match[1]) > order.index(starts[-1][1]):
            starts.append(match)
    if not starts:
        return None
    ends = [match.start() for match in starts[1:]] + [len(text)]
    parts = {
        _NAMES[match[1]]: text[match.end() : end].strip()
        for match, end in zip(starts, ends, strict=True)
    }
    return ThinkingReply(**parts)


PLACEHOLDER = "<image>"
PLACEHOLDER_ID = -200
IGNORED = -100
"""The label of a position that carries no loss."""

SYSTEM = "You are a helpful assistant."
START, END = "<|im_start|>", "<|im_end|>"
USER, ASSISTANT = "user", "assistant"
Turn = tuple[str, str]
"""The role (`user` or `assistant`) and the text."""


def conversation(turns: Sequence[Turn], *, reply: bool = False) -> str:
    """The text of a conversation with the published system line; `reply` opens an answer."""
    text = "".join(_turn(role, value) for role, value in [("system", SYSTEM), *turns])
    return f"{text}{START}{ASSISTANT}\n" if reply else text


def prompt(question: str) -> str:
    """The whole prompt for one user question, open for the model's answer."""
    return conversation([(USER, question)], reply=True)


def vsi_bench_question(
    question: str, options: Sequence[str] = (), *, time_instruction: str = ""
) -> str:
    """The wording of ViCA's and ViCA2's own VSI-Bench evaluation, published in their README.

    `options` come with their letters ("A. table"). The apostrophe is U+2019, as published.
    """
    ending = (
        "".join(f"{option}\n" for option in options)
        + "Answer with the option\u2019s letter from the given choices directly.\n"
        if options
        else "Please answer the question using a single word or phrase.\n"
    )
    return (
        f"{PLACEHOLDER}\n{time_instruction}\n\nThese are frames of a video.\n\n"
        f"Question: {question}\n{ending}"
    )


def video_question(text: str, *, time_instruction: str = "") -> str:
    """Any text about a video, in the format in which the models were trained on videos."""
    return (
        f"{PLACEHOLDER}\n{time_instruction}\n\n{text}"
        if time_instruction
        else (f"{PLACEHOLDER}\n{text}")
    )


def time_instruction(duration: float, seconds: Sequence[float]) -> str:
    """The sentences with which training prompts state a video's length and frame times.

    As published, no space precedes "Please".
    """
    times = ",".join(f"{second:.2f}s" for second in seconds)
    return (
        f"The video lasts for {duration:.2f} seconds, and {len(seconds)} frames are uniformly "
        f"sampled from it. These frames are located at {times}.Please answer the following "
        "questions related to this video."
    )


def token_ids(text: str, tokenizer: Any) -> list[int]:
    """The ids of a text, with -200 for each `<image>` and at most one BOS id."""
    pieces = [list(tokenizer(piece).input_ids) for piece in text.split(PLACEHOLDER)]
    bos = tokenizer.bos_token_id
    opened = bos is not None and pieces[0][:1] == [bos]
    ids = pieces[0]
    for piece in pieces[1:]:
        ids = [*ids, PLACEHOLDER_ID, *(piece[1:] if opened else piece)]
    return ids


def labelled(turns: Sequence[Turn], tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids and labels of a training conversation, as for the published models.

    All tokens of assistant turns carry loss; in every turn, so do the tokens that start or end a
    turn, and each lone newline.
    """
    always = {*tokenizer.convert_tokens_to_ids([START, END]), *tokenizer("\n").input_ids}
    ids: list[int] = []
    labels: list[int] = []
    for role, value in [("system", SYSTEM), *turns]:
        part = token_ids(_turn(role, value), tokenizer)
        ids += part
        labels += [i if role == ASSISTANT or i in always else IGNORED for i in part]
    return ids, [
        IGNORED if i == PLACEHOLDER_ID else label for i, label in zip(ids, labels, strict=True)
    ]


def _turn(role: str, value: str) -> str:
    return f"{START}{role}\n{value}{END}\n"
