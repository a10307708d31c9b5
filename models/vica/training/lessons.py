"""Lessons from exact geometry as tensors: what each square of a frame shows, what a film tells.

A lesson is an `.npz` beside a film of the same name (`vicabench.datasets.rooms.lessons` writes
them): `things` uint8 [F, H, W], 255 where there is none; `category` [N], the word of each thing;
`where` [F, N, 2], its distance and bearing in each frame; `classes` int [C, K], numbers from 0 that
the film tells of each word, -1 where it does not; `numbers` [C, M], NaN where it does not; `scene`
[S], numbers about the whole.

Shapes: F frames, N things, C words, G the side of a map of a frame, Z = G x G squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vica.errors import DataError
from vica.merging import Visual
from vica.processing import ViCAProcessor
from vica.video import VideoError, read_frames

FEWEST_PIXELS = 3
"""Of a thing in a square, for the square to show it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Squares:
    """What is in each square: `shows` [F, Z, C] is 0 or 1, `where` [F, Z, C, 2] of the largest."""

    shows: Tensor
    where: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """A film as the encoders see it, and what there is to learn from it."""

    visual: Visual
    things_FHW: NDArray[np.uint8]
    category_N: NDArray[np.uint8]
    where_FN2: NDArray[np.float32]
    classes_CK: Tensor
    numbers_CM: Tensor
    scene_S: Tensor

    def squares(self, side: int, frames: Sequence[int]) -> Squares:
        """The maps of some frames in `side` x `side` squares."""
        words = len(self.classes_CK)
        height, width = self.things_FHW.shape[1:]
        rows, columns = np.arange(height) * side // height, np.arange(width) * side // width
        square_P = (rows[:, None] * side + columns).ravel()
        shows = np.zeros((len(frames), side * side, words), np.float32)
        where = np.zeros((len(frames), side * side, words, 2), np.float32)
        for index, frame in enumerate(frames):
            things_P = self.things_FHW[frame].ravel()
            most = np.zeros((side * side, words))
            for thing, word in enumerate(self.category_N):
                count_Z = np.bincount(square_P[things_P == thing], minlength=side * side)
                larger_Z = count_Z > most[:, word]
                most[:, word] = np.maximum(most[:, word], count_Z)
                where[index, larger_Z, word] = self.where_FN2[frame, thing]
            shows[index] = most >= FEWEST_PIXELS
        return Squares(shows=torch.from_numpy(shows), where=torch.from_numpy(where))


def read_lesson(file: Path, film: Path, processor: ViCAProcessor, frames: int) -> Lesson:
    """One lesson and its film; raises DataError naming what cannot be read."""
    try:
        shown = read_frames(film, frames)
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Lesson(
            visual=processor.video(shown.pixels_THWC),
            things_FHW=arrays["things"],
            category_N=arrays["category"],
            where_FN2=arrays["where"],
            classes_CK=torch.from_numpy(arrays["classes"].astype(np.int64)),
            numbers_CM=torch.from_numpy(arrays["numbers"].astype(np.float32)),
            scene_S=torch.from_numpy(arrays["scene"].astype(np.float32)),
        )
    except (OSError, ValueError, KeyError, VideoError) as error:
        raise DataError(f"{file} and {film}: no lesson can be read: {error}") from error
