"""A notebook as a page: its text, its code, and its stored outputs.

mkdocs-jupyter would need about sixty packages, and 600 kB per page, to show the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PANDAS = re.compile(r"<style scoped>.*?</style>\s*| border=\"1\" class=\"dataframe\"", re.DOTALL)
"""The table style of pandas, which is removed: all tables look like those of the site."""


def page_of(path: Path) -> str:
    """Return the page of a notebook in Markdown."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return "\n\n".join(part for cell in notebook["cells"] for part in _parts(cell)) + "\n"


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        yield _output(output.get("data") or {"text/plain": output["text"]})


def _output(data: dict[str, Any]) -> str:
    """The richest representation of an output."""
    if "image/png" in data:
        png = "".join(data["image/png"])
        return f'<img class="output" alt="figure" src="data:image/png;base64,{png}">'
    if "text/html" in data:
        return f'<div class="output">{PANDAS.sub("", "".join(data["text/html"]))}</div>'
    return f"``` {{ .text .output }}\n{''.join(data['text/plain']).strip(chr(10))}\n```"
