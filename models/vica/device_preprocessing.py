"""The preprocessing of `vica.preprocessing`, for all frames of a video at once, on a GPU.

SigLIP's pixels are the same bit for bit: Pillow resizes 8-bit data in fixed point, so its sums are
whole numbers, which float64 holds exactly in whatever order a device adds them up. (torch's own
bicubic with antialiasing rounds once where Pillow rounds twice: up to 31 grey levels off in
noise.) Hiera's interpolation is torch's on both sides: on the CPU the same bit for bit, on a GPU
off by how float32 rounds the positions between pixels, which in frames up to 2048 pixels wide
makes less than 0.05 of a grey level.

Shapes: F frames, H and W pixels, C = 3 colours, S the side of the square.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vica.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    interpolated,
    siglip_values,
)

PRECISION_BITS = 22
"""Pillow's weights are whole multiples of 2 to the minus this (`Resample.c`, 8 bits a channel)."""
CUBIC = -0.5
"""Pillow's parameter in the cubic of Keys (1981), doi:10.1109/TASSP.1981.1163711."""
FRAMES_AT_ONCE = 8
"""As floats, at full size: 59 MB in float64 at 640x480."""


def can_preprocess(device: torch.device) -> bool:
    """Whether this is a GPU that computes in float64, as the exact resizing asks."""
    return device.type == "cuda"


def siglip_pixels_on_device(frames_FHWC: Tensor, side: int) -> Tensor:
    """[F, 3, side, side] float32 in [-1, 1] from uint8 frames, on their device."""
    device = frames_FHWC.device
    across_SW, down_SH = (_weights(size, side).to(device) for size in frames_FHWC.shape[2:0:-1])
    pixels = []
    for part_FHWC in frames_FHWC.split(FRAMES_AT_ONCE):
        narrow_FCHS = _resized(part_FHWC.movedim(-1, 1), across_SW)
        levels_FCSS = _resized(narrow_FCHS.mT, down_SH).mT
        pixels.append(siglip_values(levels_FCSS))
    return torch.cat(pixels)


def hiera_pixels_on_device(frames_FHWC: Tensor, side: int) -> Tensor:
    """[F, 3, side, side] float32 with ImageNet's mean and deviation, from uint8 frames."""
    parts = [part_FHWC.movedim(-1, 1) for part_FHWC in frames_FHWC.split(FRAMES_AT_ONCE)]
    squares = torch.cat([interpolated(p.contiguous().float().div_(255), side) for p in parts])
    mean, std = (squares.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return squares.sub_(mean).div_(std)


def _resized(levels: Tensor, weights: Tensor) -> Tensor:
    """Resize the last dimension by weights [S, T] and round to grey levels, as Pillow does."""
    sums = levels.double() @ weights.T
    rounded = sums.add_(2 ** (PRECISION_BITS - 1)).div_(2**PRECISION_BITS).floor_()
    return rounded.clamp_(0, 255).byte()


@lru_cache(maxsize=16)
def _weights(size: int, side: int) -> Tensor:
    """Pillow's bicubic weights [side, size]: whole numbers in float64."""
    scale = size / side
    stretch = max(scale, 1.0)  # shrinking widens the cubic, against aliasing
    weights = np.zeros((side, size))
    for place in range(side):
        center = (place + 0.5) * scale
        first = max(int(center - 2 * stretch + 0.5), 0)
        last = min(int(center + 2 * stretch + 0.5), size)
        places = np.arange(first, last, dtype=np.float64)
        taps = _cubic((places - center + 0.5) * (1 / stretch))
        # Summed one after another, as Pillow does: np.sum rounds otherwise.
        weights[place, first:last] = taps * (1 / np.add.accumulate(taps)[-1])
    fixed = weights * 2**PRECISION_BITS
    return torch.from_numpy(np.trunc(fixed + np.copysign(0.5, fixed)))


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * CUBIC
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
