"""The grades of a run as lines of JSON."""

from __future__ import annotations

import json

from vicabench.harnesses.protocols import Protocol
from vicabench.results.run import Run


def grades_jsonl(run: Run, protocol: Protocol) -> str:
    """One JSON line per question: model, id, protocol, what was read (or null), score, outcome."""
    return "".join(
        json.dumps(
            {
                "model": run.name,
                "id": g.id,
                "protocol": g.protocol,
                "read": g.read,
                "score": g.score,
                "outcome": g.outcome,
            }
        )
        + "\n"
        for g in run.grades(protocol)
    )
