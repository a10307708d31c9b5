"""A grading protocol is a value: how it reads a number and a letter, and where that is published.

A new protocol is one file with a `PROTOCOL` in it and one line in `PROTOCOLS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from vicabench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`read_number` and `read_choice` take the raw reply and give None where they read nothing."""

    name: str
    source: str
    read_number: Callable[[str], float | None]
    read_choice: Callable[[str], str | None]


PROTOCOLS = {"official": "vicabench.grading.official"}


def find_protocol(name: str) -> Protocol:
    """The protocol of this name; ConfigError naming the known ones if there is none."""
    if name not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise ConfigError(f"There is no grading protocol '{name}'. Known protocols: {known}.")
    protocol: Protocol = importlib.import_module(PROTOCOLS[name]).PROTOCOL
    return protocol
