"""Published curves over the share of the training data, and published checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vicabench.reference.scores import agrees, decimals, macro, records, tasks_of

SOURCE = "ViCA2 README"


@dataclass(frozen=True, kw_only=True)
class ZooModel:
    """A published checkpoint; `percent` is its share of the training data, if stated.

    `family` is quoted from its page; for the architecture see its config.json.
    """

    repo: str
    family: str
    series: str
    percent: int | None
    stage: str
    description: str


def model_zoo() -> tuple[ZooModel, ...]:
    """Every published checkpoint of the family, in the order of the file."""
    return tuple(
        ZooModel(
            repo=record["repo_id"],
            family=record["family"],
            series=record["series"],
            percent=int(record["percent"]) if record["percent"] else None,
            stage=record["stage"],
            description=record["description"],
        )
        for record in records("model_zoo.csv")
    )


THINKING_SOURCE = "ViCA report Tables 2 and 3"


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """The average score in [0, 100] after training on `percent` of the data, and its source."""

    percent: int
    average: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One series of checkpoints of a report, by ascending share of the data."""

    series: str
    dataset: str
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, kw_only=True)
class ThinkingPoint:
    """A checkpoint of ViCA-7B-Thinking after `percent` of its data.

    `valid_outputs` of 5,130 replies were readable: `direct_answers` without thoughts and
    `via_thoughts` after them. `overall` and `tasks` are percentages as printed.
    """

    model: str
    percent: int
    valid_outputs: int
    direct_answers: int
    via_thoughts: int
    overall: float
    tasks: Mapping[str, float]
    decimals: int = 2
    source: str = THINKING_SOURCE

    @property
    def consistent(self) -> bool:
        """Whether the printed average is the unweighted mean of the printed tasks."""
        return agrees(self.overall, macro(self.tasks), self.decimals)


def curves() -> tuple[Curve, ...]:
    """The published scaling curves, in the order of the file: ViCA2, ViCA, ViCA on base data."""
    points: dict[tuple[str, str], list[CurvePoint]] = {}
    for record in records("scaling_curves.csv"):
        point = CurvePoint(
            percent=int(record["percent"]),
            average=float(record["average"]),
            source=record["source"],
        )
        points.setdefault((record["series"], record["dataset"]), []).append(point)
    return tuple(
        Curve(
            series=series, dataset=dataset, points=tuple(sorted(members, key=lambda p: p.percent))
        )
        for (series, dataset), members in points.items()
    )


def thinking_curve() -> tuple[ThinkingPoint, ...]:
    """The checkpoints of ViCA-7B-Thinking, by ascending share of the data."""
    rows = [_thinking(record) for record in records("thinking_curve.csv")]
    return tuple(sorted(rows, key=lambda row: row.percent))


def _thinking(record: Mapping[str, str]) -> ThinkingPoint:
    return ThinkingPoint(
        model=record["model"],
        percent=int(record["percent"]),
        valid_outputs=int(record["valid_outputs"]),
        direct_answers=int(record["direct_answers"]),
        via_thoughts=int(record["via_thoughts"]),
        overall=float(record["average"]),
        tasks=tasks_of(record),
        decimals=decimals(record),
    )
