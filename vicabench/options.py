"""Options and defaults that several modules share: how an API is called, how videos are read."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

FRAMES = 64  # as the ViCA reports evaluate
PREFETCH = 2
CACHE_SIZE = "50GB"  # all of VSI-Bench at 64 frames is 17 GB, at 128 frames 34 GB
VIDEO_TIMEOUT = 120.0
DAY = 86_400.0
BOUNDS: dict[str, tuple[float, float]] = {
    "fps": (0.001, 1000.0),
    **dict.fromkeys(
        ("frames", "limit", "workers", "replicas", "max_requests", "max_frames"), (1, math.inf)
    ),
    **dict.fromkeys(("max_new_tokens", "concurrency"), (1, math.inf)),
    **dict.fromkeys(("prefetch", "group_size", "vision_batch", "max_retries"), (0, math.inf)),
    **dict.fromkeys(("video_timeout", "answer_timeout", "request_timeout"), (0.1, DAY)),
    **dict.fromkeys(("max_cost", "gpus_per_worker"), (0.0, math.inf)),
    **dict.fromkeys(("min_pixels", "max_pixels", "total_pixels"), (1, math.inf)),
    "assume_fps": (0.001, 1000.0),
    **dict.fromkeys(("tensor_parallel", "max_model_len"), (1, math.inf)),
    "gpu_memory": (0.01, 1.0),
    "retry_wait": (0.0, 60.0),
    "image_size": (16, math.inf),
    "jpeg_quality": (1, 95),
    "temperature": (0.0, 100.0),
    "top_p": (1e-6, 1.0),
    "top_k": (0, math.inf),
    "presence_penalty": (-100.0, 100.0),
    "repetition_penalty": (1e-3, 100.0),
    "repeats": (1, 1000),
}
"""The least and the most of each option of a run; a least that is an int asks for whole numbers."""


@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """How a model behind an API is called; the defaults leave it to the adapter.

    What can change an answer: `base_url` names another server than the provider's; frames are
    JPEG of `jpeg_quality` (1 to 95) whose longer side has at most `image_size` pixels; with
    `as_frames` an API that takes whole videos gets the sampled frames instead.

    What cannot: `concurrency` calls at once, `request_timeout` seconds for each, `max_retries`
    times again after a failure that may pass, `retry_wait` seconds before the first of them.
    At most `max_requests` are sent and `max_cost` spent, by the price list in the file `prices`.
    `batch` sends requests as jobs that a provider finishes within a day, at half the price.
    """

    base_url: str = ""
    image_size: int = 512
    jpeg_quality: int = 90
    as_frames: bool = False
    concurrency: int = 8
    request_timeout: float = 120.0
    max_retries: int = 5
    retry_wait: float = 1.0
    max_requests: int | None = None
    max_cost: float | None = None
    prices: str = ""
    batch: bool = False

    def given(self) -> tuple[str, ...]:
        """The names of the options that differ from their defaults."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != f.default)


SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "repetition_penalty")
"""The options of models that say how the next token of a reply is chosen."""


def local_names(options: type[ApiOptions]) -> tuple[str, ...]:
    """The options of this kind that concern models which run here, not behind an API."""
    elsewhere = {field.name for field in fields(ApiOptions)}
    return tuple(field.name for field in fields(options) if field.name not in elsewhere)
