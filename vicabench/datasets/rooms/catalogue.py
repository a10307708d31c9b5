"""The kinds of furniture: name, range of sizes, colour, where it stands, and its shape.

Sizes vary by a factor of two and more within a kind, so that knowing the kind is not knowing
the size. Every kind has one saturated colour of its own, and neighbours in hue differ in
lightness too, which keeps most of them apart for colour-blind eyes (after Okabe and Ito).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vicabench.datasets.rooms import furnishings, mesh, shapes
from vicabench.datasets.rooms.mesh import Colour, Mesh
from vicabench.datasets.rooms.world import Box

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A category of furniture: ranges of its extents along x, y and z in metres.

    `wall` is the chance that it stands with its back to a wall; `several` says that a room may
    hold more than one of it; `round` that its width equals its length; `build` makes its shape
    (see `shapes.py`).
    """

    name: str
    colour: Colour
    length: Range
    width: Range
    height: Range
    wall: float
    several: bool
    build: Callable[[float, float, float, Colour], Mesh]
    round: bool = False


def _hex(code: int) -> Colour:
    return ((code >> 16 & 255) / 255, (code >> 8 & 255) / 255, (code & 255) / 255)


KINDS: tuple[Kind, ...] = (
    Kind(
        name="bed",
        colour=_hex(0xE0609C),
        length=(0.8, 2.0),
        width=(1.4, 2.2),
        height=(0.55, 1.2),
        wall=1.0,
        several=False,
        build=shapes.bed,
    ),
    Kind(
        name="sofa",
        colour=_hex(0x1F5FC4),
        length=(1.0, 2.8),
        width=(0.7, 1.05),
        height=(0.65, 0.95),
        wall=0.7,
        several=True,
        build=shapes.sofa,
    ),
    Kind(
        name="table",
        colour=_hex(0x9A6234),
        length=(0.7, 2.2),
        width=(0.5, 1.0),
        height=(0.4, 0.85),
        wall=0.2,
        several=True,
        build=shapes.table,
    ),
    Kind(
        name="bookshelf",
        colour=_hex(0x7A2420),
        length=(0.5, 1.8),
        width=(0.25, 0.4),
        height=(0.9, 2.2),
        wall=1.0,
        several=True,
        build=furnishings.bookshelf,
    ),
    Kind(
        name="cabinet",
        colour=_hex(0x12998C),
        length=(0.5, 2.0),
        width=(0.35, 0.6),
        height=(0.55, 1.6),
        wall=1.0,
        several=True,
        build=furnishings.cabinet,
    ),
    Kind(
        name="refrigerator",
        colour=_hex(0xA9DDF2),
        length=(0.5, 0.95),
        width=(0.5, 0.75),
        height=(0.85, 2.1),
        wall=1.0,
        several=False,
        build=furnishings.refrigerator,
    ),
    Kind(
        name="tv",
        colour=_hex(0x1B1C22),
        length=(0.6, 1.6),
        width=(0.2, 0.36),
        height=(0.65, 1.35),
        wall=0.8,
        several=False,
        build=furnishings.tv,
    ),
    Kind(
        name="chair",
        colour=_hex(0xF07F13),
        length=(0.36, 0.65),
        width=(0.38, 0.65),
        height=(0.65, 1.25),
        wall=0.15,
        several=True,
        build=shapes.chair,
    ),
    Kind(
        name="stool",
        colour=_hex(0x7B3FC4),
        length=(0.28, 0.55),
        width=(0.28, 0.55),
        height=(0.3, 0.85),
        wall=0.0,
        several=True,
        build=shapes.stool,
        round=True,
    ),
    Kind(
        name="lamp",
        colour=_hex(0xFFDD45),
        length=(0.25, 0.5),
        width=(0.25, 0.5),
        height=(0.8, 1.9),
        wall=0.3,
        several=True,
        build=furnishings.lamp,
        round=True,
    ),
    Kind(
        name="plant",
        colour=_hex(0x3C9A32),
        length=(0.3, 0.9),
        width=(0.3, 0.9),
        height=(0.4, 1.8),
        wall=0.3,
        several=True,
        build=furnishings.plant,
        round=True,
    ),
    Kind(
        name="suitcase",
        colour=_hex(0xD3231F),
        length=(0.3, 0.55),
        width=(0.18, 0.34),
        height=(0.5, 1.15),
        wall=0.2,
        several=True,
        build=furnishings.suitcase,
    ),
    Kind(
        name="trash bin",
        colour=_hex(0x59646F),
        length=(0.2, 0.42),
        width=(0.2, 0.42),
        height=(0.3, 0.85),
        wall=0.4,
        several=True,
        build=furnishings.trash_bin,
        round=True,
    ),
)

KIND_OF: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


def shape(category: str, box: Box) -> Mesh:
    """The mesh of a thing in the room; it touches all six sides of `box`.

    Raises KeyError for a category that is not in `KINDS`.
    """
    kind = KIND_OF[category]
    own = kind.build(box.length, box.width, box.height, kind.colour)
    fitted = mesh.fit(own, box.length, box.width, box.height)
    return mesh.place(fitted, box.x, box.y, box.bottom, box.yaw)
