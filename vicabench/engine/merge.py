"""Parts of a run joined to one run folder: nothing lost, nothing counted twice.

Merging again continues a merge that was killed, and adds parts that came later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.benchmarks.descriptions import are_descriptions
from vicabench.engine.parts import Part, read_part, refuse_strangers
from vicabench.engine.shards import named
from vicabench.errors import DataError, RunFolderError
from vicabench.results.predictions import Prediction
from vicabench.results.store import (
    ERRORS,
    TIMING,
    RunConfig,
    RunFolder,
    digest_of,
    planned_ids,
    provenance,
    read_config,
)
from vicabench.text import counted


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What came of a merge: which parts are missing, and how much of the whole is there.

    `unasked` questions of the parts that are there have no answer yet, not even an error, and
    `failed` ones only that, which is none of the `answers`;
    `descriptions` says that they are none that can be graded.
    """

    missing: tuple[int, ...]
    unasked: int
    failed: int
    answers: int
    questions: int
    descriptions: bool


def merge(folders: Sequence[Path], out: Path, *, partial: bool = False) -> Merged:
    """Join the parts in `folders` to the run folder `out`; with `partial` what is there of them.

    RunFolderError or DataError, before anything is written, for folders that hold no part or do
    not belong together, for parts that are missing or unfinished unless `partial`, and for two
    different answers to one question.
    """
    parts = [read_part(folder) for folder in folders]
    refuse_strangers(parts)
    if any(folder.resolve() == out.resolve() for folder in folders):
        raise RunFolderError(f"{out} is one of the parts, which stay as they are: choose another.")
    with RunFolder(out, RunConfig(**parts[0].content["config"])) as store:
        before = read_config(out)
        together = parts
        if before and "part" in before["plan"]:  # merged before, from some of the parts
            together = [*parts, read_part(out)]
            refuse_strangers(together)
        plan = _plan(together)
        _refuse_whole(out, before, plan)
        there = store.predictions()
        joined = _joined([(out, there), *((part.folder, part.predictions) for part in parts)], plan)
        merged = _account(plan, joined, parts[0].record["questions"])
        if not partial:
            _refuse_gaps(together, merged, joined)
        _write(store, before, plan, parts, _news(there, joined))
    return merged


def _plan(parts: Sequence[Part]) -> dict[str, Any]:
    """The plan of all parts together, videos in the order of the whole."""
    videos: dict[str, Mapping[str, str]] = {}
    for part in parts:
        videos |= part.content["plan"]["videos"]
    whole = parts[0].record
    numbers = sorted({number for part in parts for number in part.record["parts"]})
    keys = [key for asked in videos.values() for key in asked]
    digest = digest_of(sorted(keys))
    complete = len(numbers) == whole["of"]
    if complete and digest != whole["question_ids_sha256"]:
        raise RunFolderError(
            "No part is missing, but together they do not plan all of the run's "
            f"{counted(whole['questions'], 'question')} (damaged or edited?)."
        )
    return {
        **({} if complete else {"part": {**whole, "parts": numbers}}),
        "questions": len(keys),
        "question_ids_sha256": digest,
        "videos": {video: videos[video] for video in whole["videos"] if video in videos},
    }


def _refuse_whole(out: Path, before: Mapping[str, Any] | None, plan: Mapping[str, Any]) -> None:
    if before and planned_ids(before["plan"]) - planned_ids(plan):
        raise RunFolderError(
            f"{out} holds a whole run already, of which these are only a part. Choose another "
            "--out."
        )


def _joined(
    sources: Iterable[tuple[Path, Sequence[Prediction]]], plan: Mapping[str, Any]
) -> dict[str, Prediction]:
    """The prediction of every question, in the order of the plan; an answer beats an error."""
    found: dict[str, tuple[Path, Prediction]] = {}
    planned = planned_ids(plan)
    for folder, predictions in sources:
        for new in predictions:
            key = new.question.id
            if key not in planned:
                raise DataError(f"{folder} answers question {key}, which its plan does not have.")
            other, old = found.setdefault(key, (folder, new))
            _refuse_conflict(key, other, old, folder, new)
            if old.response is None and new.response is not None:
                found[key] = (folder, new)
    order = [key for asked in plan["videos"].values() for key in asked if key in found]
    return {key: found[key][1] for key in order}


