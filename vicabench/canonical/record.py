"""What a derived run says of itself: in its configuration, its name and its notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vicabench.predictions import Prediction

DERIVED = "canonicalized_from"
"""The field of a derived run's adapter settings by which it is known."""
BLAME = "canonicalizer: "
"""How an error begins that is no failure of the model, but of what was to read its answers."""


def is_derived(config: Mapping[str, Any] | None) -> bool:
    """Whether the content of a `config.json` is that of a canonicalized run."""
    return config is not None and DERIVED in config["config"]["adapter"]


def note_on(config: Mapping[str, Any], predictions: Sequence[Prediction]) -> str:
    """One line about a derived run: by what, from what, and what could not be read."""
    settings = config["config"]["adapter"]
    by = _of(settings, "canonicalizer", "model")
    version, digest = (_of(settings, "canonicalizer_prompt", key) for key in ("version", "sha256"))
    parent = _of(settings, DERIVED, "predictions_sha256")
    note = (
        f"derived: final answers made numbers and letters by {by}, prompt {version} "
        f"({digest[:12]}), from predictions {parent[:12]}"
    )
    blamed = sum((p.answer.error or "").startswith(BLAME) for p in predictions)
    return note + (f"; {blamed} of the unanswered are failures of {by}" if blamed else "")


def _of(settings: Mapping[str, Any], name: str, key: str) -> str:
    """A value two levels down as a text; a file may have been edited, and is not trusted."""
    found = settings.get(name)
    return str(found.get(key)) if isinstance(found, Mapping) else "unknown"
