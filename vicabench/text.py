"""Text from outside (names, errors, replies) made safe to print."""

from __future__ import annotations

LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""How the text begins that a clone without Git LFS has in place of a large file."""


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8; what else is typed comes as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """The text with control characters, which a terminal would obey, shown as `?`.

    Newlines stay: they order a message, and cannot do more than that.
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
