"""Render a room: its colours, and the thing that every pixel shows.

Visibility is an exact z-buffer over the faces of the furniture (`raster.py`) in front of the
bare room (`backdrop.py`). Colours use four samples per pixel; `things_HW` is what the ray through
the middle of the pixel hits. A renderer in NumPy needs no GPU or display, and gives the same
pixels everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vicabench.rooms import light, textures
from vicabench.rooms.backdrop import BAND, BLUE, GREEN, RED, Backdrop, Single, channels
from vicabench.rooms.camera import Pose, focal
from vicabench.rooms.furniture import shape
from vicabench.rooms.geometry import join
from vicabench.rooms.light import window
from vicabench.rooms.raster import (
    Floats,
    centres,
    cut,
    face_of,
    four_a_pixel,
    inverse_of,
    nearest,
    visible,
)
from vicabench.rooms.scene import Scene

NOTHING = -1
"""The index of the room itself in an image of things."""

_FREE = np.uint64(48)
_FIELD = np.uint64(0xFFFF)
_NO_FACE = np.uint64(1) << _FREE
"""The contribution of a sample without a face: no colour, and one more free sample."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One picture: `rgb_HWC` uint8, and int16 `things_HW`, indices into `scene.things` or -1."""

    rgb_HWC: NDArray[np.uint8]
    things_HW: NDArray[np.int16]


def render(scene: Scene, pose: Pose, width: int, height: int) -> View:
    """The view of the camera, in any resolution from about 16 pixels per side."""
    return View(
        rgb_HWC=colours(scene, pose, width, height), things_HW=sees(scene, pose, width, height)
    )


def colours(
    scene: Scene, pose: Pose, width: int, height: int, finish: light.Finish = light.FULL
) -> NDArray[np.uint8]:
    """The picture alone, uint8 (height, width, 3)."""
    return _painter(scene, finish).draw(pose, width, height)


def sees(scene: Scene, pose: Pose, width: int, height: int) -> NDArray[np.int16]:
    """The thing at the middle of every pixel, int16 (height, width); -1 for the room."""
    stage = _stage(scene)
    quads_F43, face_F = stage.facing(pose, width, height)
    nearest_HW = visible(quads_F43, centres(width, height))
    owner = np.concatenate([[NOTHING], stage.owner_F[face_F]]).astype(np.int16)
    return owner.take(face_of(nearest_HW))


class Stage:
    """The furniture of a scene as one list of faces; `owner_F` is the thing of each face."""

    def __init__(self, scene: Scene) -> None:
        """Build the shape of every thing."""
        shapes = [shape(thing.category, thing.box) for thing in scene.things]
        whole = join(*shapes)
        self.quads_F43 = whole.quads_F43
        self.normals_F43 = whole.normals_F43
        self.colours_F3 = whole.colours_F3
        counts = [len(part.quads_F43) for part in shapes]
        self.owner_F = np.repeat(np.arange(len(shapes)), counts)
        first = self.quads_F43[:, 0]
        self._outward_F3 = np.cross(
            self.quads_F43[:, 2] - first, self.quads_F43[:, 3] - self.quads_F43[:, 1]
        )
        self._level_F = np.einsum("fk,fk->f", self._outward_F3, first)

    def facing(self, pose: Pose, width: int, height: int) -> tuple[Floats, NDArray[np.int64]]:
        """The faces that face the eye, in homogeneous pixel coordinates, and their numbers."""
        face_F = np.flatnonzero(self._outward_F3 @ pose.position > self._level_F)
        lens = focal(width)
        to_pixels = np.array([[lens, 0, (width - 1) / 2], [0, lens, (height - 1) / 2], [0, 0, 1]])
        return (self.quads_F43[face_F] - pose.position) @ (to_pixels @ pose.axes).T, face_F


