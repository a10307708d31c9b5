"""From encoder features to language model tokens: projectors, pooling, newlines, image tiles.

Shapes: F frames, T tiles, L = side x side patches, H and W of a map, D width, N tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vica.budget import AVERAGE, BILINEAR, Branch
from vica.images import unpadded

SHRINK_ABOVE = 1.1
"""Maps are shrunk to the area of `max_tiles` tiles when their side is this much too long."""


def projector(width_in: int, width_out: int) -> nn.Sequential:
    """Linear, exact GELU, linear (`mlp2x_gelu`)."""
    return nn.Sequential(nn.Linear(width_in, width_out), nn.GELU(), nn.Linear(width_out, width_out))


def pool(features_FLD: Tensor, branch: Branch) -> Tensor:
    """Square maps of features, pooled as `branch` says: [F, pooled, pooled, D]."""
    frames, _, width = features_FLD.shape
    map_FHWD = features_FLD.view(frames, branch.side, branch.side, width)
    if branch.stride == 1:
        return map_FHWD
    # Not made contiguous: torch's bilinear kernel for channels that lie together is the faster.
    map_FDHW = map_FHWD.permute(0, 3, 1, 2)
    if branch.mode == BILINEAR:
        size = (branch.pooled, branch.pooled)
        pooled_FDHW = functional.interpolate(map_FDHW, size=size, mode="bilinear")
    elif branch.mode == AVERAGE:
        pooled_FDHW = functional.avg_pool2d(map_FDHW, branch.stride)
    else:
        pooled_FDHW = functional.max_pool2d(map_FDHW, branch.stride)
    return pooled_FDHW.permute(0, 2, 3, 1)


def rows(map_FHWD: Tensor, newline_D: Tensor) -> Tensor:
    """Tokens [N, D] in the order frame, row, column, with the newline after each row."""
    frames, height, _, width = map_FHWD.shape
    newline_FHWD = newline_D.to(map_FHWD).expand(frames, height, 1, width)
    return torch.cat([map_FHWD, newline_FHWD], dim=2).flatten(0, 2)


def image_tokens(
    features_TLD: Tensor,
    newline_D: Tensor,
    *,
    grid: tuple[int, int],
    image_size: tuple[int, int],
    max_tiles: int,
) -> Tensor:
    """Tokens [N, D] of an image: the whole in small, then its tiles as one map, row by row.

    `features_TLD` holds the whole image first, then `grid` = (rows, columns) tiles; `image_size`
    is the original (height, width). The letterbox around the tiled image is cut away, and a map
    larger than `max_tiles` tiles is shrunk. A lone first entry is followed by one newline.
    """
    base_LD, tiles_TLD = features_TLD[0], features_TLD[1:]
    if len(tiles_TLD) == 0:
        return torch.cat([base_LD, newline_D.to(base_LD)[None]])
    side = math.isqrt(len(base_LD))
    map_HWD = _joined(tiles_TLD, grid, side)
    row, column = unpadded((map_HWD.shape[0], map_HWD.shape[1]), image_size)
    map_HWD = map_HWD[row, column]
    height, width = map_HWD.shape[:2]
    times = math.sqrt(height * width / (max_tiles * side**2))
    if times > SHRINK_ABOVE:
        size = (int(height // times), int(width // times))
        map_1DHW = map_HWD.permute(2, 0, 1)[None].contiguous()
        map_HWD = functional.interpolate(map_1DHW, size=size, mode="bilinear")[0].permute(1, 2, 0)
    return torch.cat([base_LD, rows(map_HWD[None], newline_D)])


def _joined(tiles_TLD: Tensor, grid: tuple[int, int], side: int) -> Tensor:
    """Tiles, in row-major order, as one map [rows x side, columns x side, D]."""
    down, across = grid
    tiles = tiles_TLD.view(down, across, side, side, -1)
    return tiles.permute(0, 2, 1, 3, 4).reshape(down * side, across * side, -1)
