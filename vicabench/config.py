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

    An answer counts as changed if it differs in exact arithmetic. Which questions are asked, and
    how many together, is therefore no part of it, so a run of the first 20 videos may grow into a
    run of all. In float32 the texts are equal too; in bfloat16 another grouping, or a resumed run,
    may part a reply where two tokens are nearly as likely. What was asked together is recorded
    with every start.
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
