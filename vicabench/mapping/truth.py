"""The true map of a video, from the boxes of its scene."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.errors import DataError
from vicabench.mapping.reading import SIZE, Cell, Map
from vicabench.rooms.folder import SCENES
from vicabench.types import Benchmark

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The floor plan of a scene, in metres: its extent, and the centres of all objects.

    `low` and `high` are opposite corners of the extent.
    """

    low: Point
    high: Point
    centres: Mapping[str, tuple[Point, ...]]

    def map(self, categories: Collection[str]) -> Map:
        """The map of those of the categories that the scene has.

        The longer side of the extent fills the grid, and both axes have one scale, so that
        distances keep their proportions.
        """
        side = max(self.high[0] - self.low[0], self.high[1] - self.low[1])
        return {
            name: tuple(self._cell(point, side) for point in self.centres[name])
            for name in categories
            if self.centres.get(name)
        }

    def _cell(self, point: Point, side: float) -> Cell:
        x, y = (
            min(SIZE - 1, max(0, math.floor(SIZE * (at - low) / side)))
            for at, low in zip(point, self.low, strict=True)
        )
        return x, y


def true_maps(
    benchmark: Benchmark, categories: Mapping[str, Sequence[str]], meta: Path | None = None
) -> dict[str, Map]:
    """The true map of each video whose scene is known, with at least two of its categories.

    Scenes of Rooms are known by their folder, those of VSI-Bench by the files `*_meta_info_*.json`
    of its repository.

    Raises:
        DataError: A file is missing or malformed.
    """
    known = {} if meta is None else _annotated(meta)
    maps = {}
    for video, names in categories.items():
        layout = known.get(video) or _room(benchmark.files[video])
        found = layout.map(names) if layout else {}
        if len(found) > 1:
            maps[video] = found
    return maps


def _room(film: Path) -> Layout | None:
    """The layout of a scene of Rooms, whose origin is a corner of the room."""
    scenes = film.parent.parent / SCENES
    return _rooms(scenes).get(film.stem) if scenes.is_file() else None


@cache
def _rooms(scenes: Path) -> dict[str, Layout]:
    try:
        rows = [json.loads(line) for line in files.read(scenes).splitlines()]
        return {row["name"]: _layout_of_room(row) for row in rows}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{scenes} is not the truth of Rooms ({error}). Build it again.") from error


def _layout_of_room(row: Mapping[str, Any]) -> Layout:
    centres = ((t["category"], (t["box"]["x"], t["box"]["y"])) for t in row["things"])
    return Layout(low=(0.0, 0.0), high=(row["width"], row["depth"]), centres=_grouped(centres))


def _grouped(centres: Iterable[tuple[str, Point]]) -> dict[str, tuple[Point, ...]]:
    grouped: dict[str, tuple[Point, ...]] = {}
    for name, point in centres:
        grouped[name] = (*grouped.get(name, ()), point)
    return grouped


def _annotated(folder: Path) -> dict[str, Layout]:
    """The layouts of all scenes of VSI-Bench in a folder, by video."""
    paths = sorted(folder.glob("*_meta_info_*.json"))
    if not paths:
        raise DataError(
            f"{folder} has no file *_meta_info_*.json. They are in data/meta_info of the "
            "repository vision-x-nyu/thinking-in-space."
        )
    known: dict[str, Layout] = {}
    for path in paths:
        dataset = path.name.partition("_meta_info_")[0]
        try:
            scenes = json.loads(files.read(path))
            known |= {f"{dataset}/{name}": _layout_of(scene) for name, scene in scenes.items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(f"{path} does not describe scenes of VSI-Bench ({error!r}).") from error
    return known


def _layout_of(scene: Mapping[str, Any]) -> Layout:
    """The layout of an annotated scene, whose extent is that of all its boxes."""
    boxes = [(name, box) for name, group in scene["object_bbox"].items() for box in group]
    corners = [box[corner] for _, box in boxes for corner in ("min", "max")]
    xs, ys = [float(c[0]) for c in corners], [float(c[1]) for c in corners]
    if not xs or min(max(xs) - min(xs), max(ys) - min(ys)) <= 0:
        return Layout(low=(0.0, 0.0), high=(1.0, 1.0), centres={})
    centres = ((n, (float(b["centroid"][0]), float(b["centroid"][1]))) for n, b in boxes)
    return Layout(low=(min(xs), min(ys)), high=(max(xs), max(ys)), centres=_grouped(centres))
