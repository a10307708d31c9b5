"""How a model sees the frames: their size by a budget of pixels, their times, the system prompt.

Sizes follow qwen_vl_utils 0.0.14 (QwenLM/Qwen3-VL @9658872, qwen-vl-utils). Frames of a video are
resized as tensors, as torchvision does it, and images by Pillow.

Shapes: T frames, H, W, C as in `Video`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

from vicabench.errors import ConfigError
from vicabench.types import ModelOptions

PAIR = 2
IMAGE_TOKENS, VIDEO_TOKENS = (4, 16_384), (128, 768)
"""The least and the most tokens of an image, and of a frame of a video."""
CONTEXT_TOKENS = 128_000 * 0.9
"""What all pairs of frames of a video may come to."""
LONGEST_RATIO = 200


def smart_size(height: int, width: int, factor: int, least: float, most: float) -> tuple[int, int]:
    """The height and width in multiples of `factor`, of `least` to `most` pixels.

    Raises:
        ConfigError: For a side more than 200 times as long as the other.
    """
    if max(height, width) > LONGEST_RATIO * min(height, width):
        raise ConfigError(f"frames of {width}x{height} are too long for a budget of pixels.")
    tall = max(factor, round(height / factor) * factor)
    wide = max(factor, round(width / factor) * factor)
    if tall * wide > most:
        scale = math.sqrt(height * width / most)
        tall = math.floor(height / scale / factor) * factor
        wide = math.floor(width / scale / factor) * factor
    elif tall * wide < least:
        scale = math.sqrt(least / (height * width))
        tall = math.ceil(height * scale / factor) * factor
        wide = math.ceil(width * scale / factor) * factor
    return max(tall, factor), max(wide, factor)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How frames are shown; the defaults leave it to the checkpoint. See `ModelOptions`."""

    system: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    total_pixels: int | None = None
    assume_fps: float | None = None

    @classmethod
    def of(cls, options: ModelOptions) -> Self:
        """Those of the options of a run."""
        return cls(
            system=options.system,
            min_pixels=options.min_pixels,
            max_pixels=options.max_pixels,
            total_pixels=options.total_pixels,
            assume_fps=options.assume_fps,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What can change an answer, without what is left to the checkpoint."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The turns in front of the user's."""
        if self.system is None:
            return []
        return [{"role": "system", "content": [{"type": "text", "text": self.system}]}]

    @property
    def resizes(self) -> bool:
        """Whether frames are resized by a budget of pixels."""
        return (self.min_pixels, self.max_pixels, self.total_pixels) != (None, None, None)

    def check(self, processor: Any, *, as_video: bool) -> None:
        """Raise ConfigError for options that would be ignored."""
        if self.resizes:
            factor_of(processor)
        if self.assume_fps is not None and not as_video:
            raise ConfigError("--assume-fps is about frames that are given as a video.")
        if self.total_pixels is not None and not as_video:
            raise ConfigError("--total-pixels is about frames that are given as a video.")
        least, most = self.min_pixels or 0, self.max_pixels
        if most is not None and least > most:
            raise ConfigError(f"--min-pixels {least} is above --max-pixels {most}.")

    def size(
        self, frames: int, height: int, width: int, factor: int, *, as_video: bool
    ) -> tuple[int, int]:
        """The height and width that frames are resized to, of a video or of images."""
        area = factor * factor
        least, most = (n * area for n in (VIDEO_TOKENS if as_video else IMAGE_TOKENS))
        least = self.min_pixels or least
        if not as_video:
            return smart_size(height, width, factor, least, self.max_pixels or most)
        total = self.total_pixels or CONTEXT_TOKENS * area
        even = frames + frames % PAIR
        bound: float = max(min(most, total / even * PAIR), int(least * 1.05))
        return smart_size(height, width, factor, least, min(self.max_pixels or bound, bound))

    def resized(
        self, frames_THWC: NDArray[np.uint8], processor: Any, *, as_video: bool
    ) -> NDArray[np.uint8]:
        """The frames in the size of the budget."""
        frames, height, width, _ = frames_THWC.shape
        size = self.size(frames, height, width, factor_of(processor), as_video=as_video)
        if size == (height, width):
            return frames_THWC
        return (_as_tensors if as_video else _as_images)(frames_THWC, size)

    def times(self, seconds: Sequence[float], duration: float) -> tuple[Sequence[float], float]:
        """The times of the frames and the length of the video that the model is told."""
        if self.assume_fps is None:
            return seconds, duration
        count = len(seconds)
        return tuple(i / self.assume_fps for i in range(count)), count / self.assume_fps


def factor_of(processor: Any) -> int:
    """The pixels along a side of a visual token; ConfigError for a model with a fixed size."""
    image = processor.image_processor
    patch, merge = getattr(image, "patch_size", None), getattr(image, "merge_size", None)
    if not isinstance(patch, int) or not isinstance(merge, int):
        raise ConfigError(
            f"The size of frames is fixed by {type(processor).__name__}: leave out --min-pixels, "
            "--max-pixels and --total-pixels, which are for models such as Qwen's."
        )
    return patch * merge


def _as_tensors(frames_THWC: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bicubic with antialias, one frame at a time to save memory."""
    made = np.empty((len(frames_THWC), *size, 3), np.uint8)
    for frame_HWC, small_HWC in zip(frames_THWC, made, strict=True):
        frame_1CHW = torch.from_numpy(np.array(frame_HWC)).permute(2, 0, 1)[None].float()
        resized = interpolate(frame_1CHW, size, mode="bicubic", antialias=True)
        small_HWC[:] = resized[0].clamp(0, 255).round().permute(1, 2, 0).to(torch.uint8).numpy()
    return made


def _as_images(frames_THWC: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    tall, wide = size
    return np.stack([np.asarray(Image.fromarray(f).resize((wide, tall))) for f in frames_THWC])
