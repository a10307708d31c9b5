"""The CSV files beside this module, read as text: a printed `34.0` is not the same as `34`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from importlib import resources

from vicabench.types import TASKS


def records(name: str) -> Iterator[Mapping[str, str]]:
    """The rows of a file of published results, each cell as printed, empty where nothing is."""
    text = resources.files("vicabench.reference").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def tasks_of(record: Mapping[str, str]) -> dict[str, float]:
    """The figure of every task that the row prints, in the order of the papers' columns."""
    return {task.name: float(record[task.name]) for task in TASKS if record[task.name]}


def decimals(record: Mapping[str, str]) -> int:
    """How many decimals the row's scores are printed with (at most, where they differ)."""
    cells = [record["average"], *(record[task.name] for task in TASKS)]
    return max((len(cell.partition(".")[2]) for cell in cells), default=0)
