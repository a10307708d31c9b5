"""Which frames of a film of Rooms show what its questions ask about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicabench import files
from vicabench.errors import DataError
from vicabench.rooms.facts import sightings, visible_in
from vicabench.rooms.folder import MANIFEST, QUESTIONS
from vicabench.rooms.make import frame_count, scene_of
from vicabench.rooms.scene import GENERATORS, Scene

COUNTING = "object_counting"


def seen_rows(folder: Path, *, any_pixel: bool = False) -> Iterator[dict[str, Any]]:
    """One row for each question of a Rooms folder that names things: `id`, `frames`, `seen`.

    A thing is a category, which a frame shows if it shows one of its instances; of questions of
    counting, each instance.

    Args:
        folder: The rooms.
        any_pixel: Whether one pixel is enough; else a frame shows a thing that covers the share of
            it from which the questions count it as visible.

    Raises:
        DataError: It is not a Rooms folder, or one of another version.
    """
    try:
        manifest = json.loads(files.read(folder / MANIFEST))
        scenes, seed, fps = (int(manifest[key]) for key in ("scenes", "seed", "fps"))
        rows = [json.loads(line) for line in files.read(folder / QUESTIONS).splitlines()]
    except (OSError, ValueError, TypeError, LookupError):
        raise DataError(
            f"{folder} is not a Rooms folder, which has {MANIFEST} and {QUESTIONS}."
        ) from None
    generator = manifest.get("generator")
    if generator not in GENERATORS:
        raise DataError(f"{folder} was built by another version of Rooms: build it again.")
    for index in range(scenes):
        scene, _ = scene_of(seed, index, generator)
        total = frame_count(scene, fps)
        looks = sightings(scene, fps)
        seen_TN = (looks.pixels_TN > 0 if any_pixel else visible_in(scene, looks))[:total]
        for row in rows:
            if row["scene_name"] == scene.name and (seen := _seen(scene, seen_TN, row)):
                yield {"id": row["id"], "frames": total, "seen": seen}


def _seen(scene: Scene, seen_TN: NDArray[np.bool_], row: Mapping[str, Any]) -> dict[str, list[int]]:
    """The frames that show each thing that a question names."""
    named = _named(scene, [row["question"], *(row["options"] or ())])
    seen: dict[str, list[int]] = {}
    for category in named:
        of = [n for n, thing in enumerate(scene.things) if thing.category == category]
        if row["question_type"] == COUNTING:
            for number, n in enumerate(of, start=1):
                seen[f"{category} {number}"] = np.flatnonzero(seen_TN[:, n]).tolist()
        else:
            seen[category] = np.flatnonzero(seen_TN[:, of].any(axis=1)).tolist()
    return seen


def _named(scene: Scene, texts: Sequence[str]) -> list[str]:
    """The categories of the scene that the texts name; longer names first, as one may be within."""
    known = sorted({thing.category for thing in scene.things}, key=lambda name: (-len(name), name))
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, known))})\b")
    return sorted({match for text in texts for match in pattern.findall(text)})
