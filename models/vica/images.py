"""The geometry of a single image: its grid of tiles and its letterbox.

The published models see an image once as a whole and once as tiles of the encoder's size.
Sizes are (height, width); `pinpoints`, as in the published configuration, [width, height].
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from PIL import Image

from vica.errors import BudgetError, counted

Size = tuple[int, int]
MOST_TILES = 64
"""Most tiles along a side of a grid in text form, where a few characters could ask for millions."""


def stated_sizes(stated: object, side: int) -> list[list[int]]:
    """The sizes, [width, height], that a configuration states in any of the original formats.

    These are a list of pairs, such a list as text, or `(1x1),...,(6x6)` for all grids from the
    first to the last.

    Raises:
        BudgetError: The format is unknown, or a size is not a multiple of the tile.
    """
    grids = re.findall(r"\((\d+)x(\d+)\)", stated) if isinstance(stated, str) else []
    sizes: object = stated
    if grids:
        (left, top), (right, bottom) = ((int(a), int(b)) for a, b in (grids[0], grids[-1]))
        if max(right, bottom) > MOST_TILES:
            raise BudgetError(
                f"image_grid_pinpoints {stated!r}: at most {MOST_TILES} tiles per side are allowed"
            )
        steps = itertools.product(range(left, right + 1), range(top, bottom + 1))
        sizes = [[side * i, side * j] for i, j in steps]
    elif isinstance(stated, str):
        with suppress(ValueError, RecursionError):
            sizes = json.loads(stated.translate(str.maketrans("()", "[]")))
    good = isinstance(sizes, list) and sizes and all(_is_size(size, side) for size in sizes)
    if not good:
        raise BudgetError(
            f"image_grid_pinpoints {str(stated)[:80]!r}: give pairs of multiples of "
            f"{counted(side, 'pixel')}, or grids as (1x1),...,(6x6)"
        )
    return [list(size) for size in cast(list[list[int]], sizes)]


def _is_size(size: object, side: int) -> bool:
    pair = isinstance(size, list | tuple) and len(size) == 2
    return pair and all(type(n) is int and n > 0 and n % side == 0 for n in cast(list[int], size))


def best_size(image: Size, pinpoints: Sequence[Sequence[int]]) -> Size:
    """The tiled size that keeps most pixels of the image, then wastes fewest; ties: the first."""
    height, width = image
    best, most, least = (0, 0), 0, math.inf
    for target_width, target_height in pinpoints:
        scale = min(target_width / width, target_height / height)
        used = min(int(width * scale) * int(height * scale), width * height)
        wasted = target_width * target_height - used
        if used > most or (used == most and wasted < least):
            best, most, least = (target_height, target_width), used, wasted
    return best


def grid_of(image: Size, pinpoints: Sequence[Sequence[int]], side: int) -> tuple[int, int]:
    """The grid (rows, columns) of tiles of `side` pixels that an image is cut into."""
    height, width = best_size(image, pinpoints)
    return height // side, width // side


def crops(image: Image.Image, pinpoints: Sequence[Sequence[int]], side: int) -> list[Image.Image]:
    """The whole image resized to a square of `side`, then its tiles, row by row."""
    size = best_size((image.height, image.width), pinpoints)
    canvas = letterboxed(image, size)
    tiles = [
        canvas.crop((left, top, left + side, top + side))
        for top in range(0, size[0], side)
        for left in range(0, size[1], side)
    ]
    return [resized(image, (side, side)), *tiles]


def resized(image: Image.Image, size: Size) -> Image.Image:
    """The image resized to `size`, bicubic: width first, then height, as the original's Pillow.

    In a single call, Pillow 13 starts with the height if that shrinks more than the width, and
    rounding between the two passes then changes pixels.
    """
    height, width = size
    across = image.resize((width, image.height), Image.Resampling.BICUBIC)
    return across.resize((width, height), Image.Resampling.BICUBIC)


def letterboxed(image: Image.Image, size: Size) -> Image.Image:
    """The image scaled to fit and centred on a black canvas of `size`."""
    height, width = size
    across, down = width / image.width, height / image.height
    if across < down:
        fitted = (min(math.ceil(image.height * across), height), width)
    else:
        fitted = (height, min(math.ceil(image.width * down), width))
    canvas = Image.new("RGB", (width, height), (0, 0, 0))
    corner = ((width - fitted[1]) // 2, (height - fitted[0]) // 2)
    canvas.paste(resized(image, fitted), corner)
    return canvas


def unpadded(padded: Size, image: Size) -> tuple[slice, slice]:
    """The rows and columns of a map of the letterboxed image that show the image itself."""
    height, width = padded
    image_height, image_width = image
    if image_width / image_height > width / height:
        cut = (height - int(image_height * (width / image_width))) // 2
        return slice(cut, height - cut), slice(0, width)
    cut = (width - int(image_width * (height / image_height))) // 2
    return slice(0, height), slice(cut, width - cut)