class Painter:
    """A scene with its light computed, which can be drawn from any pose."""

    def __init__(self, scene: Scene, finish: light.Finish = light.FULL) -> None:
        """Light the furniture, and paint and light the room."""
        self._stage = stage = _stage(scene)
        lit = light.lights(scene, window(scene), points=not finish.shadows)
        painted = textures.paint(scene, lit, stage.quads_F43, finish)
        self._backdrop = Backdrop(scene, painted, finish)
        things = scene.things if finish.shadows else ()
        bright_F4C = textures.expose(
            light.on_faces(stage.quads_F43, stage.normals_F43, stage.owner_F, things, lit)
        )
        mean_F3 = bright_F4C.mean(axis=1)
        shown_F3 = (stage.colours_F3 * mean_F3).clip(0, 1)
        red, green, blue = np.round(shown_F3 * 255).astype(np.uint64).T
        self._packed_F = red << RED | green << GREEN | blue << BLUE
        relative_F4 = bright_F4C.mean(axis=2) / mean_F3.mean(axis=1, keepdims=True)
        self._slope_F3, self._middle_F3 = _gradient(stage.quads_F43, relative_F4)

    def draw(self, pose: Pose, width: int, height: int) -> NDArray[np.uint8]:
        """The picture, uint8 (height, width, 3), in bands that fit the processor's cache."""
        quads_F43, face_F = self._stage.facing(pose, width, height)
        scan = four_a_pixel(width, height)
        spans = cut(quads_F43, scan)
        # Number 0 means no face: black, with no share of the pixel.
        packed_F = np.concatenate([[_NO_FACE], self._packed_F[face_F]])
        plane_F4 = np.concatenate([np.zeros((1, 4), np.float32), self._light(pose, face_F)])
        lens = focal(width)
        room_HW = self._backdrop.sight(pose, width, height).draw(width, height)
        picture = channels(room_HW)
        for top in range(0, height, BAND):
            rows = range(top, min(top + BAND, height))
            key_SW = nearest(spans, scan, 4 * rows.start, 4 * rows.stop)
            front = key_SW.reshape(len(rows), 4, width).max(axis=1).ravel()
            pixel_P = np.flatnonzero(front)
            row_P = pixel_P // width  # `divmod` is ten times slower
            column_P = pixel_P - width * row_P
            first_P = pixel_P + 3 * width * row_P
            sums_P = np.zeros(len(pixel_P), dtype=np.uint64)
            for line in range(4):
                sums_P += packed_F.take(face_of(key_SW.take(first_P + line * width)))
            across_P = ((column_P - (width - 1) / 2) / lens).astype(np.float32)
            down_P = ((row_P + (top - (height - 1) / 2)) / lens).astype(np.float32)
            shade_P = _shade(plane_F4, front.take(pixel_P), across_P, down_P)
            band = picture[rows.start : rows.stop]
            room_P = room_HW[rows.start : rows.stop].take(pixel_P)
            band.reshape(-1, 3)[pixel_P] = _over(sums_P, shade_P, room_P)
        return picture

    def _light(self, pose: Pose, face_F: NDArray[np.int64]) -> NDArray[np.float32]:
        """The light relative to the mean of each face, (F, 4), for `_shade`.

        At a point of depth d in the direction (across, down, 1) it is d times the dot product of
        that direction and the first three numbers, plus the fourth.
        """
        slope_F3 = self._slope_F3[face_F]
        from_middle = pose.position - self._middle_F3[face_F]
        base_F = 1 + np.einsum("fk,fk->f", from_middle, slope_F3)
        return np.column_stack([slope_F3 @ pose.axes.T, base_F]).astype(np.float32)


def _shade(
    plane_F4: NDArray[np.float32], key_P: NDArray[np.int64], across_P: Single, down_P: Single
) -> NDArray[np.float32]:
    """The light on the nearest face of some pixels, relative to the mean of the face."""
    light_P4 = plane_F4.take(face_of(key_P), axis=0)
    slope = light_P4[:, 0] * across_P + light_P4[:, 1] * down_P + light_P4[:, 2]
    # Clipped because, at a flat angle, the middle of the pixel may lie outside the face.
    return (slope / inverse_of(key_P) + light_P4[:, 3]).clip(0.6, 1.5).astype(np.float32)


def _over(
    sums_P: NDArray[np.uint64], shade_P: NDArray[np.float32], room_P: NDArray[np.uint64]
) -> NDArray[np.uint8]:
    """Blend sums of four samples of furniture over the room: (P,) to uint8 (P, 3)."""
    picture = np.empty((len(sums_P), 3), dtype=np.uint8)
    share_P = shade_P * np.float32(0.25)
    partial = np.flatnonzero(sums_P >> _FREE)
    room_share = (sums_P.take(partial) >> _FREE).astype(np.float32) * np.float32(0.25)
    behind = room_P.take(partial)
    for channel, place in enumerate((RED, GREEN, BLUE)):
        value = (sums_P >> place & _FIELD).astype(np.float32) * share_P
        value[partial] += (behind >> place & _FIELD).astype(np.float32) * room_share
        picture[:, channel] = np.minimum(value + np.float32(0.5), 255)
    return picture


@lru_cache(maxsize=4)
def _stage(scene: Scene) -> Stage:
    return Stage(scene)


@lru_cache(maxsize=2)
def _painter(scene: Scene, finish: light.Finish) -> Painter:
    return Painter(scene, finish)


def _gradient(quads_F43: Floats, value_F4: Floats) -> tuple[Floats, Floats]:
    """The slope (F, 3) of the plane that best fits the corner values, and the mean corner."""
    one = (quads_F43[:, 1] + quads_F43[:, 2] - quads_F43[:, 0] - quads_F43[:, 3]) / 2
    two = (quads_F43[:, 2] + quads_F43[:, 3] - quads_F43[:, 0] - quads_F43[:, 1]) / 2
    rise_F2 = np.stack(
        [
            (value_F4[:, 1] + value_F4[:, 2] - value_F4[:, 0] - value_F4[:, 3]) / 2,
            (value_F4[:, 2] + value_F4[:, 3] - value_F4[:, 0] - value_F4[:, 1]) / 2,
        ],
        axis=1,
    )
    edges_F23 = np.stack([one, two], axis=1)
    slope_F3 = np.einsum("fki,fi->fk", np.linalg.pinv(edges_F23), rise_F2)
    return slope_F3, quads_F43.mean(axis=1)
