"""Text that a model wrote, put into a prompt for another one.

Nothing can keep a language model from obeying what it reads. What can be done is done here: the
text stands between two marks that it cannot contain, and nothing in it is spelled as the tokens
with which chat templates tell turns apart. A model that runs here gets it without any such token
anyhow (`vicabench.adapters.hf.text`); a server behind an API makes tokens of a text as it likes.
"""

from __future__ import annotations

import hashlib
import re

_BRACKET = re.compile(r"(?<=[<\[‹«〈⟨])(?=\S)|(?=[|｜¦│])|(?<=[|｜¦│])")
"""Where a space breaks `<end_of_turn>`, `</s>`, `[INST]`, `<<SYS>>`, `<|im_end|>`, `<｜User｜>`."""


def enclosed(text: str, name: str) -> str:
    """The text between an opening and a closing mark of this name, each on a line of its own.

    The marks carry a digest of the text: to forge one, a text would have to hold its own digest.
    """
    clean = harmless(text)
    mark = f"{name} {hashlib.sha256(clean.encode()).hexdigest()[:32]}"
    return f"<{mark}>\n{clean}\n</{mark}>"


def harmless(text: str) -> str:
    """The text with a space in whatever could be a token, control characters made spaces.

    All such tokens are in brackets or bars, whatever they are called.
    """
    seen = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return _BRACKET.sub(" ", seen)
