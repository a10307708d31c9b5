"""What a grading protocol is, and which ones exist.

A new protocol is one file that defines `PROTOCOL` and one line in `PROTOCOLS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vicabench.errors import ConfigError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a published rule reads a reply, without access to the ground truth.

    Attributes:
        name: The name on the command line.
        source: Where the rule is published.
        read_number: Reads a number from the raw reply, given the unit that the question asks for
            (see `TASKS`); None if it reads nothing.
        read_choice: Reads a letter from the raw reply, given the options (empty if unknown); None
            if it reads nothing.
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
    """The protocol of this name.

    Raises:
        ConfigError: The name is unknown; the message lists the known ones.
    """
    if name not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise ConfigError(
            f"There is no grading protocol '{name}'. Known protocols: {known}."
            f"{did_you_mean(name, PROTOCOLS)}"
        )
    protocol: Protocol = importlib.import_module(PROTOCOLS[name]).PROTOCOL
    return protocol


def find_protocols(names: str) -> list[Protocol]:
    """The protocols in a comma-separated list, without repetitions; raises as `find_protocol`."""
    return [find_protocol(name) for name in dict.fromkeys(n.strip() for n in names.split(","))]
