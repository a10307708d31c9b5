"""The furniture that people sit, lie and eat on: how each kind looks in a box of a given size.

A shape stands on z = 0 around the z axis and faces -y; `length`, `width` and `height` are its
extents along x, y and z in metres, and it comes near all six sides of that box (`mesh.fit` in
`catalogue.shape` makes it touch them exactly). `c` is the colour of the kind.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vicabench.datasets.rooms.mesh import Colour, Mesh, box, join, prism

LINEN = (0.93, 0.91, 0.87)
STEEL = (0.62, 0.63, 0.65)
DARK = (0.13, 0.13, 0.15)


def shade(c: Colour, factor: float) -> Colour:
    """The colour darker (below 1) or lighter (above 1), kept within [0, 1]."""
    red, green, blue = (min(1.0, part * factor) for part in c)
    return red, green, blue


def mix(c: Colour, other: Colour, share: float) -> Colour:
    """The colour with a share of another one."""
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(c, other, strict=True))
    return red, green, blue


def legs(length: float, width: float, top: float, thick: float, c: Colour) -> Mesh:
    """Four square legs at the corners, from the floor to `top`."""
    x, y = length / 2, width / 2
    return join(
        *(
            box(across, along, (0, top), c)
            for across in ((-x, -x + thick), (x - thick, x))
            for along in ((-y, -y + thick), (y - thick, y))
        )
    )


def chair(length: float, width: float, height: float, c: Colour) -> Mesh:
    """Four legs, a seat, and a back of two posts with a panel and a rail."""
    x, y = length / 2, width / 2
    seat, thick = 0.47 * height, 0.11 * min(length, width)
    wood = shade(c, 0.8)
    posts = [
        box(across, (y - thick, y), (seat + 0.03, height), wood)
        for across in ((-x, -x + thick), (x - thick, x))
    ]
    inner = (-x + thick, x - thick)
    middle = (y - 0.8 * thick, y - 0.2 * thick)
    return join(
        legs(length, width, seat - 0.03, thick, wood),
        box((-x, x), (-y, y), (seat - 0.03, seat + 0.03), c),
        *posts,
        box(inner, middle, (seat + 0.42 * (height - seat), height - 0.02), c),
        box(inner, middle, (seat + 0.16 * (height - seat), seat + 0.28 * (height - seat)), c),
    )


def stool(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A round padded seat on four legs with a foot rest."""
    x, y = length / 2, width / 2
    thick = 0.12 * min(length, width)
    pad, spread = 0.07 + 0.06 * height, 0.72
    wood = shade(c, 0.7)
    under = legs(2 * x * spread, 2 * y * spread, height - pad, thick, wood)
    rest = (0.3 * height, 0.3 * height + 0.7 * thick)
    bars = [
        box((-x * spread, x * spread), (side - thick / 3, side + thick / 3), rest, wood)
        for side in (-y * spread + thick / 2, y * spread - thick / 2)
    ]
    seat = prism((0, 0), (height - pad, height - 0.02), (0.97 * x, 0.97 * y), (x, y), c, sides=20)
    top = prism((0, 0), (height - 0.02, height), (x, y), (0.9 * x, 0.9 * y), c, sides=20)
    return join(under, *bars, seat, top)


def table(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A top on four legs, with an apron below the edge."""
    x, y = length / 2, width / 2
    top, thick = 0.045, 0.05 + 0.03 * length
    apron, inset = (height - top - 0.09, height - top), 0.6 * thick
    dark = shade(c, 0.78)
    reach_x, reach_y = x - inset, y - inset
    return join(
        box((-x, x), (-y, y), (height - top, height), c),
        legs(2 * (x - 0.02), 2 * (y - 0.02), height - top, thick, shade(c, 0.88)),
        box((-reach_x, reach_x), (-reach_y, -reach_y + 0.02), apron, dark),
        box((-reach_x, reach_x), (reach_y - 0.02, reach_y), apron, dark),
        box((-reach_x, -reach_x + 0.02), (-reach_y, reach_y), apron, dark),
        box((reach_x - 0.02, reach_x), (-reach_y, reach_y), apron, dark),
    )


def sofa(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A base on feet, seat and back cushions, and two arms."""
    x, y = length / 2, width / 2
    arm, back, foot = min(0.2, 0.12 * length), 0.24 * width, 0.06
    seat = 0.36 * height
    cushions = max(1, round((length - 2 * arm) / 0.7))
    edges = np.linspace(-x + arm, x - arm, cushions + 1)
    soft = shade(c, 1.12)
    parts = [
        legs(length - 0.1, width - 0.1, foot, 0.06, DARK),
        box((-x, x), (-y, y), (foot, seat), shade(c, 0.85)),
        box((-x, x), (y - back, y), (seat, 0.93 * height), shade(c, 0.92)),
        box((-x, -x + arm), (-y, y - back), (seat, 0.7 * height), c),
        box((x - arm, x), (-y, y - back), (seat, 0.7 * height), c),
    ]
    for left, right in pairwise(edges):
        across = (left + 0.008, right - 0.008)
        parts.append(box(across, (-y - 0.01, y - back), (seat, 0.52 * height), soft))
        behind = (y - back - 0.12, y - back + 0.04)
        parts.append(box(across, behind, (0.53 * height, height), soft))
    return join(*parts)


def bed(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A frame with headboard, a mattress, a blanket turned down, and one or two pillows."""
    x, y = length / 2, width / 2
    frame, top = 0.3 * height, 0.56 * height
    board = y - 0.07
    fold = board - 0.3 * width
    pillows = 2 if length > 1.25 else 1
    edges = np.linspace(-x + 0.08, x - 0.08, pillows + 1)
    wood = shade(c, 0.62)
    parts = [
        legs(length, width - 0.04, 0.13 * height, 0.08, wood),
        box((-x, x), (board, y), (0.13 * height, height), wood),
        box((-x, x), (-y, board), (0.13 * height, frame), shade(c, 0.75)),
        box((-x + 0.03, x - 0.03), (-y + 0.03, board), (frame, top - 0.03), LINEN),
        box((-x + 0.005, x - 0.005), (-y + 0.01, fold), (frame + 0.02, top), c),
        box((-x + 0.005, x - 0.005), (fold, fold + 0.16), (frame + 0.02, top + 0.01), LINEN),
    ]
    for left, right in pairwise(edges):
        across = (left + 0.05, right - 0.05)
        parts.append(box(across, (board - 0.42, board - 0.05), (top - 0.03, top + 0.09), LINEN))
    return join(*parts)
