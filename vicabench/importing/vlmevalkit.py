"""Prediction files of VLMEvalKit: `MODEL_DATASET.xlsx` or `.tsv`, a row a question.

Since December 2025 its VSI-Bench has `index` (the question's id), `video` (`scannet/scene.mp4`),
`question_type`, `question`, `candidates`, `answer` and `prediction`; before that the dataset's
folder stood in `prefix` and the type in `type`. No version stands in the file.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.importing.rows import Record, Source, each
from vicabench.importing.sheets import rows_of

NAME = re.compile(r"(?P<model>.+?)_(?P<dataset>VSI-?Bench.*)", re.IGNORECASE)
FAILURE = "Failed to obtain answer"  # what it writes where an API gave none
LONGEST = 10_000  # characters of a list of options
SUBSETS = ("debiased", "pruned")  # in the names of data sets; others are of all questions


def read(path: Path) -> Source:
    """Read a prediction file; the model is what stands before `_VSI-Bench` in its name."""
    name = NAME.fullmatch(path.stem)
    return Source(
        harness="vlmevalkit",
        file=path,
        rows=each(rows_of(path), _record),
        model=name["model"] if name else None,
        subset=_subset(name["dataset"]) if name else None,
        details={"version": None, "dataset": name["dataset"] if name else None},
    )


def _subset(dataset: str) -> str:
    """By the name of the data set: `VSI-Bench-Debiased_32frame` is of one, `VSI-Bench` whole."""
    return next((name for name in SUBSETS if name in dataset.lower()), "full")


def _record(cells: Record) -> Record:
    if "prediction" not in cells:
        raise DataError("the column prediction is missing.")
    found = cells["prediction"]
    # pandas writes an empty reply as an empty cell.
    reply = "" if found is None else str(found)
    failed = reply.startswith(FAILURE)
    return {
        "id": cells.get("id") if cells.get("id") is not None else cells.get("index"),
        "video": _video(cells),
        "question_type": cells.get("question_type") or cells.get("type"),
        "question": cells.get("question"),
        "options": _options(cells.get("candidates")),
        "ground_truth": cells.get("answer"),
        "response": None if failed else reply,
        "error": f"vlmevalkit: {reply}" if failed else None,
    }


def _video(cells: Record) -> str | None:
    if cells.get("video") is None:
        return None
    name = str(cells["video"]).removesuffix(".mp4")
    return name if cells.get("prefix") is None else f"{cells['prefix']}/{name}"


def _options(value: Any) -> list[str] | None:
    """The options from a cell such as `['A. chair', 'B. table']`; None for an empty one."""
    if value is None:
        return None
    text = str(value)
    try:
        options = ast.literal_eval(text) if len(text) <= LONGEST else None
        if isinstance(options, list):
            return [str(option) for option in options] or None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass  # it is no list either
    raise DataError(f"candidates are no list of options: {text[:60]!r}.")
