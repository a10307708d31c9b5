"""Samples as lmms-eval logs them, and the benchmark authors' harness, which is a fork of it.

Since 0.4 the document of a sample stands under the names of the task's metrics, before that
under `doc`; samples without either have the document's number, the prompt and the truth.
`resps` holds the raw reply; it is left out where filters changed nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.harnesses.rows import Record, own_score

SUBSETS = {
    "vsibench": "full",
    "vsibench_multiimage": "full",
    "vsibench_debiased": "debiased",
    "vsibench_debiased_multiimage": "debiased",
    "vsibench_pruned": "pruned",
}
DOCUMENT = (
    *("id", "dataset", "scene_name", "question_type", "question", "options", "ground_truth"),
    "pruned",
)


def only_file(folder: Path, pattern: str) -> Path:
    """The one file below a folder that a pattern names; DataError naming what there is else."""
    found = sorted(folder.rglob(pattern))
    if len(found) != 1:
        names = ", ".join(str(file) for file in found[:5]) or "none"
        raise DataError(
            f"{folder} must hold one {pattern} (found: {names}). "
            + ("Name the file." if found else "The harness writes it with --log_samples.")
        )
    return found[0]


def results_in(file: Path) -> Record:
    """The results beside the samples; nothing where they were not kept."""
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not the results of the harness ({error}).") from None
    return as_object(content)


def sample(row: Record) -> Record:
    """One logged sample as a row; DataError where it is no sample of the task."""
    counts = _only(row.get("token_counts"))
    tokens = counts if isinstance(counts, Mapping) else {}
    documents = documents_of(row)
    asked = _asked(row) if not documents else documents[0]
    reply = _reply(row)
    return {
        **{key: asked[key] for key in (*DOCUMENT, "position", "prompt") if key in asked},
        "response": reply,
        "error": "lmms-eval: no reply" if reply is None else None,
        "prompt_tokens": tokens.get("input_tokens"),
        "new_tokens": tokens.get("output_tokens"),
        "score": own_score(*documents),
    }


def documents_of(row: Record) -> list[Record]:
    """The question of a sample with its grade, wherever it stands, as often as it stands there."""
    found = [row.get("doc"), *row.values()]
    return [d for d in found if isinstance(d, Mapping) and "question_type" in d]


def _asked(row: Record) -> Record:
    """What tells which question it was, in a sample that was logged without its document."""
    number, prompt = row.get("doc_id"), row.get("input")
    if type(number) is not int or not isinstance(prompt, str):
        raise DataError("no document with a question_type: was the task vsibench?")
    return {"position": number, "prompt": prompt, "ground_truth": row.get("target")}


def _reply(row: Record) -> str | None:
    """The reply; None where it is null or none is listed: a failure, not a row to leave out."""
    if not {"resps", "filtered_resps"} & row.keys():
        raise DataError("it must hold one reply in resps or filtered_resps.")
    reply = _only(row["resps"] if "resps" in row else row.get("filtered_resps"))
    if reply in (None, []):
        return None
    if not isinstance(reply, str):
        raise DataError("it must hold one reply in resps or filtered_resps.")
    return reply


def _only(value: Any) -> Any:
    """The one member of nested lists of one; anything else as it is."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def as_object(value: Any) -> Record:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
