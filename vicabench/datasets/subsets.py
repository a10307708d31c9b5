"""The published subsets of VSI-Bench: `debiased` and `pruned`, the complements of each other.

Newer revisions mark every question in the column `pruned`; older ones list ids in files of their
own. Row order changed between revisions, so everything is joined by id (arXiv 2511.04655).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vicabench.datasets import parquet
from vicabench.datasets.jsonl import read_text
from vicabench.errors import DataError
from vicabench.text import counted
from vicabench.types import Question

SUBSETS = ("full", "debiased", "pruned")
PRUNED_PARQUET, PRUNED_LIST, DEBIASED_PARQUET = (
    "test_pruned.parquet",
    "pruned_ids.txt",
    "test_debiased.parquet",
)
SUBSET_FILES = (PRUNED_PARQUET, PRUNED_LIST, DEBIASED_PARQUET)


COUNTS = {"full": 5130, "debiased": 2362, "pruned": 2768}
"""The questions of each subset, as published."""
LAST_ID = 5155


@cache
def published_pruned_ids() -> frozenset[str]:
    """Return the ids that VSI-Bench-Debiased leaves out, where there is no data set to ask.

    Source: github vision-x-nyu/test-set-training @472257c (arXiv 2511.04655).
    """
    file = resources.files("vicabench.datasets") / "pruned_ids.txt"
    return frozenset(file.read_text(encoding="utf-8").split())


def select(
    questions: tuple[Question, ...],
    rows: Sequence[Mapping[str, Any]],
    subset: str,
    folder: Path,
) -> tuple[Question, ...]:
    """Return the questions of `subset` in their order; `rows` are the same questions' rows.

    Raises:
        DataError: when neither a column nor a file says what belongs to the subset.
    """
    if subset == "full":
        return questions
    known = frozenset(question.id for question in questions)
    pruned = _pruned_column(rows)
    if pruned is None:
        pruned = _pruned_file(folder, known)
    if pruned is None:
        raise DataError(
            f"The subset {subset!r} cannot be told apart in {folder}: the questions have no column "
            f"'pruned', and there is no {', no '.join(SUBSET_FILES)}. Fetch a newer revision."
        )
    return tuple(q for q in questions if (q.id in pruned) == (subset == "pruned"))


def _pruned_column(rows: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the ids that the column marks; None unless every row has true or false in it."""
    if not all(isinstance(row.get("pruned"), bool) for row in rows):
        return None
    return frozenset(str(row["id"]) for row in rows if row["pruned"])


def _pruned_file(folder: Path, known: frozenset[str]) -> frozenset[str] | None:
    """Return the ids by the first file that is there, checked to be ids of questions."""
    readers: dict[str, Callable[[Path], Iterable[str]]] = {
        PRUNED_PARQUET: _parquet_ids,
        PRUNED_LIST: _listed_ids,
        DEBIASED_PARQUET: _parquet_ids,
    }
    for name, read in readers.items():
        if not (folder / name).is_file():
            continue
        ids = frozenset(read(folder / name))
        if strangers := sorted(ids - known):
            raise DataError(
                f"{folder / name} names {counted(len(strangers), 'id')} that no question has, "
                f"{strangers[0]!r} for one. Fetch all files from one revision."
            )
        return known - ids if name == DEBIASED_PARQUET else ids
    return None


def _parquet_ids(path: Path) -> list[str]:
    rows = [row for _, row in parquet.read_rows(path) if isinstance(row, dict)]
    if any(row.get("id") is None for row in rows):
        raise DataError(f"{path} has rows without an 'id'. Fetch or copy it again.")
    return [str(row["id"]) for row in rows]


def _listed_ids(path: Path) -> list[str]:
    return read_text(path).split()
