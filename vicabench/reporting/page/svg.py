"""SVG figures adapted to the page: without inline styles, with colours for dark mode."""

from __future__ import annotations

import colorsys
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from markupsafe import Markup

from vicabench.errors import DataError

HEX = re.compile(r"#[0-9a-fA-F]{6}")
GREY = 0.16  # saturation below which a colour counts as grey
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
    """The CSS class of an element with this `fill` or `stroke`."""
    return f"{attribute}-{colour[1:].lower()}"


def rules(classes: set[str]) -> str:
    """The style sheet with the colour of each class in both themes."""
    lines = []
    for name in sorted(classes):
        attribute, digits = name.split("-")
        colour = f"light-dark(#{digits}, {in_the_dark('#' + digits)})"
        lines.append(f".figures .{name} {{ {attribute}: {colour}; }}")
    return "\n".join(lines)


SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
ELEMENTS = {
    *("svg", "g", "defs", "use", "symbol", "clipPath", "pattern", "marker", "image"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon"),
    *("text", "tspan", "title", "desc", "linearGradient", "radialGradient", "stop"),
}
FONT = re.compile(
    r"(?:(?P<style>italic|oblique)\s+)?(?:(?P<weight>bold|\d{3})\s+)?"
    r"(?P<size>[\d.]+px)\s+(?P<family>.+)"
)
# The defaults that matplotlib sets in a separate stylesheet.
ROOT = {"stroke-linejoin": "round", "stroke-linecap": "butt"}


@dataclass(frozen=True, kw_only=True)
class Inlined:
    """An SVG element for the page, and the classes of the colours in it."""

    svg: Markup
    colours: set[str]


def inline_svg(text: str) -> Inlined:
    """Turn styles into attributes, allowing only drawing elements and internal links.

    Raises:
        DataError: For invalid SVG.
    """
    ET.register_namespace("", SVG)
    try:
        root = ET.fromstring(text)  # noqa: S314  (drawn by us; expat expands no outside entity)
    except ET.ParseError as error:
        raise DataError(f"A figure is not valid SVG ({error}).") from None
    _clean(root)
    _inherit(root)
    colours = {name for node in root.iter() for name in _coloured(node)}
    root.attrib = {**ROOT, **root.attrib, "focusable": "false"}
    svg = Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  (cleaned just now)
    return Inlined(svg=svg, colours=colours)


def _clean(node: ET.Element) -> None:
    for child in list(node):
        if _name(child) in ELEMENTS:
            _clean(child)
        else:
            node.remove(child)
    styles = _declarations(node.attrib.pop("style", ""))
    node.attrib.update(styles)
    for name in list(node.attrib):
        outside = name in ("href", LINK) and not node.attrib[name].startswith(("#", "data:image/"))
        if outside or name.lower().startswith("on"):
            del node.attrib[name]


def _inherit(root: ET.Element) -> None:
    """Remove the colours of marks whose uses set them.

    Style sheets do not reach into what `use` shows: a colour of the mark itself would stay as it
    is in the dark.
    """
    used: dict[str, list[ET.Element]] = {}
    for node in root.iter(f"{{{SVG}}}use"):
        shown = node.get("href") or node.get(LINK) or ""
        used.setdefault(shown.removeprefix("#"), []).append(node)
    for node in root.iter():
        uses = used.get(node.get("id", ""), [])
        for name in ("fill", "stroke"):
            if uses and all(name in use.attrib for use in uses):
                node.attrib.pop(name, None)


def _coloured(node: ET.Element) -> list[str]:
    """Add classes for fill and stroke to the element, and return them."""
    classes = [
        class_of(attribute, node.attrib[attribute])
        for attribute in ("fill", "stroke")
        if HEX.fullmatch(node.attrib.get(attribute, ""))
    ]
    if classes:
        node.set("class", " ".join(classes))
    return classes


def _name(node: ET.Element) -> str:
    return node.tag.removeprefix(f"{{{SVG}}}") if isinstance(node.tag, str) else ""


def _declarations(style: str) -> dict[str, str]:
    declarations: dict[str, str] = {}
    for declaration in style.split(";"):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            font = FONT.fullmatch(value)
            parts = font.groupdict() if font else {}
            declarations |= {f"font-{part}": given for part, given in parts.items() if given}
        elif colon:
            declarations[name] = value
    return declarations
