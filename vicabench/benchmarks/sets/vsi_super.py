"""What both parts of VSI-SUPER (arXiv 2511.04670) share: durations, and what is known of them.

Read: lmms-eval@75571cf, tasks/vsisuper; EASI@0c1a41e.
"""

from __future__ import annotations

from vicabench.types import FrameRule

CITATION = "VSI-SUPER (Cambrian-S, arXiv 2511.04670); lmms-eval's code"
CRITIQUE = (
    "A SigLIP bag of frames without any spatial model reaches 95% on 4 hours of Recall, and a "
    "video played again drops the counts of Cambrian-S from 42 to 0 (arXiv 2511.16655)."
)
FRAMES = FrameRule(
    frames=128, why="EASI samples 128 frames; the paper's own models stream 1 frame a second"
)
ALL, OFFICIAL = "all", "vsi-super"


def durations(*minutes: int) -> tuple[str, ...]:
    """The names of durations: `10mins`."""
    return tuple(f"{each}mins" for each in minutes)
