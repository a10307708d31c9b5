"""Published results as data, each row with its source.

`vsibench_scores.csv` is the table of the two ViCA reports; `vsibench_scores_more.csv` holds the
chance, human and other rows of the VSI-Bench paper and later models. Figures are kept as printed,
also where a printed average is not the mean of its own columns. `model_zoo.csv` lists the
checkpoints that the authors of ViCA published.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from vicabench.types import TASKS

FILES = ("vsibench_scores.csv", "vsibench_scores_more.csv")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A printed row: percentages per task name, without intervals because none were printed.

    `on` says which questions it is about (`full`, or `tiny (400)` for the human subset).
    """

    model: str
    group: str
    on: str
    source: str
    overall: float | None
    tasks: Mapping[str, float]

    @property
    def label(self) -> str:
        """The model, and what it was asked if that was not the whole benchmark."""
        return self.model if self.on == "full" else f"{self.model}, {self.on}"


def published_scores() -> tuple[Published, ...]:
    """All published rows that print at least one task, in the order of the files."""
    rows = [row for name in FILES for row in _read(name)]
    return tuple(row for row in rows if row.tasks)


@dataclass(frozen=True, kw_only=True)
class ZooModel:
    """A published checkpoint. `percent` is the share of the data it was trained on, if stated.

    `family` is what its page says; the architecture is what its config.json says.
    """

    repo: str
    family: str
    series: str
    percent: int | None
    stage: str
    description: str


def model_zoo() -> tuple[ZooModel, ...]:
    """Every published checkpoint of the family, in the order of their list."""
    return tuple(
        ZooModel(
            repo=record["repo_id"],
            family=record["family"],
            series=record["series"],
            percent=int(record["percent"]) if record["percent"] else None,
            stage=record["stage"],
            description=record["description"],
        )
        for record in _records("model_zoo.csv")
    )


def _read(name: str) -> list[Published]:
    return [_row(record) for record in _records(name)]


def _records(name: str) -> csv.DictReader[str]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())


def _row(record: Mapping[str, str]) -> Published:
    return Published(
        model=record["model"],
        group=record["group"],
        on=record.get("frames_or_set", "full"),
        source=record["source"],
        overall=float(record["average"]) if record["average"] else None,
        tasks={task.name: float(record[task.name]) for task in TASKS if record[task.name]},
    )
