"""Makes one scene of a Rooms folder: its film, its questions and its ground truth."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

import av

from vicabench.datasets.rooms.facts import first_visible
from vicabench.datasets.rooms.film import film
from vicabench.datasets.rooms.folder import RoomsFolder, publish, write
from vicabench.datasets.rooms.questions import questions_for
from vicabench.datasets.rooms.scenes import make_scene
from vicabench.datasets.rooms.sightings import Sightings, sightings
from vicabench.datasets.rooms.world import Scene
from vicabench.errors import DataError
from vicabench.types import Question


def make(folder: RoomsFolder, index: int) -> None:
    """Makes scene number `index`; a film that is already there is kept.

    The part is written last: where there is one, the scene is finished. Raises DataError when
    no furniture fits or the film cannot be encoded, OSError when something cannot be written.
    """
    try:
        _make(folder, index)
    except (RuntimeError, av.FFmpegError) as error:
        raise DataError(
            f"Rooms: scene {index} of seed {folder.settings.seed} cannot be made: {error}. "
            "Choose another seed."
        ) from error


def _make(folder: RoomsFolder, index: int) -> None:
    scene = make_scene(folder.settings.seed, index)
    seen = sightings(scene)
    asked = questions_for(scene, seen, limit=folder.settings.questions_per_scene)
    _make_film(folder, scene)
    part = {"scene": _truth(scene, seen), "questions": [_row(scene, each) for each in asked]}
    write(folder.part(index), json.dumps(part, ensure_ascii=False))


def _make_film(folder: RoomsFolder, scene: Scene) -> None:
    file = folder.film(scene.name)
    if not file.exists():
        draft = folder.parts / f"{scene.name}.{os.getpid()}.mp4"
        how = folder.settings
        film(scene, draft, width=how.width, height=how.height, fps=how.fps)
        publish(draft, file)


def _truth(scene: Scene, seen: Sightings) -> dict[str, Any]:
    """The scene as it is, with the second at which each thing is first visible in the film."""
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
