"""Frames as one video for servers with OpenAI's API: a list of JPEGs, as vLLM takes it.

The form is that of `VideoMediaIO.load_base64` and its `media_io_kwargs` in vLLM
(vllm/multimodal/media/video.py; pull requests 37301 and 40133 of vllm-project/vllm).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicabench.adapters.api.adapter import Frames
from vicabench.types import Video

MILLISECONDS = 1000


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video as a part of a message, and what the request says beside of its frames."""

    part: Mapping[str, Any]
    clock: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class OneVideo(Frames):
    """Shows the sampled frames as one video; its `part` encodes a JPEG as text."""

    @property
    def settings(self) -> dict[str, Any]:
        """How frames are encoded."""
        return {**super().settings, "video": "frames as one video of JPEGs", "frames_as": "video"}

    def encode(self, video: Video) -> list[Any]:
        """Make one part of all frames; none of a video without frames."""
        jpegs = super().encode(video)
        if not jpegs:
            return []
        url = f"data:video/jpeg;base64,{','.join(jpegs)}"
        part = {"type": "video_url", "video_url": {"url": url}}
        return [Clip(part=part, clock=_clock(video))]


def as_text(jpeg: bytes) -> str:
    """A JPEG in base64."""
    return b64encode(jpeg).decode()


def _clock(video: Video) -> dict[str, Any]:
    """The time of each frame, as indices of a file with 1000 frames per second.

    `num_frames` keeps all of them: the server's default is 32.
    """
    times = [round(MILLISECONDS * each) for each in video.seconds]
    whole = max(round(MILLISECONDS * video.duration), len(times), *(each + 1 for each in times))
    return {
        "num_frames": len(times),
        "fps": MILLISECONDS,
        "frames_indices": times,
        "total_num_frames": whole,
        "duration": video.duration,
    }
