"""Images of files and of bytes, opened by Pillow's own decoders alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import IO

from PIL import Image

PROGRAMS = frozenset({"EPS", "WMF"})
"""Formats that are programs, which Pillow has Ghostscript or Windows run."""


def opened(source: Path | IO[bytes]) -> Image.Image:
    """The image in a file or stream; OSError if it is none that Pillow itself decodes."""
    return Image.open(source, formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(sorted(Image.OPEN.keys() - PROGRAMS))