def _refuse_conflict(key: str, there: Path, old: Prediction, here: Path, new: Prediction) -> None:
    if None in (old.response, new.response):
        return
    if (old.question, old.response, old.answer.parts) != (
        new.question,
        new.response,
        new.answer.parts,
    ):
        raise RunFolderError(
            f"{there} and {here} answer question {key} differently: one part was run twice. Leave "
            "out one of the two."
        )


def _news(there: Sequence[Prediction], joined: Mapping[str, Prediction]) -> list[Prediction]:
    """What the folder does not hold yet, or holds as an error that has an answer by now."""
    old = {p.question.id: p for p in there}
    return [
        p
        for key, p in joined.items()
        if key not in old or (old[key].response is None and p.response is not None)
    ]


def _account(plan: Mapping[str, Any], joined: Mapping[str, Prediction], questions: int) -> Merged:
    part = plan.get("part")
    missing = set(range(1, part["of"] + 1)) - set(part["parts"]) if part else set()
    failed = sum(prediction.response is None for prediction in joined.values())
    return Merged(
        missing=tuple(sorted(missing)),
        unasked=len(planned_ids(plan) - joined.keys()),
        failed=failed,
        answers=len(joined) - failed,
        questions=questions,
        descriptions=are_descriptions(plan),
    )


def _refuse_gaps(parts: Sequence[Part], merged: Merged, joined: Mapping[str, Prediction]) -> None:
    """RunFolderError naming the parts that are missing, and those that are not finished."""
    of = parts[0].record["of"]
    lines = [f"  part {number}/{of} is missing" for number in merged.missing]
    told: set[str] = set()
    for part in parts:  # last, if at all, what holds several, of which only the others are told
        owed = planned_ids(part.content["plan"]) - joined.keys() - told
        told |= owed
        if owed:
            lines.append(
                f"  part {named(part.record)} in {part.folder}: "
                f"{counted(len(owed), 'question')} not asked yet"
            )
    if lines:
        raise RunFolderError(
            "The parts are not all there:\n"
            + "\n".join(lines)
            + "\nRun them to their end, or merge what is there with --partial."
        )


def _write(
    store: RunFolder,
    before: Mapping[str, Any] | None,
    plan: Mapping[str, Any],
    parts: Sequence[Part],
    news: Sequence[Prediction],
) -> None:
    known = [one for start in (before or {}).get("starts", ()) for one in start.get("merged", ())]
    new = [part for part in parts if part.origin not in known]
    if new or before is None or before["plan"] != plan:
        store.describe(plan, {**provenance(), "merged": [part.origin for part in new]})
    store.append(news)
    for part in new:
        _copy_notes(part, store)


def _copy_notes(part: Part, store: RunFolder) -> None:
    """Add the part's account of time and its log of errors to those of the whole.

    What was there when the part was merged before, and has grown since, is not added again.
    """
    out = store.path
    there = list(_records(out / TIMING))
    labelled = [{"part": named(part.record), **one} for one in _records(part.folder / TIMING)]
    store.note(TIMING, "".join(json.dumps(one) + "\n" for one in labelled if one not in there))
    title = f"part {named(part.record)}:"
    errors = _lines(part.folder / ERRORS)
    new = errors[_copied(title, errors, _lines(out / ERRORS)) :]
    if new:
        store.note(ERRORS, "\n".join([title, *new]) + "\n")


def _copied(title: str, errors: Sequence[str], log: Sequence[str]) -> int:
    """How many lines of a part's errors the log has below its title, from the first one on."""
    done = 0
    for start in (number for number, line in enumerate(log, 1) if line == title):
        same = takewhile(
            lambda pair: pair[0] == pair[1], zip(errors[done:], log[start:], strict=False)
        )
        done += sum(1 for _ in same)
    return done


def _records(file: Path) -> Iterator[Mapping[str, Any]]:
    """The lines that are JSON objects: what a killed process tore is no loss to any result."""
    for line in _lines(file):
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


def _lines(file: Path) -> list[str]:
    """The lines of a file; none where it is missing, or no plain file."""
    with suppress(OSError):
        return files.read(file).decode(errors="replace").splitlines()
    return []
