"""What a grading protocol is, and which ones exist.

A new protocol is one file that defines `PROTOCOL` and one line in `PROTOCOLS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vicabench.errors import ConfigError, did_you_mean
from vicabench.rubric import OFFICIAL, Rubric


def first_yes_or_no(reply: str) -> str | None:
    """The first word if it is yes or no, whatever its case and the punctuation behind it."""
    word = (reply.split() or [""])[0].strip(".,;:!*\"'()").lower()
    return word if word in ("yes", "no") else None


def whole_text(reply: str) -> str | None:
    """The reply without white space around it; None for an empty one."""
    return reply.strip() or None


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a published rule reads a reply, without access to the ground truth.

    Attributes:
        name: The name on the command line.
        source: Where the rule is published.
        read_number: Reads a number from the raw reply, given the unit that the question asks for
            (see `Rubric`); None if it reads nothing.
        read_choice: Reads a letter from the raw reply, given the options (empty if unknown); None
            if it reads nothing.
        read_yes_no: Reads `yes` or `no` from the raw reply; None if it reads neither.
        read_text: Reads the text that answers a free question; None if there is none.
    """

    name: str
    source: str
    read_number: Callable[[str, str], float | None]
    read_choice: Callable[[str, Sequence[str]], str | None]
    read_yes_no: Callable[[str], str | None] = first_yes_or_no
    read_text: Callable[[str], str | None] = whole_text


GENERAL = {
    "official": "vicabench.harnesses.official",
    "lmms-eval": "vicabench.harnesses.lmms_eval",
    "vlmevalkit": "vicabench.harnesses.vlmevalkit",
    "extracted": "vicabench.harnesses.extracted",
}
"""Protocols for questions of any benchmark; the first three are those of harnesses."""

PROTOCOLS = {
    **GENERAL,
    "revsi": "vicabench.harnesses.revsi",
    "osi-bench": "vicabench.harnesses.osi_bench",
    "sti-bench": "vicabench.harnesses.sti_bench",
    "dsi-bench": "vicabench.harnesses.dsi_bench",
    "vsi-super": "vicabench.harnesses.vsi_super",
}
"""All protocols, also those by which one benchmark's own code reads replies."""


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


def protocol_for(rubric: Rubric, protocol: Protocol) -> Protocol:
    """The protocol to grade a benchmark by: for `official`, that of the benchmark's own code."""
    return find_protocol(rubric.official) if protocol.name == OFFICIAL else protocol


def find_protocols(names: str) -> list[Protocol]:
    """The protocols in a comma-separated list, without repetitions; raises as `find_protocol`."""
    return [find_protocol(name) for name in dict.fromkeys(n.strip() for n in names.split(","))]
