"""Settings by their dotted names: those of `--set`, of refusals, and of the digest of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

HARMLESS = (
    "output",
    "shape",
    "saving.*",
    "logging.*",
    "limits.*",
    "hardware.workers",
    "hardware.gradient_checkpointing",
    "mixture.max_bad",
    "mixture.sources.*.media",
    "mixture.sources.*.published",
    "mixture.sources.*.visuals",
    "mixture.sources.*.published_of",
)
"""Settings, by patterns of their dotted names, that change no weight."""


def is_harmless(name: str) -> bool:
    """Whether the setting of this dotted name changes no weight."""
    return any(fnmatchcase(name, pattern) for pattern in HARMLESS)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that JSON knows, those inside each other too, by dotted names: `batch.pack`."""
    return dict(pair for key, value in values.items() for pair in _pairs(key, value))


def _pairs(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, list):
        value = {str(number): one for number, one in enumerate(value)}
    if not isinstance(value, Mapping):
        return [(name, value)]
    return [p for key, inner in value.items() for p in _pairs(f"{name}.{key}", inner)]


def digest_of(values: Mapping[str, Any]) -> str:
    """`sha256:` and the hash of values that JSON knows, whatever their order."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
