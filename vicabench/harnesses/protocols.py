"""A grading protocol is a value: how it reads a number and a letter, and where that is published.

A new protocol is one file with a `PROTOCOL` in it and one line in `PROTOCOLS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vicabench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a published rule reads a reply: both functions give None where it reads nothing.

    `read_number` takes the raw reply and the unit that the question asks for (`TASKS` has them),
    `read_choice` the raw reply and the options, none if unknown: neither sees the ground truth.
    """

    name: str
    source: str
    read_number: Callable[[str, str], float | None]
    read_choice: Callable[[str, Sequence[str]], str | None]


PROTOCOLS = {
    "official": "vicabench.harnesses.official",
    "lmms-eval": "vicabench.harnesses.lmms_eval",
    "vlmevalkit": "vicabench.harnesses.vlmevalkit",
    "extracted": "vicabench.harnesses.extracted",
}


def find_protocol(name: str) -> Protocol:
    """The protocol of this name; ConfigError naming the known ones if there is none."""
    if name not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise ConfigError(f"There is no grading protocol '{name}'. Known protocols: {known}.")
    protocol: Protocol = importlib.import_module(PROTOCOLS[name]).PROTOCOL
    return protocol


def find_protocols(names: str) -> list[Protocol]:
    """The protocols in a comma-separated list, each once; ConfigError as `find_protocol`."""
    return [find_protocol(name) for name in dict.fromkeys(n.strip() for n in names.split(","))]
