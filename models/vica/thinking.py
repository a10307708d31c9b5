"""The parts of a Thinking reply: thoughts, response and final answer.

Thinking checkpoints answer in three parts, each opened by `<|im_start|>` and its name. Decoding
without special tokens leaves the bare name on a line of its own; both spellings are read, and
any part may be missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = {"think": "thoughts", "response": "response", "final": "final"}
_MARKED = re.compile(r"<\|im_start\|>(think|response|final)\b[ \t]*\n?")
_BARE = re.compile(r"^(think|response|final)[ \t]*(?:\n|\Z)", re.MULTILINE)
_END = "<|im_end|>"


@dataclass(frozen=True, kw_only=True)
class ThinkingReply:
    """A reply cut into its parts; None for a part that is not there."""

    thoughts: str | None = None
    response: str | None = None
    final: str | None = None


def split_reply(reply: str) -> ThinkingReply | None:
    """The parts of a Thinking reply, stripped; None for a reply of any other kind.

    Parts are found in their order, each once: a later line that only says `final` within the
    final part is text. A bare name counts only if the reply begins with one.
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
