"""The checkpoints that the authors of ViCA published, as their list describes them."""

from __future__ import annotations

from dataclasses import dataclass

from vicabench.reference.files import records

SOURCE = "ViCA2 README"


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
        for record in records("model_zoo.csv")
    )
