"""The renderer against a ray caster that shares nothing with it but the triangles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vicabench.rooms.camera import Pose, pose_at
from vicabench.rooms.facts import sightings
from vicabench.rooms.furniture import make_scene, shape
from vicabench.rooms.render import NOTHING, render, sees
from vicabench.rooms.scene import Scene

WIDTH, HEIGHT = 56, 42


def rays(pose: Pose) -> NDArray[np.float64]:
    """Directions through the pixel centres, from heading, pitch and a lens of 70 degrees."""
    half = np.tan(np.radians(35.0))
    column, row = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    right = (2 * column / WIDTH - 1) * half
    up = (HEIGHT - 2 * row) / WIDTH * half
    level = np.cos(pose.pitch) - up * np.sin(pose.pitch)
    x = level * np.cos(pose.yaw) + right * np.sin(pose.yaw)
    y = level * np.sin(pose.yaw) - right * np.cos(pose.yaw)
    z = np.sin(pose.pitch) + up * np.cos(pose.pitch)
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def hits(eye: NDArray[np.float64], ways: NDArray[np.float64], corners: NDArray[np.float64]):  # type: ignore[no-untyped-def]
    """The distance along each ray to the nearest triangle (Moeller and Trumbore), or infinity."""
    nearest = np.full(len(ways), np.inf)
    for a, b, c in corners:
        across, from_a = np.cross(ways, c - a), eye - a
        volume = across @ (b - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = across @ from_a / volume
            v = ways @ np.cross(from_a, b - a) / volume
            way = (c - a) @ np.cross(from_a, b - a) / volume
        inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (way > 0)
        nearest[inside] = np.minimum(nearest[inside], way[inside])
    return nearest


def cast(scene: Scene, pose: Pose) -> NDArray[np.int64]:
    eye, ways = np.array([pose.x, pose.y, pose.z]), rays(pose)
    best, owner = np.full(len(ways), np.inf), np.full(len(ways), NOTHING)
    for index, thing in enumerate(scene.things):
        quads = shape(thing.category, thing.box).quads_F43
        way = hits(eye, ways, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
        owner[way < best] = index
        best = np.minimum(best, way)
    return owner.reshape(HEIGHT, WIDTH)


@pytest.mark.parametrize("index", range(3))
def test_pixels_show_the_things_that_rays_hit(index: int) -> None:
    scene = make_scene(5, index)
    for share in (0.1, 0.6):
        pose = pose_at(scene, share * scene.walk.seconds)
        image = sees(scene, pose, WIDTH, HEIGHT)
        assert image.dtype == np.int16
        # Rays through the edge of a face may count either way: at most 2 in 1,000.
        assert np.mean(image != cast(scene, pose)) <= 0.002


def test_a_thing_that_reaches_behind_the_camera_is_visible() -> None:
    scene = make_scene(5, 0)
    thing = scene.things[0]
    beside = Pose(x=thing.box.x, y=thing.box.y, z=thing.box.height + 0.2, yaw=0.3, pitch=-0.6)
    image = sees(scene, beside, WIDTH, HEIGHT)
    assert np.mean(image == 0) > 0.1
    assert np.mean(image != cast(scene, beside)) <= 0.002


def test_colours_and_things_agree() -> None:
    scene = make_scene(5, 1)
    sofa_blue = np.array([31, 95, 196])
    blues, others = [], []
    for at in np.linspace(0, scene.walk.seconds, 8):
        view = render(scene, pose_at(scene, float(at)), 160, 120)
        assert view.rgb_HWC.shape == (120, 160, 3)
        assert view.rgb_HWC.dtype == np.uint8
        names = np.array([thing.category for thing in scene.things] + ["room"])[view.things_HW]
        tint = view.rgb_HWC / np.maximum(view.rgb_HWC.sum(axis=2, keepdims=True), 1)
        off = np.abs(tint - sofa_blue / sofa_blue.sum()).sum(axis=2)
        blues.extend(off[names == "sofa"])
        others.extend(off[names != "sofa"])
    assert len(blues) > 100
    assert np.median(blues) < 0.15 < np.percentile(others, 5)


def test_small_and_large_pictures_show_the_same() -> None:
    scene = make_scene(5, 1)
    pose = pose_at(scene, 5.0)
    large = render(scene, pose, 320, 240).rgb_HWC.astype(float)
    small = render(scene, pose, 64, 48).rgb_HWC.astype(float)
    averaged = large.reshape(48, 5, 64, 5, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 6


def test_sightings_count_the_pixels_of_every_thing() -> None:
    scene = make_scene(5, 1)
    seen = sightings(scene)
    assert seen.pixels_TN.shape == (len(seen.seconds), len(scene.things))
    assert np.diff(seen.seconds) == pytest.approx(0.2)
    image = sees(scene, pose_at(scene, float(seen.seconds[10])), 160, 120)
    counts = [int((image == index).sum()) for index in range(len(scene.things))]
    assert seen.pixels_TN[10].tolist() == counts
    assert seen.pixels_per_frame == image.size
