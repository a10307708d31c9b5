"""Samples as lmms-eval logs them, and the official harness, a fork of it.

Since 0.4 a sample has its document under the names of the task's metrics, before that under
`doc`; samples without either have the document's number, the prompt and the truth. `resps` holds
the raw reply; it is missing where filters changed nothing.
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
    """The only file below a folder that matches a pattern.

    Raises:
        DataError: There is none, or several.
    """
    matches = sorted(folder.rglob(pattern))
    if len(matches) != 1:
        names = ", ".join(str(file) for file in matches[:5]) or "none"
        raise DataError(
            f"{folder} must hold one {pattern} (found: {names}). "
            + ("Name the file." if matches else "The harness writes it with --log_samples.")
        )
    return matches[0]


def results_in(file: Path) -> Record:
    """The results beside the samples; empty if the file does not exist."""
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not a results file of the harness ({error}).") from None
    return as_object(content)


def sample(row: Record) -> Record:
    """One logged sample as a row; raises DataError for a sample of another task."""
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
    """Every copy of a sample's document (question with grade), under whichever key."""
    values = [row.get("doc"), *row.values()]
    return [d for d in values if isinstance(d, Mapping) and "question_type" in d]


def _asked(row: Record) -> Record:
    """What identifies the question of a sample that was logged without its document."""
    number, prompt = row.get("doc_id"), row.get("input")
    if type(number) is not int or not isinstance(prompt, str):
        raise DataError("it has no document with a question_type. Was the task vsibench?")
    return {"position": number, "prompt": prompt, "ground_truth": row.get("target")}


def _reply(row: Record) -> str | None:
    """The reply; None if it is null or the list is empty, which is a failure to be counted."""
    if not {"resps", "filtered_resps"} & row.keys():
        raise DataError("it must hold one reply in resps or filtered_resps.")
    reply = _only(row["resps"] if "resps" in row else row.get("filtered_resps"))
    if reply in (None, []):
        return None
    if not isinstance(reply, str):
        raise DataError("it must hold one reply in resps or filtered_resps.")
    return reply


def _only(value: Any) -> Any:
    """The single member of (nested) lists of length one; any other value unchanged."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def as_object(value: Any) -> Record:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
