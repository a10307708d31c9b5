"""Numbers and names before a noun, in messages for people."""

from __future__ import annotations

import re


def counted(number: float, one: str, many: str | None = None) -> str:
    """The number with its noun: `1 video`, `2 videos`, `1,500 prompt tokens`.

    Args:
        number: How many; a fraction is shown as it is.
        one: What stands after 1: a noun, with its adjectives before it or with its verb after it.
        many: What stands after any other number, where that is more than a plural of the last word.
    """
    shown = f"{number:,.10g}" if isinstance(number, float) else f"{number:,}"
    return f"{shown} {one if number == 1 else many or _plural(one)}"


def an(words: str) -> str:
    """The words with the article that their sound asks for: `an object_counting`, `a unit`."""
    return f"{'an' if _VOWEL.match(words) else 'a'} {words}"


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


_VOWEL = re.compile(r"(?!(?i:uni|us[aei]|uint|eu|one\b|u\d))(?i:[aeio]|u)|[FHLMNRSX](?=[A-Z0-9]|$)")
"""How words begin that are said with a vowel; capitals are spelled out, as in NDArray."""
