"""Tell reasoning from the answer, in every spelling that models use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vica.chat import split_reply

_NAMES = (
    r"(?:seed:|ant)?think(?:ing)?|thoughts?|(?:re|over)think(?:ing)?|reason|reasoning|analysis"
    r"|reflect|reflection|scratchpad|chain[_-]of[_-]thought|cot|inner[_-]?monologue|internal"
    r"|summary|caption|observe|observation|perception|description|plan|rationale|explanation"
    r"|cog(?:nitive)?[_-]?map|seed:cot_budget_reflect"
)
_BAR = r"[|｜]"
_OPEN, _CLOSE = (
    rf"<\s*+{slash}(?:{_NAMES})(?:\s[^<>\n]{{0,80}})?\s*+>|\[{slash}think(?:ing)?\]|◁{slash}think▷"
    for slash in ("", r"/\s*+")
)
_TAG = re.compile(
    rf"(?P<open>{_OPEN}|<{_BAR}(?:begin_of_)?(?:think(?:ing)?|thought|START_THINKING){_BAR}>"
    rf"|<{_BAR}channel{_BAR}?>\s{{0,3}}(?:analysis|commentary|thought)\b"
    rf"[^<\n]{{0,80}}(?:<{_BAR}message{_BAR}>)?|<unused94>\s{{0,3}}(?:thought)?)"
    rf"|(?P<close>{_CLOSE}|<{_BAR}end_of_(?:think(?:ing)?|thought){_BAR}>|<{_BAR}END_THINKING{_BAR}>"
    rf"|<{_BAR}channel{_BAR}>\s{{0,3}}final\b[^<\n]{{0,80}}<{_BAR}message{_BAR}>"
    rf"|<{_BAR}/think(?:ing)?{_BAR}>|<{_BAR}content{_BAR}>|<channel{_BAR}>|<unused95>"
    r"|\[BEGIN FINAL RESPONSE\]|(?-i:assistant\s?final(?:\n|(?=[A-Z0-9\"'*\\<([{])))"
    r"|InProcessExecutor(?:'s| is) my response:)",
    re.IGNORECASE,
)
_BARE = re.compile(r"\s*+(?:analysis(?=[A-Z\n])|InProcessExecutor(?:'s| is) my thought process:)")
"""Thoughts whose opening mark was removed by decoding, or never was a token."""
_MARKS = re.compile(r"[<◁\n\[]|final|Here")  # a reply without any of these has no parts
_ANSWER = re.compile(r"<\s*(?:final[_-]?)?answer\s*>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reasoned:
    """A reply split in two: its thoughts (None if it has none) and the rest.

    `closed` is False if the reply ended within its thoughts, so that no answer follows them.
    """

    thoughts: str | None
    rest: str
    closed: bool = True


def reasoned(reply: str) -> Reasoned:
    """Split a reply at the parts of ViCA-Thinking, or at tags such as `<think>`.

    Recognizes the tags, tokens and channels with which models open and close their thoughts. If
    there is only a closing one, because the prompt opened the thoughts, everything before it is
    thoughts. Thoughts that are never closed end at an `<answer>` tag, or at the end.
    """
    if not _MARKS.search(reply) and not _BARE.match(reply):
        return Reasoned(thoughts=None, rest=reply.strip())
    parts = split_reply(reply)
    if parts is not None:
        rest = parts.final if parts.final is not None else parts.response
        return Reasoned(thoughts=parts.thoughts, rest=rest or "", closed=rest is not None)
    return _at_tags(reply)


def _at_tags(reply: str) -> Reasoned:
    thoughts: list[str] = []
    rest: list[str] = []
    bare = _BARE.match(reply)
    place, inside = (bare.end(), True) if bare else (0, False)
    for tag in _TAG.finditer(reply, place):
        before = reply[place : tag.start()]
        closing = tag["close"] is not None
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
