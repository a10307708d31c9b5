"""A run in parts: who asks which videos, and the parts merged: nothing lost or counted twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from vicabench import files
from vicabench.benchmarks.descriptions import are_descriptions
from vicabench.errors import ConfigError, DataError, RunFolderError, counted
from vicabench.files import digest_of
from vicabench.predictions import Prediction, read_predictions
from vicabench.results.plan import by_video
from vicabench.results.store import (
    ERRORS,
    PREDICTIONS,
    TIMING,
    RunConfig,
    RunFolder,
    different_fields,
    planned_ids,
    provenance,
    read_config,
)
from vicabench.types import Question

WHOLE = ("of", "questions", "question_ids_sha256", "videos")
"""What is the same in every part of a whole."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run folder that holds a part, or several merged ones; `content` is its `config.json`."""

    folder: Path
    content: Mapping[str, Any]
    predictions: Sequence[Prediction]

    @property
    def record(self) -> Mapping[str, Any]:
        """Which part of which whole it is, as `Shard.record` wrote it."""
        found: Mapping[str, Any] = self.content["plan"]["part"]
        return found

    @property
    def origin(self) -> dict[str, Any]:
        """What a merged run keeps of the part: its name, its number, and all of its starts."""
        return {
            "folder": self.folder.resolve().name,
            "part": named(self.record),
            "answers": len(self.predictions),
            "starts": self.content["starts"],
        }


def read_part(folder: Path) -> Part:
    """RunFolderError if there is no part of a run in this folder, DataError if it is damaged."""
    content = read_config(folder)
    if content is None:
        raise RunFolderError(f"There is no run in {folder}: name the folders of its parts.")
    if "part" not in content["plan"]:
        raise RunFolderError(
            f"{folder} holds a whole run, not a part of one: only runs with --shard are merged."
        )
    file = folder / PREDICTIONS
    predictions = read_predictions(file, torn_ok=True) if file.exists() else []
    return Part(folder=folder, content=content, predictions=predictions)


def refuse_strangers(parts: Sequence[Part]) -> None:
    """RunFolderError naming what differs, unless all are parts of the same split of one run."""
    first = parts[0]
    for part in parts[1:]:
        both = f"{first.folder} and {part.folder}"
        lines = different_fields(first.content["config"], part.content["config"])
        if lines:
            ours = "\n".join(f"{line.removesuffix('now')}here" for line in lines)
            raise RunFolderError(f"{both} are of different runs:\n{ours}")
        if any(first.record[name] != part.record[name] for name in WHOLE):
            raise RunFolderError(
                f"{both} are parts of different splits: {named(first.record)} of "
                f"{counted(first.record['questions'], 'question')}, and {named(part.record)} of "
                f"{part.record['questions']}. All parts need the same --shard count, --limit and "
                "--tasks."
            )


RANKS = (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"))
"""What torchrun and srun tell their processes: rank, number, and rank on the machine, from 0."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Part `index`, counted from 1, of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def suffix(self) -> str:
        """What is added to the name of the whole run's folder; sorts by index."""
        return f"-shard-{self.index:0{len(str(self.count))}}-of-{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Self:
        """`2/8`, or `auto` for the rank that torchrun or srun has told; ConfigError for others."""
        if text == "auto":
            text = _rank_of(environment)
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        index, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= index <= count:
            raise ConfigError(
                f"--shard {text} is no part: write 1/8 for the first of eight, up to 8/8, or auto."
            )
        return cls(index=index, count=count)

    def of(self, selected: Sequence[Question]) -> tuple[Question, ...]:
        """The questions of this part, in order, whole videos at a time.

        The videos with most questions go first, each to the part that has the fewest questions by
        then: parts differ by no more than the questions of one video. ConfigError if there are
        fewer videos than parts.
        """
        grouped = by_video(selected)
        if len(grouped) < self.count:
            raise ConfigError(
                f"--shard {self}: {counted(len(grouped), 'video')} cannot be split into "
                f"{counted(self.count, 'part')}. Split into {len(grouped)} at most."
            )
        sizes, videos = [0] * self.count, set()
        for video in sorted(grouped, key=lambda name: -len(grouped[name])):  # ties in order
            smallest = sizes.index(min(sizes))
            sizes[smallest] += len(grouped[video])
            if smallest == self.index - 1:
                videos.add(video)
        return tuple(question for question in selected if question.video in videos)

    def record(self, selected: Sequence[Question]) -> dict[str, Any]:
        """What the plan keeps: which part of which whole, whose `videos` are in order."""
        return {
            "parts": [self.index],
            "of": self.count,
            "questions": len(selected),
            "question_ids_sha256": digest_of(sorted(q.id for q in selected)),
            "videos": list(by_video(selected)),
        }


def refuse_other_part(folder: Path, part: Mapping[str, Any] | None) -> None:
    """RunFolderError if the folder holds another part than this one, or one of another whole."""
    there = read_config(folder)
    old = there["plan"].get("part") if there else None
    if part is None or old is None or dict(part) == old:
        return
    if (old["parts"], old["of"]) != (part["parts"], part["of"]):
        raise RunFolderError(
            f"{folder} holds part {named(old)} of a run, not {named(part)}. Choose another --out."
        )
    raise RunFolderError(
        f"{folder} holds part {named(old)} of {counted(old['questions'], 'question')}; now it "
        f"would be of {part['questions']}, which are split in another way. Repeat the --limit and "
        "--tasks that the parts were started with, or start all parts anew with another --out."
    )


def named(part: Mapping[str, Any]) -> str:
    """`2/8`, or `1, 3/8` for parts that were merged without the others."""
    return f"{', '.join(map(str, part['parts']))}/{part['of']}"


def own_gpu(environment: Mapping[str, str]) -> str | None:
    """What CUDA_VISIBLE_DEVICES should be for one of several processes on a machine.

    torchrun shows every process all GPUs, and so may srun: each takes the one of its local rank.
    None where it should stay as it is, because only one is shown or there is no such rank.
    """
    local = next((environment[name] for *_, name in RANKS if name in environment), None)
    shown = [name for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    if local is None or not local.isdecimal() or len(shown) == 1:
        return None
    if VISIBLE not in environment:
        return local
    return shown[int(local)] if int(local) < len(shown) else None


def _rank_of(environment: Mapping[str, str]) -> str:
    for rank, count, _ in RANKS:
        if rank in environment and count in environment:
            try:
                return f"{int(environment[rank]) + 1}/{int(environment[count])}"
            except ValueError:
                return f"{environment[rank]}/{environment[count]}"
    names = " nor ".join(f"{rank} and {count}" for rank, count, _ in RANKS)
    raise ConfigError(
        f"--shard auto finds neither {names} in the environment: start it with srun or torchrun, "
        "or write --shard 1/8."
    )


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
    reported: set[str] = set()
    for part in parts:  # last, if at all, what holds several, of which only the others are reported
        owed = planned_ids(part.content["plan"]) - joined.keys() - reported
        reported |= owed
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
