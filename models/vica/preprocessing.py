"""From uint8 RGB to the pixels that each encoder expects, bit for bit as the originals.

SigLIP's frames are resized on 8-bit data by Pillow, Hiera's as float without antialiasing; both
squash a frame to a square whatever its shape. torchvision's processors do neither.

Shapes: F frames, H and W pixels, C = 3 colours.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from vica.images import resized

SIGLIP_MEAN = SIGLIP_STD = 0.5
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def siglip_pixels(frames: Iterable[NDArray[np.uint8] | Image.Image], side: int) -> torch.Tensor:
    """[F, 3, side, side] float32 in [-1, 1] from frames [H, W, 3] uint8 or RGB images."""
    squares = [_bicubic(frame, side) for frame in frames]
    return torch.from_numpy(np.ascontiguousarray(np.stack(squares)))


def siglip_levels(frames: Iterable[NDArray[np.uint8] | Image.Image], side: int) -> torch.Tensor:
    """The same as uint8 grey levels [F, 3, side, side], of which `siglip_values` makes pixels."""
    squares = [np.asarray(_squashed(frame, side)).transpose(2, 0, 1) for frame in frames]
    return torch.from_numpy(np.ascontiguousarray(np.stack(squares)))


def siglip_values(levels_FCHW: torch.Tensor) -> torch.Tensor:
    """The pixels of `siglip_pixels` from grey levels, on their device: float32, bit for bit."""
    unit = (np.arange(256) * (1 / 255)).astype(np.float32)
    values = torch.from_numpy((unit - SIGLIP_MEAN) / SIGLIP_STD).to(levels_FCHW.device)
    return values[levels_FCHW.int()]


def hiera_pixels(frames_FHWC: NDArray[np.uint8], side: int) -> torch.Tensor:
    """[F, 3, side, side] float32 with ImageNet's mean and deviation, from uint8 frames."""
    squares = [_bilinear(torch.tensor(frame_HWC), side) for frame_HWC in frames_FHWC]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return torch.stack(squares).sub_(mean).div_(std)


def _bicubic(frame: NDArray[np.uint8] | Image.Image, side: int) -> NDArray[np.float32]:
    small_HWC = np.asarray(_squashed(frame, side))
    unit_HWC = (small_HWC * (1 / 255)).astype(np.float32)  # scaled in double, as the original
    pixels_CHW: NDArray[np.float32] = ((unit_HWC - SIGLIP_MEAN) / SIGLIP_STD).transpose(2, 0, 1)
    return pixels_CHW


def _squashed(frame: NDArray[np.uint8] | Image.Image, side: int) -> Image.Image:
    image = frame if isinstance(frame, Image.Image) else Image.fromarray(frame)
    return resized(image, (side, side))


def interpolated(unit_FCHW: torch.Tensor, side: int) -> torch.Tensor:
    """Frames [F, 3, side, side], bilinear without antialiasing.

    Every colour is handed over as a picture of its own: given all three, torch picks another
    kernel on a CPU when it has one thread, and the last bits depend on the machine.
    """
    colours = unit_FCHW.flatten(0, 1)[:, None]
    squares = functional.interpolate(colours, size=(side, side), mode="bilinear")
    return squares.view(len(unit_FCHW), -1, side, side)


def _bilinear(frame_HWC: torch.Tensor, side: int) -> torch.Tensor:
    frame_CHW = frame_HWC.permute(2, 0, 1).contiguous().float().div_(255)
    return interpolated(frame_CHW[None], side)[0]
