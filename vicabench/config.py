"""What makes a run the run that it is; its digest decides what may be continued."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that can change an answer, and nothing else.

    Which questions are asked is not part of it: an answer does not depend on what else is asked,
    so a run of the first 20 questions may grow into a run of all of them.
    """

    model: str
    adapter: Mapping[str, Any]
    benchmark: str
    subset: str
    revision: str
    frames: int
    sampling: str
    seed: int

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration as canonical JSON, in hexadecimal."""
        return digest_of(asdict(self))


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces), in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
