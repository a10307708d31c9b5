"""Published scores on VSI-Bench, and where they were published."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from statistics import fmean

from vicabench.errors import ConfigError, counted, did_you_mean
from vicabench.rubric import VSI


def records(name: str) -> Iterator[Mapping[str, str]]:
    """The rows of a file of published results; cells are as printed, empty if not printed."""
    text = resources.files("vicabench.reference").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def tasks_of(record: Mapping[str, str]) -> dict[str, float]:
    """The score of every task that the row prints, in the order of the papers' columns."""
    return {task.name: float(record[task.name]) for task in VSI.tasks if record[task.name]}


def decimals(record: Mapping[str, str]) -> int:
    """The number of decimals of the row's scores; the largest if they differ."""
    cells = [record["average"], *(record[task.name] for task in VSI.tasks)]
    return max((len(cell.partition(".")[2]) for cell in cells), default=0)


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A source: its `name`, with which the `source` of a row begins, its reference and address."""

    name: str
    citation: str
    url: str


def citations(sources: Iterable[str]) -> tuple[Citation, ...]:
    """The distinct references of these sources, in the order of the file.

    Raises:
        KeyError: A source has no reference, without which no result may be shown.
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
"""The number of questions of each task in VSI-Bench (counted from its annotations)."""


def macro(tasks: Mapping[str, float]) -> float | None:
    """The unweighted mean of the tasks; None unless all eight are printed."""
    return fmean(tasks.values()) if len(tasks) == len(VSI.tasks) else None


def micro(tasks: Mapping[str, float]) -> float | None:
    """The mean weighted by VSI-Bench's numbers of questions; None unless all eight are printed.

    Relative direction enters with its printed score, the mean of its three types.
    """
    if len(tasks) != len(VSI.tasks):
        return None
    return sum(tasks[name] * count for name, count in QUESTIONS.items()) / sum(QUESTIONS.values())


def agrees(printed: float, computed: float | None, decimals: int) -> bool:
    """Whether rounding alone explains the difference; True if nothing could be computed."""
    return computed is None or abs(printed - computed) <= 10.0**-decimals + 1e-9


FILES = ("vsibench_scores.csv", "vsibench_scores_more.csv")
WHOLE = "full"
SHOWN = 5  # candidates that a message lists


@dataclass(frozen=True, kw_only=True)
class Published:
    """A printed row: percentages per task name, without intervals because none were printed.

    `on` names the questions (`full`, or `tiny (400)` for the human subset), `decimals` is the
    printed precision, and `overall` the printed average, if there is one.
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
        """Whether the row covers the whole benchmark."""
        return self.on == WHOLE

    @property
    def label(self) -> str:
        """The model, with the set of questions if it is not the whole benchmark."""
        return self.model if self.whole else f"{self.model}, {self.on}"

    @property
    def consistent(self) -> bool:
        """Whether the printed average is the unweighted mean of the printed tasks.

        True also if an average or a task is not printed, so that this cannot be checked.
        """
        return self.overall is None or agrees(self.overall, macro(self.tasks), self.decimals)


def published_rows() -> tuple[Published, ...]:
    """Every published row, including those with only an average, in the order of the files."""
    return tuple(_row(record) for name in FILES for record in records(name))


def matching(words: str, text: str) -> bool:
    """Whether every word of `words` occurs in the text, ignoring case."""
    return all(word in text.casefold() for word in words.casefold().split())


def find_published(words: str) -> Published:
    """The row whose label or model is `words`, else the one whose label and source contain them.

    Raises:
        ConfigError: No row matches, or several do (the message lists the candidates).
    """
    rows = published_rows()
    exact = [r for r in rows if words.casefold() in (r.model.casefold(), r.label.casefold())]
    matches = exact or [r for r in rows if words.strip() and matching(words, _searched(r))]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise ConfigError(
            f"There is no published row '{words}'. `vicabench published` lists the rows."
            f"{did_you_mean(words, [row.label for row in rows])}"
        )
    names = "; ".join(f"{row.label} ({row.source})" for row in matches[:SHOWN])
    more = "; ..." if len(matches) > SHOWN else ""
    raise ConfigError(
        f"'{words}' matches {counted(len(matches), 'published row')}: {names}{more}. Add words "
        "from the label or the source until one is left."
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
