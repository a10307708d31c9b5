"""Colours of figures in the dark: the same hue, light enough to be seen; greys turned around."""

from __future__ import annotations

import colorsys
import re

HEX = re.compile(r"#[0-9a-fA-F]{6}")
GREY = 0.16  # saturation below which a colour carries no meaning of its own
SEEN = 0.6  # lightness that stands out from a dark page
DARKEST, LIGHTEST = 0.11, 0.9


def in_the_dark(colour: str) -> str:
    """The colour `#rrggbb` for a dark page."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    hue, light, rich = colorsys.rgb_to_hls(red, green, blue)
    if rich < GREY or light > LIGHTEST:
        light = DARKEST + (1 - light) * (LIGHTEST - DARKEST)
    else:
        light, rich = max(light, SEEN), min(rich, 0.8)
    parts = colorsys.hls_to_rgb(hue, light, rich)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def class_of(attribute: str, colour: str) -> str:
    """The class that an element with this `fill` or `stroke` gets."""
    return f"{attribute}-{colour[1:].lower()}"


def rules(classes: set[str]) -> str:
    """A style sheet that gives each of these classes its colour in either theme."""
    lines = []
    for name in sorted(classes):
        attribute, digits = name.split("-")
        colour = f"light-dark(#{digits}, {in_the_dark('#' + digits)})"
        lines.append(f".figures .{name} {{ {attribute}: {colour}; }}")
    return "\n".join(lines)
