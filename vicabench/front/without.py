"""Runs without certain questions, beside the whole: `vicabench score --without`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from vicabench.benchmarks.own import read_lines, read_text
from vicabench.errors import DataError, counted, printable
from vicabench.results.run import Run, load_run

WRONG = "wrong"
"""The verdict in a list of doubts with which a question is left out."""


def without(run: Run | str | Path, file: str | Path) -> Run:
    """The part of a run without the questions of a file; show its score beside that of the whole.

    The file has an id a line, as `vicabench audit --out` writes them, or is a list of doubts
    (JSON Lines, `vicabench audit --labels --out`), of which the questions with the verdict `wrong`
    are left out.

    Args:
        run: A run, or the path of a run folder or predictions file.
        file: The file.

    Raises:
        DataError: The file is malformed, leaves out none of the questions or all of them, or no
            line of a list has the verdict `wrong`.
    """
    run, file = run if isinstance(run, Run) else load_run(run), Path(file)
    named = ids_in(file)
    asked = {key for each in run.planned.values() for key in each} | {q.id for q in run.questions}
    gone = named & asked
    if not gone or gone == asked:
        which = "all" if gone else "none"
        raise DataError(
            f"{file} names {counted(len(named), 'question')}, and {which} of the "
            f"{len(asked):,} of {run.path}. Name a file for this benchmark."
        )
    left = counted(len(gone), "question")
    note = f"without {left} of {len(asked):,} that {file.name} names"
    if unknown := len(named - asked):
        note += f" ({unknown} of its ids are not in the run)"
    return replace(
        run.only(asked - gone),
        name=f"{run.name} (without {left})",
        origin=(*run.origin, printable(note)),
    )


def ids_in(file: Path) -> set[str]:
    """The ids of a file to leave out.

    Raises:
        DataError: As `without`.
    """
    if not read_text(file).lstrip().startswith("{"):
        return set(read_text(file).split())
    ids = set(_judged(file))
    if not ids:
        raise DataError(
            f"{file} has no line with the verdict '{WRONG}', so nothing would be left out. Look "
            f'at its questions, and write "verdict": "{WRONG}" where the right answer is wrong.'
        )
    return ids


def _judged(file: Path) -> Iterator[str]:
    for place, row in read_lines(file):
        if not isinstance(row, Mapping) or not isinstance(row.get("id"), str | int):
            raise DataError(f"{file.name}, {place}: expected an object with id and verdict.")
        if row.get("verdict") == WRONG:
            yield str(row["id"])
