"""Text from outside, with the characters shown that would deceive the eye."""

from __future__ import annotations

import re

# Control characters but tab and newline; marks that turn the reading direction or take no room;
# separators that break lines of their own; halves of surrogate pairs, noncharacters.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """The text with characters that cannot be seen written as `⟨U+202E⟩`.

    Without it a reply could turn around the words beside it, or hide some of its own. A carriage
    return before a newline is dropped, as line ends of another system.
    """
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))
