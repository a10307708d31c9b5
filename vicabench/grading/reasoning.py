"""Reasoning and answer of a reply, told apart in every spelling that models use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vica.thinking import split_reply

_NAMES = "think|thinking|thought|thoughts|reason|reasoning|analysis|reflection|scratchpad"
_TAG = re.compile(rf"<\s*+(/?)\s*+(?:{_NAMES})\s*+>|◁(/?)think▷", re.IGNORECASE)
_MARKS = re.compile(r"[<◁\n]")  # without any of these there are no parts
_ANSWER = re.compile(r"<\s*answer\s*>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reasoned:
    """A reply cut in two: its thoughts, None where it has none, and the rest.

    `closed` is False where thoughts begin and no answer follows them: the reply ended within.
    """

    thoughts: str | None
    rest: str
    closed: bool = True


def reasoned(reply: str) -> Reasoned:
    """Cut a reply at the parts of ViCA-Thinking, or at tags such as `<think>`.

    Only a closing tag, as prompts leave it that open the thoughts themselves: all before it is
    thoughts. Thoughts that are never closed end at an `<answer>` tag, or at the end.
    """
    if not _MARKS.search(reply):
        return Reasoned(thoughts=None, rest=reply.strip())
    parts = split_reply(reply)
    if parts is not None:
        rest = parts.final if parts.final is not None else parts.response
        return Reasoned(thoughts=parts.thoughts, rest=rest or "", closed=rest is not None)
    return _at_tags(reply)


def _at_tags(reply: str) -> Reasoned:
    thoughts: list[str] = []
    rest: list[str] = []
    place, inside = 0, False
    for tag in _TAG.finditer(reply):
        before = reply[place : tag.start()]
        closing = "/" in (tag[1], tag[2])
        if inside:
            thoughts.append(before)
        elif closing:
            thoughts += [*rest, before]
            rest = []
        else:
            rest.append(before)
        inside, place = not closing, tag.end()
    answer = _ANSWER.search(reply, place) if inside else None
    end = answer.start() if answer else len(reply) if inside else place
    if inside:
        thoughts.append(reply[place:end])
    rest.append(reply[end:])
    return Reasoned(
        thoughts="\n".join(thoughts).strip() if thoughts else None,
        rest="\n".join(rest).strip(),
        closed=not inside or answer is not None,
    )
