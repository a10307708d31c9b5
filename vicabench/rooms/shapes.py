"""What each kind of furniture looks like in a box of a given size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vicabench.rooms.geometry import Colour, Mesh, box, join, leaf, prism

LINEN = (0.93, 0.91, 0.87)
STEEL = (0.62, 0.63, 0.65)
DARK = (0.13, 0.13, 0.15)


def shade(c: Colour, factor: float) -> Colour:
    """The colour made darker (below 1) or lighter (above 1), clipped to [0, 1]."""
    red, green, blue = (min(1.0, part * factor) for part in c)
    return red, green, blue


def mix(c: Colour, other: Colour, share: float) -> Colour:
    """The colour mixed with a share of another colour."""
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


_BOOKS: tuple[Colour, ...] = (
    (0.72, 0.66, 0.52),
    (0.45, 0.43, 0.40),
    (0.80, 0.77, 0.70),
    (0.35, 0.38, 0.42),
    (0.58, 0.50, 0.42),
    (0.66, 0.68, 0.66),
)
_CLAY = (0.74, 0.47, 0.34)


def lamp(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A round foot, a thin stem and a wide shade."""
    x, y = length / 2, width / 2
    drop = min(0.34, 0.3 * height)
    return join(
        prism((0, 0), (0, 0.03), (0.7 * x, 0.7 * y), (0.65 * x, 0.65 * y), DARK),
        prism((0, 0), (0.03, height - 0.05), (0.018, 0.018), (0.018, 0.018), DARK, sides=8),
        prism((0, 0), (height - drop, height), (x, y), (0.62 * x, 0.62 * y), c, sides=20),
    )


