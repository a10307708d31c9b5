"""Prediction files of VLMEvalKit: `MODEL_DATASET.xlsx`, `.tsv` or `.json`, a row a question.

Since December 2025 its VSI-Bench has `index` (the question's id), `video` (`scannet/scene.mp4`),
`question_type`, `question`, `candidates`, `answer` and `prediction`; before that the dataset's
folder stood in `prefix` and the type in `type`. The tables of scores that it writes beside them
have `hit` or `MRA:.5:.95:.05` too. No version stands in the file.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.importing.rows import MEASURES, Record, Source, each, own_score
from vicabench.importing.sheets import CUT, is_cut, rows_of

NAME = re.compile(r"(?P<model>.+?)_(?P<dataset>VSI-?Bench.*)", re.IGNORECASE)
FRAMES = re.compile(r"_(\d{1,6})frame")
FAILURE = "Failed to obtain answer"  # what it writes where an API gave none
SUBSETS = ("debiased", "pruned")  # in the names of data sets; others are of all questions


def read(path: Path) -> Source:
    """Read a prediction file; the model is what stands before `_VSI-Bench` in its name."""
    name = NAME.fullmatch(path.stem)
    in_cells = path.suffix.lower() == ".xlsx"
    return Source(
        harness="vlmevalkit",
        file=path,
        rows=each(rows_of(path), lambda cells: _record(cells, in_cells=in_cells)),
        model=name["model"] if name else None,
        subset=_subset(name["dataset"]) if name else None,
        frames=int(frames[1]) if (frames := FRAMES.search(path.stem)) else 0,
        details={"version": None, "dataset": name["dataset"] if name else None},
    )


def _subset(dataset: str) -> str:
    """By the name of the data set: `VSI-Bench-Debiased_32frame` is of one, `VSI-Bench` whole."""
    return next((name for name in SUBSETS if name in dataset.lower()), "full")


def _record(cells: Record, *, in_cells: bool) -> Record:
    if "prediction" not in cells:
        raise DataError("the column prediction is missing.")
    reply = _reply(cells)
    failed = reply.startswith(FAILURE)
    score = own_score(cells)
    return {
        "id": _whole(cells.get("id") if cells.get("id") is not None else cells.get("index")),
        "video": _video(cells),
        "question_type": cells.get("question_type") or cells.get("type"),
        "question": cells.get("question"),
        "options": cells.get("candidates"),
        "ground_truth": cells.get("answer"),
        "response": None if failed else reply,
        "error": f"vlmevalkit: {reply}" if failed else None,
        "stop": CUT if in_cells and not failed and is_cut(reply) else None,
        **({} if score is None else {"score": score}),
    }


def _reply(cells: Record) -> str:
    """The reply; pandas writes an empty one as an empty cell, and as `nan` beside its score."""
    found = cells["prediction"]
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return ""
    scored = any(name in cells for name in MEASURES)
    return "" if scored and found == "nan" else str(found)


def _whole(value: Any) -> Any:
    """An id as it was before pandas made it a float, for a column with empty cells."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _video(cells: Record) -> str | None:
    if cells.get("video") is None:
        return None
    name = str(cells["video"]).removesuffix(".mp4")
    return name if cells.get("prefix") is None else f"{cells['prefix']}/{name}"
