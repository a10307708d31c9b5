"""Data for the page's script, as JSON in elements that no browser executes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from vicabench.reporting.page.questions import Asked, columns
from vicabench.reporting.page.replies import graded_columns, reply_columns
from vicabench.reporting.page.report import Report, Strip
from vicabench.reporting.page.visible import visible
from vicabench.types import OUTCOMES

# In a script element only these could end it or begin a comment, and the last two end a line of
# script; JSON has all of them in strings alone.
ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """The content of one data element: escaped JSON."""

    id: str
    json: Markup

    @property
    def element(self) -> Markup:
        """The element; its id is one of ours."""
        start = Markup('<script type="application/json" id="{}">').format(self.id)
        return start + self.json + Markup("</script>")


def as_block(name: str, value: Any) -> Block:
    """The value as JSON that cannot leave its element, whatever texts it holds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character, escape in ESCAPES.items():
        text = text.replace(character, escape)
    return Block(id=name, json=Markup(text))  # noqa: S704  (escaped just now)


def data_blocks(report: Report, asked: Asked, limit: int) -> Iterator[Block]:
    """What the list and its filters need: small, and parsed when the page opens."""
    yield as_block(
        "questions",
        {
            **_seen(columns(asked)),
            "runs": [visible(run.name) for run in report.runs],
            "protocols": [protocol.name for protocol in report.protocols],
            "outcomes": list(OUTCOMES),
            "base": report.base,
        },
    )
    for place, run in enumerate(report.runs):
        yield as_block(f"grades-{place}", graded_columns(run, asked, report.protocols))
    for place, run in enumerate(report.runs):
        yield as_block(f"replies-{place}", reply_columns(run, asked, limit))


def frame_block(place: int, strip: Strip) -> Block:
    """The frames of the video in this place, once, whatever is asked about it."""
    return as_block(f"frames-{place}", _frames(strip))


def _frames(strip: Strip) -> dict[str, Any]:
    if strip.error is not None:
        return {"error": visible(strip.error)}
    return {
        "images": [base64.b64encode(jpeg).decode("ascii") for jpeg in strip.jpegs],
        "seconds": [round(second, 2) for second in strip.seconds],
        "width": strip.width,
        "height": strip.height,
    }


def _seen(value: Any) -> Any:
    """The value with every text in it made visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_seen(member) for member in value]
    if isinstance(value, dict):
        return {name: _seen(member) for name, member in value.items()}
    return value