def cabinet(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A closed body on a plinth, with doors, drawers above them where it is tall, and knobs."""
    x, y = length / 2, width / 2
    plinth, lid = 0.07, 0.03
    doors = max(2, round(length / 0.5))
    edges = np.linspace(-x + 0.02, x - 0.02, doors + 1)
    rows = (plinth, 0.66 * height, height - lid) if height > 0.8 else (plinth, height - lid)
    parts = [
        box((-x + 0.02, x - 0.02), (-y + 0.05, y), (0, plinth), DARK),
        box((-x, x), (-y + 0.02, y), (plinth, height - lid), shade(c, 0.7)),
        box((-x, x), (-y, y), (height - lid, height), shade(c, 1.15)),
    ]
    for low, high in pairwise(rows):
        for left, right in pairwise(edges):
            across, up = (left + 0.012, right - 0.012), (low + 0.012, high - 0.012)
            middle, knob = (left + right) / 2, high - 0.2 * (high - low)
            parts.append(box(across, (-y + 0.004, -y + 0.02), up, c))
            grip = (middle - 0.05, middle + 0.05)
            parts.append(box(grip, (-y - 0.02, -y + 0.004), (knob - 0.012, knob + 0.012), STEEL))
    return join(*parts)


def bookshelf(length: float, width: float, height: float, c: Colour) -> Mesh:
    """An open case of shelves, most of them filled with books."""
    x, y = length / 2, width / 2
    board = 0.03
    shelves = max(2, round(height / 0.38))
    levels = np.linspace(0.04, height - board, shelves + 1)
    inside = (-x + board, x - board)
    parts = [
        box((-x, -x + board), (-y, y), (0, height), c),
        box((x - board, x), (-y, y), (0, height), c),
        box(inside, (y - 0.02, y), (0, height), shade(c, 0.6)),
    ]
    deep = (-y + 0.005, y - 0.02)
    parts += [box(inside, deep, (low, low + board), shade(c, 1.1)) for low in levels]
    for low, high in pairwise(levels):
        parts += _books(inside, y, low + board, high - low - board, levels[1])
    return join(*parts)


def _books(
    inside: tuple[float, float], y: float, floor: float, room: float, salt: float
) -> list[Mesh]:
    """A row of books on one shelf, always the same for the same shelf."""
    rng = np.random.default_rng([round(1000 * floor), round(1000 * salt)])
    at = inside[0]
    row: list[Mesh] = []
    end = inside[0] + rng.uniform(0.55, 1.0) * (inside[1] - inside[0])
    while True:
        thick = rng.uniform(0.05, 0.13)
        if at + thick > end:
            return row
        tall, deep = room * rng.uniform(0.6, 0.92), rng.uniform(0.25, 0.7)
        colour = _BOOKS[int(rng.integers(len(_BOOKS)))]
        row.append(
            box((at, at + thick - 0.004), (-y * deep, y - 0.02), (floor, floor + tall), colour)
        )
        at += thick


def tv(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A flat screen on a pedestal that stands on the floor."""
    x, y = length / 2, width / 2
    low = max(0.25, height - 0.62 * length)
    back = max(height - 0.12, low + 0.08)  # a small set is hardly higher than its back
    glass = mix(c, (0.22, 0.32, 0.5), 0.55)
    return join(
        box((-0.36 * length, 0.36 * length), (-y, y), (0, 0.04), shade(c, 1.3)),
        box((-0.07 * length, 0.07 * length), (-0.02, 0.03), (0.04, low + 0.1), c),
        box((-x, x), (-0.03, 0.03), (low, height), c),
        box((-x + 0.025, x - 0.025), (-0.036, -0.03), (low + 0.03, height - 0.025), glass),
        box((-0.3 * x, 0.3 * x), (0.03, 0.06), (low + 0.06, back), shade(c, 1.2)),
    )


def plant(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A clay pot with a stem and a crown of leaves."""
    x, y = length / 2, width / 2
    pot = min(0.3 * height, 0.4)
    wide = (0.52 * x, 0.52 * y)
    parts = [
        prism((0, 0), (0, 0.85 * pot), (0.36 * x, 0.36 * y), (0.48 * x, 0.48 * y), _CLAY),
        prism((0, 0), (0.85 * pot, pot), wide, wide, shade(_CLAY, 1.1)),
        prism((0, 0), (pot, pot + 0.008), (0.46 * x, 0.46 * y), (0.46 * x, 0.46 * y), DARK),
        prism((0, 0), (pot, 0.75 * height), (0.02, 0.02), (0.015, 0.015), shade(c, 0.6), sides=6),
    ]
    count = 26
    for k in range(count):
        rise = k / (count - 1)
        turn, lift = 2.39996 * k, 0.15 + 1.1 * rise
        out = np.array([np.cos(turn) * x, np.sin(turn) * y, 0.0])
        reach = 1.0 - 0.55 * rise
        base = np.array([0, 0, pot + (0.1 + 0.62 * rise) * (height - pot)])
        tip = base + out * reach + np.array([0, 0, 0.3 * lift * (height - pot)])
        side = np.array([-np.sin(turn) * x, np.cos(turn) * y, 0.06 * x]) * (0.27 - 0.1 * rise)
        parts.append(leaf(base, tip, side, shade(c, 0.8 + 0.45 * ((k * 7) % 10) / 10)))
    return join(*parts)


def suitcase(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A ribbed shell on wheels with its handle pulled out."""
    x, y = length / 2, width / 2
    shell = (0.07 * height, 0.76 * height)
    grip = 0.26 * length
    parts = [
        box((-x, x), (-y + 0.015, y - 0.015), shell, c),
        *(
            box(across, (-0.7 * y, 0.7 * y), (0, shell[0]), DARK)
            for across in ((-0.85 * x, -0.6 * x), (0.6 * x, 0.85 * x))
        ),
        *(
            box((side - 0.012, side + 0.012), (0.3 * y, 0.3 * y + 0.02), (shell[1], height), STEEL)
            for side in (-grip, grip)
        ),
        box(
            (-grip - 0.015, grip + 0.015),
            (0.3 * y - 0.01, 0.3 * y + 0.03),
            (height - 0.03, height),
            DARK,
        ),
    ]
    for rib in np.linspace(-0.75 * x, 0.75 * x, 5):
        across, up = (rib - 0.05 * x, rib + 0.05 * x), (shell[0] + 0.04, shell[1] - 0.04)
        parts.append(box(across, (-y, y), up, shade(c, 0.82)))
    return join(*parts)


def trash_bin(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A bucket that widens upwards, with a rim and a dark mouth."""
    x, y = length / 2, width / 2
    return join(
        prism((0, 0), (0, 0.9 * height), (0.72 * x, 0.72 * y), (0.94 * x, 0.94 * y), c, sides=20),
        prism((0, 0), (0.9 * height, height), (x, y), (x, y), shade(c, 1.15), sides=20),
        prism((0, 0), (height, height + 0.004), (0.86 * x, 0.86 * y), (0.86 * x, 0.86 * y), DARK),
    )


def refrigerator(length: float, width: float, height: float, c: Colour) -> Mesh:
    """A tall body with a small door above a large one, and long handles."""
    x, y = length / 2, width / 2
    split = 0.66 * height
    parts = [
        box((-x + 0.02, x - 0.02), (-y + 0.08, y), (0, 0.05), DARK),
        box((-x, x), (-y + 0.07, y), (0.05, height), shade(c, 0.85)),
    ]
    for low, high in ((0.06, split - 0.008), (split + 0.008, height)):
        parts.append(box((-x, x), (-y + 0.03, -y + 0.065), (low, high), c))
        tall = 0.4 * (high - low)
        foot = high - 0.05 - tall if low < split / 2 else low + 0.05
        across = (x - 0.09, x - 0.06)
        parts.append(box(across, (-y, -y + 0.03), (foot, foot + tall), STEEL))
    return join(*parts)
