"""Figures as reproducible files, and as SVG to embed."""

from __future__ import annotations

import hashlib
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from vicabench import files
from vicabench.errors import ConfigError
from vicabench.reporting.figures.style import INK, current_style, no_glyph_warnings

PIXELS_PER_INCH = 300
_METADATA: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure in the format of the path's suffix, and return the path.

    ConfigError if the folder cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, _rendered(figure, path.suffix[1:]))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    return path


def svg(figure: Figure) -> str:
    """The figure as an `<svg>` element to embed in a page.

    Its ids differ from those of every other figure, it has a title for screen readers, no
    background, and the ink is the page's own (`currentColor`), so that it follows dark mode.
    Text from outside is text in it, whatever it holds.
    """
    ET.register_namespace("", _SVG)
    root = ET.fromstring(_rendered(figure, "svg", transparent=True))  # noqa: S314  (our own)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    title = ET.Element(f"{{{_SVG}}}title")
    title.text = str(figure.get_label())
    root.insert(0, title)
    root.set("role", "img")
    prefix = "f" + hashlib.sha256(ET.tostring(root)).hexdigest()[:8] + "-"
    for element in root.iter():
        _adapt(element, prefix)
    return ET.tostring(root, encoding="unicode")


def _adapt(element: ET.Element, prefix: str) -> None:
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, prefix + value)
        elif name in ("href", f"{{{_LINK}}}href"):
            del element.attrib[name]
            element.set("href", "#" + prefix + value.removeprefix("#"))
        else:
            linked = re.sub(r"url\(#", f"url(#{prefix}", value)
            element.set(name, re.sub(INK, "currentColor", linked, flags=re.IGNORECASE))


def _rendered(figure: Figure, kind: str, *, transparent: bool = False) -> bytes:
    target = io.BytesIO()
    with mpl.rc_context(current_style()), no_glyph_warnings():
        figure.savefig(
            target,
            format=kind,
            dpi=PIXELS_PER_INCH,
            metadata=_METADATA[kind],
            transparent=transparent,
        )
    return target.getvalue()
