"""Make one scene: its film, its questions and its ground truth."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av

from vicabench.errors import DataError
from vicabench.rooms.camera import pose_at
from vicabench.rooms.facts import Sightings, first_visible, sightings
from vicabench.rooms.folder import RoomsFolder, publish, write
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.questions import allows_all, questions_for
from vicabench.rooms.render import colours
from vicabench.rooms.scene import FIRST, FPS, Scene
from vicabench.types import Question

_ENCODER = {"preset": "superfast", "crf": "23", "threads": "1"}
"""One thread, because several films are encoded in parallel."""

_KEY_FRAME_SECONDS = 1.5


MOST_ATTEMPTS = 200
"""Rooms that are made for one that allows questions of all types; about one in eight does."""


def frame_count(scene: Scene, fps: int = FPS) -> int:
    """The number of frames of a scene's film; frame k shows the time k / fps."""
    return max(1, round(scene.walk.seconds * fps))


def film(scene: Scene, path: Path, *, width: int = 640, height: int = 480, fps: int = FPS) -> None:
    """Write the walk through a scene to `path` as H.264 (yuv420p, so width and height are even).

    The file appears under its name only when it is complete.

    Raises:
        OSError: The file cannot be written.
        av.FFmpegError: The film cannot be encoded.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    try:
        _write(scene, partial, width, height, fps)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(scene: Scene, path: Path, width: int, height: int, fps: int) -> None:
    with av.open(
        str(path.absolute()), "w", format="mp4", options={"movflags": "faststart"}
    ) as container:
        stream = container.add_stream("libx264", rate=fps, options=dict(_ENCODER))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = round(_KEY_FRAME_SECONDS * fps)
        for number in range(frame_count(scene, fps)):
            rgb_HWC = colours(scene, pose_at(scene, number / fps), width, height)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb_HWC, format="rgb24")))
        container.mux(stream.encode())


def make(folder: RoomsFolder, index: int) -> None:
    """Make scene number `index`; an existing film is kept.

    The part is written last, so a scene with a part is finished.

    Raises:
        DataError: No furniture fits, or the film cannot be encoded.
        OSError: A file cannot be written.
    """
    try:
        _make(folder, index)
    except (RuntimeError, av.FFmpegError) as error:
        raise DataError(
            f"Rooms: scene {index} of seed {folder.settings.seed} cannot be made: {error}. "
            "Choose another seed."
        ) from error


def _make(folder: RoomsFolder, index: int) -> None:
    settings = folder.settings
    scene, seen = scene_of(settings.seed, index, settings.generator)
    limit = settings.questions_per_scene
    questions = questions_for(scene, seen, limit=limit, generator=settings.generator)
    if folder.films:
        _make_film(folder, scene)
    part = {"scene": _truth(scene, seen), "questions": [_row(scene, each) for each in questions]}
    write(folder.part(index), json.dumps(part, ensure_ascii=False))


def scene_of(seed: int, index: int, generator: str) -> tuple[Scene, Sightings]:
    """A scene, and what its film shows of it.

    The second generator makes scenes until one allows questions of all types.

    Raises:
        RuntimeError: There was none in `MOST_ATTEMPTS`, or no furniture fits.
    """
    for attempt in range(MOST_ATTEMPTS):
        scene = make_scene(seed, index, generator, attempt)
        seen = sightings(scene)
        if generator == FIRST or allows_all(scene, seen):
            return scene, seen
    raise RuntimeError(f"none of {MOST_ATTEMPTS} rooms allows questions of all types")


def _make_film(folder: RoomsFolder, scene: Scene) -> None:
    file = folder.film(scene.name)
    if not file.exists():
        draft = folder.parts / f"{scene.name}.{os.getpid()}.mp4"
        settings = folder.settings
        film(scene, draft, width=settings.width, height=settings.height, fps=settings.fps)
        publish(draft, file)


def _truth(scene: Scene, seen: Sightings) -> dict[str, Any]:
    """The ground truth of the scene, with the second at which each thing is first visible."""
    truth = {**asdict(scene), "area": scene.area}
    for thing, seconds in zip(truth["things"], first_visible(scene, seen), strict=True):
        thing["first_visible"] = seconds
    return truth


def _row(scene: Scene, question: Question) -> dict[str, Any]:
    """A question in the columns of VSI-Bench."""
    return {
        "id": question.id,
        "dataset": "rooms",
        "scene_name": scene.name,
        "question_type": question.task,
        "question": question.text,
        "options": list(question.options) or None,
        "ground_truth": question.answer,
    }
