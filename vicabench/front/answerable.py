"""Runs restricted to what their frames can answer: `vicabench score --answerable`.

Frames that are sampled from a video may show nothing of what a question asks about; ReVSI (arXiv
2604.24300) found this for up to 63% of the questions of a type of VSI-Bench at 16 frames. Which
questions a budget of frames can answer has to be known from elsewhere: annotations of what is
visible where, in a file with one JSON object a line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vica.video import sample_indices

from vicabench.benchmarks.own import read_lines
from vicabench.engine.options import check_number
from vicabench.errors import ConfigError, DataError, counted, printable
from vicabench.results.run import Run, load_run

BUDGETS, SEEN = ("id", "answerable"), ("id", "frames", "seen")
UNIFORM = "uniform"
"""How the `sampling` of a run begins whose frames are spread evenly over the video."""
LONGEST = 10_000_000
"""The most frames that a video may be said to have."""


def answerable(run: Run | str | Path, file: str | Path, *, frames: int | None = None) -> Run:
    """The part of a run whose questions a number of frames can answer.

    Each line of `file` is about one question, in one of two forms:

    - `{"id": "7", "answerable": {"16": false, "32": true}}` says it for some numbers of frames.
    - `{"id": "7", "frames": 900, "seen": {"chair": [0, 412], "sofa": [33]}}` has, for all things
      that the question is about, the frames of the video (counted from 0, of `frames`) that show
      them. The question can be answered if the sampled frames show each thing at least once.

    Args:
        run: A run, or the path of a run folder or predictions file.
        file: The JSON Lines file. Questions that it does not decide are left out, and counted in
            a note of the run.
        frames: The number of frames, spread evenly over the video; by default that of the run.

    Raises:
        ConfigError: The number of frames is neither given nor known.
        DataError: A line is malformed, or no question of the run can be answered.
    """
    run, file = run if isinstance(run, Run) else load_run(run), Path(file)
    frames = _frames(run, frames)
    verdicts = _read(file, frames)
    asked = _tasks(run)
    decided = {key for key in asked if verdicts.get(key) is not None}
    kept = {key for key in decided if verdicts[key]}
    shown = counted(frames, "frame")
    if not kept:
        why = "can be answered" if decided else f"is decided by {file}"
        raise DataError(f"{run.path}: none of {counted(len(asked), 'question')} {why} at {shown}.")
    note = f"answerable at {shown} by {file.name}: {_shares(run, asked, decided, kept)}"
    if left := len(asked) - len(decided):
        note += f"; left out, as the file does not decide them: {counted(left, 'question')}"
    return replace(
        run.only(kept),
        name=f"{run.name} (answerable at {shown})",
        origin=(*run.origin, printable(note)),
    )


def seen_frames(file: Path) -> tuple[dict[str, int], dict[str, set[int]]]:
    """How many frames each question's video has, and those that show anything it asks about.

    Only lines with `seen` are used.

    Raises:
        DataError: A line is malformed.
    """
    total: dict[str, int] = {}
    shown: dict[str, set[int]] = {}
    row: Any
    for place, row in read_lines(file):
        try:
            key, _ = _verdict(row, 1)
        except DataError as error:
            raise DataError(f"{file.name}, {place}: {error}") from None
        if "seen" in row:
            total[key] = row["frames"]
            shown[key] = {number for where in row["seen"].values() for number in where}
    return total, shown


def _frames(run: Run, frames: int | None) -> int:
    check_number("frames", frames, optional=True)
    config = run.config["config"] if run.config else {}
    if frames is None and str(config.get("sampling")).startswith(UNIFORM):
        frames = config["frames"]
    if not frames:
        raise ConfigError(
            f"{run.path} does not say how many frames, spread evenly, were sampled from a video: "
            "give the number with --answerable-at."
        )
    return frames


def _tasks(run: Run) -> dict[str, str]:
    """The task of each question of a run."""
    planned = {key: kind for asked in run.planned.values() for key, kind in asked.items()}
    kinds = planned | {question.id: question.task for question in run.questions}
    return {key: run.rubric.of_type[kind].name for key, kind in kinds.items()}


def _shares(
    run: Run, asked: Mapping[str, str], decided: Collection[str], kept: Collection[str]
) -> str:
    """How many questions, and which share of each task, can be answered."""
    parts = [f"{len(kept):,} of {counted(len(decided), 'question')}"]
    for task in run.rubric.tasks:
        ids = {key for key in decided if asked[key] == task.name}
        if ids:
            parts.append(f"{task.title} {100 * len(ids & set(kept)) / len(ids):.0f}%")
    return ", ".join(parts)


def _read(file: Path, frames: int) -> dict[str, bool | None]:
    """Whether each question can be answered, by its id; None where the file does not say."""
    verdicts: dict[str, bool | None] = {}
    for place, row in read_lines(file):
        try:
            key, verdict = _verdict(row, frames)
        except DataError as error:
            raise DataError(f"{file.name}, {place}: {error}") from None
        if key in verdicts:
            raise DataError(f"{file.name}, {place}: the question {key!r} is there twice.")
        verdicts[key] = verdict
    return verdicts


def _verdict(row: Any, frames: int) -> tuple[str, bool | None]:
    if not isinstance(row, Mapping) or tuple(sorted(row)) not in map(_sorted, (BUDGETS, SEEN)):
        raise DataError(f"expected an object with {', '.join(BUDGETS)}, or with {', '.join(SEEN)}.")
    if type(row["id"]) not in (str, int):
        raise DataError(f"'id' must be a text or a whole number, not {str(row['id'])[:80]!r}.")
    known = _budgets(row["answerable"]) if "answerable" in row else None
    verdict = _shown(row["seen"], row["frames"], frames) if known is None else known.get(frames)
    return str(row["id"]), verdict


def _sorted(keys: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(keys))


def _budgets(value: Any) -> dict[int, bool]:
    if not isinstance(value, Mapping) or not all(
        number.isdecimal() and isinstance(can, bool) for number, can in value.items()
    ):
        raise DataError("'answerable' must map numbers of frames to true or false.")
    return {int(number): can for number, can in value.items()}


def _shown(seen: Any, total: Any, frames: int) -> bool:
    """Whether the sampled frames show each thing at least once."""
    if type(total) is not int or not 1 <= total <= LONGEST:
        raise DataError(f"'frames' must be a whole number of frames, not {str(total)[:80]!r}.")
    if not isinstance(seen, Mapping) or not seen or not all(map(_is_list, seen.values())):
        raise DataError("'seen' must map things to lists of frames, with a thing at least.")
    numbers = [number for where in seen.values() for number in where]
    if wrong := [n for n in numbers if type(n) is not int or not 0 <= n < total]:
        raise DataError(
            f"'seen' names the frame {str(wrong[0])[:80]}, not one of 0 to {total - 1}."
        )
    sampled = set(sample_indices(total, frames).tolist())
    return all(not sampled.isdisjoint(where) for where in seen.values())


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
