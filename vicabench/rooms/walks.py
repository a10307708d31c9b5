"""A walk as a few frames and as a clip, and the other walks that these frames show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vicabench.rooms.camera import Pose, pose_at
from vicabench.rooms.facts import Sightings
from vicabench.rooms.scene import Scene


@dataclass(frozen=True, kw_only=True)
class Change:
    """How a walk is changed: mirrored, reversed, and started `shift` frames later."""

    mirror: bool = False
    backwards: bool = False
    shift: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Walked:
    """A scene with the content of its frames: their numbers in `order`, and their `headings`."""

    scene: Scene
    sightings: Sightings
    order: NDArray[np.int64]
    headings: NDArray[np.float64]


def poses(scene: Scene, frames: int) -> list[Pose]:
    """The poses of the camera at `frames` evenly spaced moments of its turn."""
    return [pose_at(scene, scene.walk.seconds * number / frames) for number in range(frames)]


def changes(count: int, frames: int, rng: np.random.Generator) -> list[Change]:
    """The unchanged walk and others: one mirrored, one reversed, one both, and so on."""
    others = [
        Change(
            mirror=number % 2 == 1, backwards=number // 2 % 2 == 1, shift=int(rng.integers(frames))
        )
        for number in range(1, count)
    ]
    return [Change(), *others]


def changed(scene: Scene, seen: Sightings, looks: Sequence[Pose], change: Change) -> Walked:
    """The walk that the frames of `looks` show after a change, with its first frame repeated last.

    An evenly sampled film of a full turn ends with a frame like its first.
    """
    headings = np.array([look.yaw for look in looks])
    order, pixels_TN = np.arange(len(looks)), seen.pixels_TN
    turn = scene.walk.turn
    if change.mirror:
        scene, headings, turn = mirrored(scene), math.pi - headings, -turn
    if change.backwards:
        order, pixels_TN, turn = order[::-1], pixels_TN[::-1], -turn
    order = np.roll(order, -change.shift)
    later = round(change.shift / len(looks) * len(pixels_TN))
    order = np.append(order, order[0])
    headings = headings[order]
    walk = replace(scene.walk, turn=turn, start=float(headings[0]))
    return Walked(
        scene=replace(scene, walk=walk),
        sightings=replace(seen, pixels_TN=np.roll(pixels_TN, -later, axis=0)),
        order=order,
        headings=headings,
    )


def mirrored(scene: Scene) -> Scene:
    """The room mirrored along its y axis; the furniture itself is symmetric."""
    things = tuple(
        replace(
            thing, box=replace(thing.box, x=scene.width - thing.box.x, yaw=math.pi - thing.box.yaw)
        )
        for thing in scene.things
    )
    walk = replace(scene.walk, start=math.pi - scene.walk.start, turn=-scene.walk.turn)
    return replace(scene, things=things, walk=walk)


_ENCODER = {"preset": "veryfast", "crf": "4", "threads": "1"}


def clip(frames_THWC: NDArray[np.uint8], path: Path, *, fps: int = 1) -> None:
    """Write uint8 RGB frames as H.264 in full colour resolution, every frame a key frame.

    Raises:
        OSError: The file cannot be written.
        av.FFmpegError: The clip cannot be encoded.
    """
    with av.open(
        str(path.absolute()), "w", format="mp4", options={"movflags": "faststart"}
    ) as container:
        stream = container.add_stream("libx264", rate=fps, options=dict(_ENCODER))
        _, stream.height, stream.width, _ = frames_THWC.shape
        stream.pix_fmt, stream.gop_size = "yuv444p", 1
        for rgb_HWC in frames_THWC:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb_HWC), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
