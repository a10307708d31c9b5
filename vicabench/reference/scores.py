"""Published rows of the VSI-Bench table, each with its source and citation."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from statistics import fmean

from vicabench.errors import ConfigError, counted
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


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A source: `name` as the rows begin their `source` with, the full reference, its address."""

    name: str
    citation: str
    url: str


def citations(sources: Iterable[str]) -> tuple[Citation, ...]:
    """The references that these sources name, each once, in the order of their list.

    KeyError for a source that names none: no figure is published here without its reference.
    """
    known = [Citation(**record) for record in records("citations.csv")]
    cited = {_cited(source, known).name for source in sources}
    return tuple(citation for citation in known if citation.name in cited)


def _cited(source: str, known: list[Citation]) -> Citation:
    for citation in known:
        if source.startswith(f"{citation.name} ") or source == citation.name:
            return citation
    raise KeyError(source)


QUESTIONS: Mapping[str, int] = {
    "object_counting": 565,
    "object_abs_distance": 834,
    "object_size_estimation": 953,
    "room_size_estimation": 288,
    "object_rel_distance": 710,
    "object_rel_direction": 968,
    "route_planning": 194,
    "obj_appearance_order": 618,
}
"""Questions of each task in the whole of VSI-Bench (counted from its annotations)."""


def macro(tasks: Mapping[str, float]) -> float | None:
    """The unweighted mean of the tasks; None unless all eight are printed."""
    return fmean(tasks.values()) if len(tasks) == len(TASKS) else None


def micro(tasks: Mapping[str, float]) -> float | None:
    """The mean weighted by the questions of VSI-Bench; None unless all eight are printed.

    Relative direction enters as its printed score, the mean of its three types.
    """
    if len(tasks) != len(TASKS):
        return None
    return sum(tasks[name] * count for name, count in QUESTIONS.items()) / sum(QUESTIONS.values())


def agrees(printed: float, computed: float | None, decimals: int) -> bool:
    """Whether rounding alone explains the difference; True where nothing can be computed."""
    return computed is None or abs(printed - computed) <= 10.0**-decimals + 1e-9


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
