"""Results of other harnesses as run folders: a reader a harness, found by name.

A new harness is one file with a `read(path) -> Source` and one line in `HARNESSES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from vicabench.importing.rows import Source

HARNESSES = {
    "lmms-eval": "vicabench.importing.lmms_eval",
    "official": "vicabench.importing.official",
    "vlmevalkit": "vicabench.importing.vlmevalkit",
}


def find_reader(name: str) -> Callable[[Path], Source]:
    """The reader of a harness in `HARNESSES`."""
    reader: Callable[[Path], Source] = importlib.import_module(HARNESSES[name]).read
    return reader
