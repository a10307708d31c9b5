"""Films are valid H.264 files of what the renderer shows, complete or absent."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vicabench.rooms.camera import pose_at
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.make import film, frame_count
from vicabench.rooms.render import colours

SCENE = make_scene(3, 0)
WIDTH, HEIGHT, RATE = 128, 96, 12


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "room.mp4"
    film(SCENE, path, width=WIDTH, height=HEIGHT, fps=RATE)
    return path


def test_a_film_decodes_to_the_rendered_walk(path: Path) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == RATE
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == frame_count(SCENE, RATE) == round(SCENE.walk.seconds * RATE)
    for number in (0, 40, len(frames) - 1):
        shown = colours(SCENE, pose_at(SCENE, number / RATE), WIDTH, HEIGHT)
        assert frames[number].shape == (HEIGHT, WIDTH, 3)
        assert np.abs(frames[number].astype(float) - shown).mean() < 6


def test_a_film_can_be_streamed_and_leaves_no_other_file(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["room.mp4"]
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_same_scene_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    film(SCENE, tmp_path / "again.mp4", width=WIDTH, height=HEIGHT, fps=RATE)
    assert (tmp_path / "again.mp4").read_bytes() == path.read_bytes()


def test_a_film_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(av.FFmpegError):
        film(SCENE, tmp_path / "odd.mp4", width=161, height=121, fps=RATE)
    assert list(tmp_path.iterdir()) == []
