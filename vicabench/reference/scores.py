"""Published rows of the VSI-Bench table: models, chance levels and people.

`vsibench_scores.csv` is the table of the two ViCA reports; `vsibench_scores_more.csv` holds the
chance, human and other rows of the VSI-Bench paper and later models. Figures are kept as printed,
also where a printed average is not the mean of its own columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vicabench.errors import ConfigError
from vicabench.reference.averages import agrees, macro
from vicabench.reference.files import decimals, records, tasks_of
from vicabench.text import counted

FILES = ("vsibench_scores.csv", "vsibench_scores_more.csv")
WHOLE = "full"
SHOWN = 5  # of the candidates for a name


@dataclass(frozen=True, kw_only=True)
class Published:
    """A printed row: percentages per task name, without intervals because none were printed.

    `on` says which questions it is about (`full`, or `tiny (400)` for the human subset),
    `decimals` how finely the row was printed. `overall` is the printed average, if there is one.
    """

    model: str
    group: str
    on: str
    source: str
    overall: float | None
    tasks: Mapping[str, float]
    decimals: int = 1

    @property
    def whole(self) -> bool:
        """Whether the row is about the whole benchmark."""
        return self.on == WHOLE

    @property
    def label(self) -> str:
        """The model, and what it was asked if that was not the whole benchmark."""
        return self.model if self.whole else f"{self.model}, {self.on}"

    @property
    def consistent(self) -> bool:
        """Whether the printed average is the unweighted mean of the printed tasks.

        True also where an average or a task is not printed: then nothing speaks against it.
        """
        return self.overall is None or agrees(self.overall, macro(self.tasks), self.decimals)


def published_rows() -> tuple[Published, ...]:
    """Every published row, also those that print an average alone, in the order of the files."""
    return tuple(_row(record) for name in FILES for record in records(name))


def matching(words: str, text: str) -> bool:
    """Whether every word of `words` occurs in the text, whatever its case."""
    return all(word in text.casefold() for word in words.casefold().split())


def find_published(words: str) -> Published:
    """The one row that is meant: its label or model exactly, else all words in label and source.

    ConfigError naming the candidates if there are several, or how to list the rows if none.
    """
    rows = published_rows()
    exact = [r for r in rows if words.casefold() in (r.model.casefold(), r.label.casefold())]
    found = exact or [r for r in rows if words.strip() and matching(words, _searched(r))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"There is no published row '{words}'. `vicabench published` lists the rows."
        )
    names = "; ".join(f"{row.label} ({row.source})" for row in found[:SHOWN])
    more = "; ..." if len(found) > SHOWN else ""
    raise ConfigError(
        f"'{words}' names {counted(len(found), 'published row')}: {names}{more}. Add words of the "
        "label or of the source until one is left."
    )


def _searched(row: Published) -> str:
    return f"{row.label} {row.source}"


def _row(record: Mapping[str, str]) -> Published:
    return Published(
        model=record["model"],
        group=record["group"],
        on=record.get("frames_or_set", WHOLE),
        source=record["source"],
        overall=float(record["average"]) if record["average"] else None,
        tasks=tasks_of(record),
        decimals=decimals(record),
    )
