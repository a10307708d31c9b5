"""Turning uint8 RGB into the pixels each encoder expects, bit for bit as the original code."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vica.images import resized

SIGLIP_MEAN = SIGLIP_STD = 0.5
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def siglip_pixels(frames: Iterable[NDArray[np.uint8] | Image.Image], side: int) -> torch.Tensor:
    """SigLIP's pixels [F, 3, side, side], float32 in [-1, 1], from uint8 [H, W, 3] or images."""
    squares = [_bicubic(frame, side) for frame in frames]
    return torch.from_numpy(np.ascontiguousarray(np.stack(squares)))


def siglip_levels(frames: Iterable[NDArray[np.uint8] | Image.Image], side: int) -> torch.Tensor:
    """SigLIP's pixels as uint8 levels [F, 3, side, side], for `siglip_values` to convert."""
    squares = [np.asarray(_squashed(frame, side)).transpose(2, 0, 1) for frame in frames]
    return torch.from_numpy(np.ascontiguousarray(np.stack(squares)))


def siglip_values(levels_FCHW: torch.Tensor) -> torch.Tensor:
    """The float32 pixels of `siglip_pixels`, bit for bit, from levels on any device."""
    unit = (np.arange(256) * (1 / 255)).astype(np.float32)
    values = torch.from_numpy((unit - SIGLIP_MEAN) / SIGLIP_STD).to(levels_FCHW.device)
    return values[levels_FCHW.int()]


def squared(frames_FHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames in the middle of squares, above or left of it by half a pixel, on SigLIP's grey."""
    frames, height, width, _ = frames_FHWC.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    squares = np.full((frames, side, side, 3), int(255 * SIGLIP_MEAN), np.uint8)
    squares[:, top : top + height, left : left + width] = frames_FHWC
    return squares


def hiera_pixels(frames_FHWC: NDArray[np.uint8], side: int) -> torch.Tensor:
    """Hiera's pixels [F, 3, side, side], float32, normalised with ImageNet's mean and deviation."""
    squares = [_bilinear(torch.tensor(frame_HWC), side) for frame_HWC in frames_FHWC]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return torch.stack(squares).sub_(mean).div_(std)


def _bicubic(frame: NDArray[np.uint8] | Image.Image, side: int) -> NDArray[np.float32]:
    small_HWC = np.asarray(_squashed(frame, side))
    unit_HWC = (small_HWC * (1 / 255)).astype(np.float32)  # scaled in float64, as in the original
    pixels_CHW: NDArray[np.float32] = ((unit_HWC - SIGLIP_MEAN) / SIGLIP_STD).transpose(2, 0, 1)
    return pixels_CHW


def _squashed(frame: NDArray[np.uint8] | Image.Image, side: int) -> Image.Image:
    image = frame if isinstance(frame, Image.Image) else Image.fromarray(frame)
    return resized(image, (side, side))


def interpolated(unit_FCHW: torch.Tensor, side: int) -> torch.Tensor:
    """Frames resized to [F, 3, side, side], bilinear without antialiasing.

    Each colour is resized as a separate picture: for all three together, torch picks another
    kernel on a CPU with one thread, and the last bits would depend on the machine.
    """
    colours = unit_FCHW.flatten(0, 1)[:, None]
    squares = functional.interpolate(colours, size=(side, side), mode="bilinear")
    return squares.view(len(unit_FCHW), -1, side, side)


def _bilinear(frame_HWC: torch.Tensor, side: int) -> torch.Tensor:
    frame_CHW = frame_HWC.permute(2, 0, 1).contiguous().float().div_(255)
    return interpolated(frame_CHW[None], side)[0]


PRECISION_BITS = 22
"""Pillow's weights are multiples of 2 ** -PRECISION_BITS (`Resample.c`, 8 bits per channel)."""
CUBIC = -0.5
"""Pillow's parameter of the cubic kernel of Keys (1981), doi:10.1109/TASSP.1981.1163711."""
FRAMES_AT_ONCE = 8
"""Frames held as floats at full size: 59 MB in float64 at 640x480."""


def can_preprocess(device: torch.device) -> bool:
    """Whether this is a GPU with float64, which exact resizing needs."""
    return device.type == "cuda"


def siglip_pixels_on_device(frames_FHWC: Tensor, side: int) -> Tensor:
    """`siglip_pixels` of uint8 frames [F, H, W, 3], computed on their device."""
    device = frames_FHWC.device
    across_SW, down_SH = (_weights(size, side).to(device) for size in frames_FHWC.shape[2:0:-1])
    pixels = []
    for part_FHWC in frames_FHWC.split(FRAMES_AT_ONCE):
        narrow_FCHS = _resized(part_FHWC.movedim(-1, 1), across_SW)
        levels_FCSS = _resized(narrow_FCHS.mT, down_SH).mT
        pixels.append(siglip_values(levels_FCSS))
    return torch.cat(pixels)


def hiera_pixels_on_device(frames_FHWC: Tensor, side: int) -> Tensor:
    """`hiera_pixels` of uint8 frames [F, H, W, 3], computed on their device."""
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
    """Pillow's bicubic weights [side, size], as whole numbers in float64."""
    scale = size / side
    stretch = max(scale, 1.0)  # shrinking widens the cubic, against aliasing
    weights = np.zeros((side, size))
    for place in range(side):
        center = (place + 0.5) * scale
        first = max(int(center - 2 * stretch + 0.5), 0)
        last = min(int(center + 2 * stretch + 0.5), size)
        places = np.arange(first, last, dtype=np.float64)
        taps = _cubic((places - center + 0.5) * (1 / stretch))
        # Summed sequentially, as Pillow does: np.sum sums in pairs and rounds differently.
        weights[place, first:last] = taps * (1 / np.add.accumulate(taps)[-1])
    fixed = weights * 2**PRECISION_BITS
    return torch.from_numpy(np.trunc(fixed + np.copysign(0.5, fixed)))


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * CUBIC
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
