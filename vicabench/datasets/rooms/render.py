"""Pictures of a room: colours for people and models, and which thing every pixel shows.

Visibility is an exact z-buffer over the faces of the furniture (`raster.py`) in front of the
bare room (`backdrop.py`). Colours take four samples a pixel; `things_HW` is what the ray through
the middle of the pixel meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vicabench.datasets.rooms import light, planes, textures
from vicabench.datasets.rooms.backdrop import Backdrop
from vicabench.datasets.rooms.camera import Pose, focal
from vicabench.datasets.rooms.catalogue import shape
from vicabench.datasets.rooms.mesh import join
from vicabench.datasets.rooms.raster import Floats, centres, four_a_pixel, visible
from vicabench.datasets.rooms.world import Scene

NOTHING = -1
"""The index that stands for the room itself in an image of things."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One picture: `rgb_HWC` uint8, and int16 `things_HW`, indices into `scene.things` or -1."""

    rgb_HWC: NDArray[np.uint8]
    things_HW: NDArray[np.int16]


def render(scene: Scene, pose: Pose, width: int, height: int) -> View:
    """What the camera sees, in any resolution from about 16 pixels a side."""
    return View(
        rgb_HWC=colours(scene, pose, width, height), things_HW=sees(scene, pose, width, height)
    )


def colours(scene: Scene, pose: Pose, width: int, height: int) -> NDArray[np.uint8]:
    """The picture alone, uint8 (height, width, 3)."""
    return _painter(scene).draw(pose, width, height)


def sees(scene: Scene, pose: Pose, width: int, height: int) -> NDArray[np.int16]:
    """The thing at the middle of every pixel: int16 (height, width), -1 for the room."""
    stage = _stage(scene)
    quads_F43, face_F = stage.facing(pose, width, height)
    nearest_HW, _ = visible(quads_F43, centres(width, height))
    owner = np.append(stage.owner_F[face_F], NOTHING).astype(np.int16)
    return owner[nearest_HW]


class Stage:
    """The furniture of a scene as one list of faces; `owner_F` is the thing each belongs to."""

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
        """The faces that turn towards the eye, homogeneous in pixels, and their numbers."""
        face_F = np.flatnonzero(self._outward_F3 @ pose.position > self._level_F)
        lens = focal(width)
        to_pixels = np.array([[lens, 0, (width - 1) / 2], [0, lens, (height - 1) / 2], [0, 0, 1]])
        return (self.quads_F43[face_F] - pose.position) @ (to_pixels @ pose.axes).T, face_F


class Painter:
    """A scene with its light computed, ready to be drawn from any pose."""

    def __init__(self, scene: Scene) -> None:
        """Light the furniture, and paint and light the room: about half a second."""
        self._stage = stage = _stage(scene)
        lit = light.lights(scene, planes.window(scene))
        self._backdrop = Backdrop(scene, textures.paint(scene, lit, stage.quads_F43))
        bright_F4C = textures.expose(
            light.on_faces(stage.quads_F43, stage.normals_F43, stage.owner_F, scene, lit)
        )
        mean_F3 = bright_F4C.mean(axis=1)
        shown_F3 = (stage.colours_F3 * mean_F3).clip(0, 1)
        red, green, blue = np.round(shown_F3 * 255).astype(np.uint32).T
        self._packed_F = red << np.uint32(20) | green << np.uint32(10) | blue
        relative_F4 = bright_F4C.mean(axis=2) / mean_F3.mean(axis=1, keepdims=True)
        self._slope_F3, self._middle_F3 = _gradient(stage.quads_F43, relative_F4)

    def draw(self, pose: Pose, width: int, height: int) -> NDArray[np.uint8]:
        """The picture, uint8 (height, width, 3)."""
        room_HW = self._backdrop.draw(pose, width, height)
        quads_F43, face_F = self._stage.facing(pose, width, height)
        nearest_SW, inverse_SW = visible(quads_F43, four_a_pixel(width, height))
        packed_F = np.append(self._packed_F[face_F], np.uint32(0))
        # Ten bits a colour hold the sum of four samples.
        sum_HW = packed_F[nearest_SW].reshape(height, 4, width).sum(axis=1, dtype=np.uint32)
        free_HW = (nearest_SW < 0).reshape(height, 4, width).sum(axis=1, dtype=np.uint8)
        shade_HW = self._shade(pose, face_F, nearest_SW, inverse_SW, (height, width))
        room_share = free_HW.astype(np.float32) * np.float32(0.25)
        picture = np.empty((height, width, 3), dtype=np.uint8)
        for channel, (ten, eight) in enumerate(((20, 16), (10, 8), (0, 0))):
            thing = (sum_HW >> np.uint32(ten) & np.uint32(1023)) * shade_HW
            room = (room_HW >> np.uint32(eight) & np.uint32(255)) * room_share
            picture[..., channel] = np.minimum(thing + room, 255)
        return picture

    def _shade(
        self,
        pose: Pose,
        face_F: NDArray[np.int64],
        nearest_SW: NDArray[np.int32],
        inverse_SW: NDArray[np.float32],
        size: tuple[int, int],
    ) -> NDArray[np.float32]:
        """A quarter times the light at each pixel relative to the mean light of its face."""
        height, width = size
        shade_HW = np.full(height * width, 0.25, dtype=np.float32)
        face_HW = nearest_SW.reshape(height, 4, width).max(axis=1).ravel()
        inverse_HW = inverse_SW.reshape(height, 4, width).max(axis=1).ravel()
        pixel = np.flatnonzero(face_HW >= 0)
        seen, depth = face_HW[pixel], 1 / inverse_HW[pixel]
        slope_F3 = self._slope_F3[face_F] @ pose.axes.T
        lens = focal(width)
        across = (pixel % width - (width - 1) / 2).astype(np.float32) / lens
        down = (pixel // width - (height - 1) / 2).astype(np.float32) / lens
        from_eye = pose.position - self._middle_F3[face_F]
        base_F = 1 + np.einsum("fk,fk->f", from_eye, self._slope_F3[face_F])
        table = np.column_stack([slope_F3, base_F]).astype(np.float32)[seen]
        relative = (table[:, 0] * across + table[:, 1] * down + table[:, 2]) * depth + table[:, 3]
        shade_HW[pixel] = np.float32(0.25) * relative.clip(0.6, 1.5)
        return shade_HW.reshape(size)


@lru_cache(maxsize=4)
def _stage(scene: Scene) -> Stage:
    return Stage(scene)


@lru_cache(maxsize=2)
def _painter(scene: Scene) -> Painter:
    return Painter(scene)


def _gradient(quads_F43: Floats, value_F4: Floats) -> tuple[Floats, Floats]:
    """The slope (F, 3) of the plane that fits the corner values best, and the corners' mean."""
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
