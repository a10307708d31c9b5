"""Per-sample outputs of lmms-eval: `DATE_samples_TASK.jsonl`, as `--log_samples` writes them.

Since 0.5 the document of a sample stands under the names of the task's metrics, before that
under `doc`. `resps` holds the raw reply; it is left out where filters changed nothing. The
model and the version stand in `DATE_results.json` beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.importing.lines import json_lines
from vicabench.importing.rows import Record, Source, each

FILES = "*_samples_*vsibench*.jsonl"
SUBSETS = {"vsibench": "full", "vsibench_debiased": "debiased", "vsibench_pruned": "pruned"}
NAME = re.compile(r"(?P<date>.*)_samples_(?P<task>.*)\.jsonl")
DOCUMENT = ("id", "dataset", "scene_name", "question_type", "question", "options", "ground_truth")


def read(path: Path) -> Source:
    """Read a samples file, or the one samples file of VSI-Bench in a folder."""
    file = _only_file(path) if path.is_dir() else path
    name = NAME.fullmatch(file.name)
    results = _results(file.with_name(f"{name['date']}_results.json")) if name else {}
    config = results.get("config")
    settings = config if isinstance(config, dict) else {}
    return Source(
        harness="lmms-eval",
        file=file,
        rows=each(json_lines(file), _record),
        model=(model or None) if isinstance(model := results.get("model_name"), str) else None,
        subset=SUBSETS.get(name["task"]) if name else None,
        details={
            "version": _version(results),
            "commit": results.get("git_hash"),
            "task": name["task"] if name else None,
            "model_type": settings.get("model"),
            "model_args": settings.get("model_args"),
            "gen_kwargs": settings.get("gen_kwargs"),
        },
    )


def _only_file(folder: Path) -> Path:
    found = sorted(folder.rglob(FILES))
    if len(found) != 1:
        names = ", ".join(str(file) for file in found[:5]) or "none"
        raise DataError(f"{folder} must hold one {FILES} (found: {names}). Name the file.")
    return found[0]


def _results(file: Path) -> dict[str, Any]:
    """The results beside the samples; nothing where they were not kept."""
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is not the results of lmms-eval ({error}).") from None
    return content if isinstance(content, dict) else {}


def _version(results: Record) -> str | None:
    """`BRANCH@COMMIT`; where lmms-eval is installed without git it calls itself unknown."""
    version = results.get("lmms_eval_version")
    return None if version is None or str(version).startswith("unknown") else str(version)


def _record(row: Record) -> Record:
    documents = [row.get("doc"), *row.values()]
    document = next((d for d in documents if isinstance(d, Mapping) and "question_type" in d), None)
    if document is None:
        raise DataError("no document with a question_type: was the task vsibench?")
    counts = _only(row.get("token_counts"))
    tokens = counts if isinstance(counts, Mapping) else {}
    reply = _reply(row)
    return {
        **{key: document[key] for key in DOCUMENT if key in document},
        "response": reply,
        "error": "lmms-eval: no reply" if reply is None else None,
        "prompt_tokens": tokens.get("input_tokens"),
        "new_tokens": tokens.get("output_tokens"),
    }


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
