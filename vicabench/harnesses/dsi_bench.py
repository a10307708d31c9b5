"""DSI-Bench: how its released code reads replies (arXiv 2510.18873).

Source: github SpatialVision/dsibench @af90adc, qwen_inference_code.py and evaluate.py. The
released script asks again, up to ten times, until it can read a reply; here a reply that cannot be
read is wrong. There are no numeric questions; numbers are read as by the official protocol.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.harnesses import official
from vicabench.harnesses.protocols import Protocol

_TAGGED = re.compile(r"<answer>\s*+([A-D])\s*+</answer>", re.IGNORECASE)


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The letter, A to D, that is alone in the first `<answer>` tags that hold one."""
    found = _TAGGED.search(reply)
    return found[1].upper() if found else None


PROTOCOL = Protocol(
    name="dsi-bench",
    source="DSI-Bench released evaluation code (arXiv 2510.18873)",
    read_number=official.read_number,
    read_choice=read_choice,
)
