"""One video or image as the encoders see it, and many of them as the tensors of one batch.

Shapes: F frames or crops, C = 3 colours, H and W pixels, V visuals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vica.errors import InputError
from vica.wording import counted

PIXELS, HIERA_PIXELS, SIZES = "pixel_values", "hiera_pixel_values", "visual_sizes"
"""The names of a batch's tensors, as a processor gives and a model takes them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Visual:
    """A video's frames, or an image's crops: the whole first, then its tiles.

    `pixels_FCHW` and `hiera_pixels_FCHW` are what the two preprocessors give; the second holds
    the spatial encoder's share of the frames (ViCA2; none for ViCA). Either may be uint8, of which
    the model makes the rest where it computes: grey levels of the encoder's size for SigLIP, frames
    of any size for Hiera. `image_size` is the
    original (height, width) of an image, and None for a video.
    """

    pixels_FCHW: Tensor
    hiera_pixels_FCHW: Tensor | None = None
    image_size: tuple[int, int] | None = None


def stacked(visuals: Sequence[Visual]) -> dict[str, Any]:
    """The tensors of a batch: all frames and crops one after another, and how to part them.

    Frames in uint8 may differ in size, so that Hiera's are then a list of one tensor each.
    `visual_sizes` is int64 [V, 4]: frames, frames for Hiera, and the image's height and width,
    0 and 0 for a video. No visuals, no tensors.
    """
    if not visuals:
        return {}
    sizes = [
        [len(v.pixels_FCHW), _length(v.hiera_pixels_FCHW), *(v.image_size or (0, 0))]
        for v in visuals
    ]
    tensors = {
        PIXELS: torch.cat([v.pixels_FCHW for v in visuals]),
        SIZES: torch.tensor(sizes, dtype=torch.int64),
    }
    spatial = [v.hiera_pixels_FCHW for v in visuals if v.hiera_pixels_FCHW is not None]
    if not spatial:
        return tensors
    raw = any(one.dtype == torch.uint8 for one in spatial)
    return {**tensors, HIERA_PIXELS: spatial if raw else torch.cat(spatial)}


def parted(tensors: Mapping[str, Any]) -> list[Visual]:
    """The visuals of a batch's tensors; raises InputError when the sizes do not add up."""
    pixels, hiera, sizes = (tensors.get(name) for name in (PIXELS, HIERA_PIXELS, SIZES))
    if pixels is None or sizes is None:
        if pixels is not None or hiera is not None or sizes is not None:
            raise InputError(f"{PIXELS} and {SIZES} come together: pass all the processor gave")
        return []
    table: list[list[int]] = sizes.tolist()
    for name, tensor, column in ((PIXELS, pixels, 0), (HIERA_PIXELS, hiera, 1)):
        stated, found = sum(row[column] for row in table), sum(map(_length, _all(tensor)))
        if stated != found:
            raise InputError(f"{SIZES} states {counted(stated, 'entry')}, {name} has {found}")
    crops = torch.split(pixels, [row[0] for row in table])
    shares = [None] * len(table) if hiera is None else hiera
    if isinstance(hiera, Tensor):
        shares = torch.split(hiera, [row[1] for row in table])
    return [
        Visual(
            pixels_FCHW=crop,
            hiera_pixels_FCHW=share,
            image_size=(row[2], row[3]) if row[2] else None,
        )
        for row, crop, share in zip(table, crops, shares, strict=True)
    ]


def _all(given: Any) -> Sequence[Tensor | None]:
    """One tensor, or a list of them, as a list."""
    return given if isinstance(given, list | tuple) else [given]


def _length(tensor: Tensor | None) -> int:
    return 0 if tensor is None else len(tensor)
