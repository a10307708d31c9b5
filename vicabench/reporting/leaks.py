"""What training data has of a benchmark, as a table and as rows."""

from __future__ import annotations

import json
from typing import Any

from vicabench.audits.frames import SameFrames
from vicabench.audits.overlap import ANSWER, FRAMES, LEVELS, QUESTION, ROOM, VIDEO, Overlap
from vicabench.errors import counted
from vicabench.reporting.tables import Sheet

LEAK_COLUMNS = ("id", "video", "question_type", "level", *LEVELS, "example", "verdict")


def overlap_sheet(overlap: Overlap) -> Sheet:
    """How many questions of each task are in the training data, by the strength of evidence."""
    rows, of_type = [], overlap.rubric.of_type
    shown = () if overlap.frames is None else (FRAMES,)
    levels = (ROOM, VIDEO, *shown, QUESTION, ANSWER)
    named = [(task.title, task.name) for task in overlap.rubric.tasks]
    for title, name in [*named, ("all", "")]:
        mine = {q.id for q in overlap.questions if name in ("", of_type[q.task].name)}
        if mine:
            found = [len(mine & overlap.ids(level)) for level in levels]
            rows.append((title, len(mine), *found, len(mine & overlap.worded)))
    videos = {q.video for q in overlap.questions}
    seen = {q.video for q in overlap.questions if q.id in overlap.ids(VIDEO)}
    records = counted(sum(overlap.files.values()), "record")
    notes = [
        f"{records} read of {counted(len(overlap.files), 'file')}: {len(seen)} of "
        f"{counted(len(videos), 'video')} of the benchmark are in them.",
        "room: another scan of the room, by ScanNet's names; video: a record about the question's "
        "video; question: the same words about that video; answer: with the right answer; words: "
        "the same words about any video, which templates explain.",
    ]
    if bad := sum(overlap.unread.values()):
        notes.append(f"Not read: {counted(bad, 'record')} that are not conversations.")
    if overlap.frames is not None:
        notes.append(_about_frames(overlap.frames))
    if overlap.skipped:
        first = f"Skipped: {counted(len(overlap.skipped), 'file')} of the folders, such as "
        notes.append(first + overlap.skipped[0])
    return Sheet(
        title="In the training data",
        columns=("", "n", *levels, "words"),
        rows=tuple(tuple(str(cell) for cell in row) for row in rows),
        notes=tuple(notes),
    )


def _about_frames(frames: SameFrames) -> str:
    """What was compared by frames, and what could not be."""
    pairs = sorted(frames.found.items())
    named = "; ".join(f"{name} in {m.file} ({100 * m.share:.0f}%)" for name, m in pairs[:3])
    text = (
        f"frames: {counted(frames.compared, 'video')} compared with {frames.media:,} of the "
        f"training data by fingerprints of frames, {len(pairs)} found"
        + (f": {named}" if named else "")
    )
    if len(pairs) > 3:
        text += " ..."
    if frames.failed:
        bad = counted(len(frames.failed), "video")
        text += f". {bad} could not be decoded, such as {frames.failed[0]}"
    return f"{text}."


def leak_rows(overlap: Overlap) -> list[dict[str, Any]]:
    """A row per question that was found, in the order of the benchmark."""
    return [
        {
            "id": question.id,
            "video": question.video,
            "question_type": question.task,
            "level": found.level,
            **{level: found.records.get(level, 0) for level in LEVELS},
            "example": found.example,
            "verdict": "",
        }
        for question in overlap.questions
        if (found := overlap.found.get(question.id))
    ]


def overlap_record(overlap: Overlap) -> dict[str, Any]:
    """The whole as JSON values."""
    return {
        "questions": len(overlap.questions),
        "files": dict(overlap.files),
        "unread": dict(overlap.unread),
        "skipped": list(overlap.skipped),
        "levels": {level: len(overlap.ids(level)) for level in LEVELS},
        "words": len(overlap.worded),
        "found": leak_rows(overlap),
    }


def leaks_jsonl(overlap: Overlap) -> str:
    """The rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in leak_rows(overlap))
