"""Published scores on other benchmarks than VSI-Bench, and on VSI-Bench's subsets."""

from __future__ import annotations

from collections.abc import Mapping

from vicabench.reference.scores import Published, records

FILE = "sister_scores.csv"


def published_on(benchmark: str, subset: str = "full") -> tuple[Published, ...]:
    """The printed rows of a benchmark, or of a subset that has its own, in the order of the file.

    `on` of a row says how its score came about (`64 frames`), `full` if nothing was printed. Scores
    of other frames, prompts or readings are not comparable: a row names what is known of them.
    """
    names = (benchmark, f"{benchmark}:{subset}")
    return tuple(_row(record) for record in records(FILE) if record["benchmark"] in names)


def sister_benchmarks() -> tuple[str, ...]:
    """The benchmarks with rows, `NAME` or `NAME:SUBSET`, in the order of the file."""
    return tuple(dict.fromkeys(record["benchmark"] for record in records(FILE)))


def _row(record: Mapping[str, str]) -> Published:
    cells = dict(cell.split("=") for cell in record["tasks"].split())
    printed = [*cells.values(), record["average"]]
    return Published(
        model=record["model"],
        group=record["group"],
        on=record["frames_or_set"],
        source=record["source"],
        overall=float(record["average"]) if record["average"] else None,
        tasks={name: float(cell) for name, cell in cells.items()},
        decimals=max(len(cell.partition(".")[2]) for cell in printed),
    )
