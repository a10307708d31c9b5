"""Text that a model wrote, put into a prompt for another one.

Nothing can keep a language model from obeying what it reads. What can be done is done here: the
text stands between two marks that it cannot contain, and has none of the special tokens with
which chat templates tell turns apart.
"""

from __future__ import annotations

import hashlib


def enclosed(text: str, name: str) -> str:
    """The text between an opening and a closing mark of this name, each on a line of its own.

    The marks carry a digest of the text: to forge one, a text would have to hold its own digest.
    """
    clean = harmless(text)
    mark = f"{name} {hashlib.sha256(clean.encode()).hexdigest()[:16]}"
    return f"<{mark}>\n{clean}\n</{mark}>"


def harmless(text: str) -> str:
    """The text with `<|` and `|>` split, and control characters and surrogates made spaces."""
    seen = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return seen.replace("<|", "< |").replace("|>", "| >")
