"""Split a run into parts, and merge the parts without loss or double counting."""

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
from vicabench.predictions import Prediction
from vicabench.results.plan import by_video
from vicabench.results.store import (
    ERRORS,
    TIMING,
    RunConfig,
    RunFolder,
    different_fields,
    plan_rubric,
    planned_ids,
    planned_keys,
    planned_repeats,
    provenance,
    read_config,
    run_predictions,
)
from vicabench.types import Key, Question

WHOLE = ("of", "questions", "question_ids_sha256", "videos")
"""Fields that are the same in all parts of one run."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run folder that holds one part or several merged ones; `content` is its `config.json`."""

    folder: Path
    content: Mapping[str, Any]
    predictions: Sequence[Prediction]

    @property
    def record(self) -> Mapping[str, Any]:
        """Which part of which run it is, as `Shard.record` wrote it."""
        record: Mapping[str, Any] = self.content["plan"]["part"]
        return record

    @property
    def origin(self) -> dict[str, Any]:
        """What a merged run records about the part: its folder, number, and all its starts."""
        return {
            "folder": self.folder.resolve().name,
            "part": named(self.record),
            "answers": len(self.predictions),
            "starts": self.content["starts"],
        }


def read_part(folder: Path) -> Part:
    """Read a folder that holds a part of a run.

    Raises:
        RunFolderError, DataError: If it holds no run, a whole one, or a damaged one.
    """
    content = read_config(folder)
    if content is None:
        raise RunFolderError(f"There is no run in {folder}: name the folders of its parts.")
    if "part" not in content["plan"]:
        raise RunFolderError(
            f"{folder} holds a whole run, not a part of one: only runs with --shard are merged."
        )
    return Part(folder=folder, content=content, predictions=run_predictions(folder))


def refuse_strangers(parts: Sequence[Part]) -> None:
    """Raise a RunFolderError that names the difference unless all are parts of one split run."""
    first = parts[0]
    for part in parts[1:]:
        both = f"{first.folder} and {part.folder}"
        lines = different_fields(first.content["config"], part.content["config"])
        if lines:
            ours = "\n".join(f"{line.removesuffix('now')}here" for line in lines)
            raise RunFolderError(f"{both} are parts of different runs:\n{ours}")
        times = {planned_repeats(each.content["plan"]) for each in (first, part)}
        if len(times) > 1 or any(first.record[name] != part.record[name] for name in WHOLE):
            raise RunFolderError(
                f"{both} are parts of different splits: {named(first.record)} of "
                f"{counted(first.record['questions'], 'question')}, and {named(part.record)} of "
                f"{part.record['questions']}. All parts need the same --shard count, --limit, "
                "--tasks and --repeats."
            )


RANKS = (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"))
"""Variables set by torchrun and srun: rank, number of ranks, and rank on the machine, from 0."""
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
        """The suffix of the folder of this part; folders sort by index."""
        return f"-shard-{self.index:0{len(str(self.count))}}-of-{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Self:
        """Parse `2/8`, or `auto` for the rank set by torchrun or srun; else ConfigError."""
        if text == "auto":
            text = _rank_of(environment)
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        index, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= index <= count:
            raise ConfigError(
                f"--shard {text} is not a part: write 1/8 for the first of eight, up to 8/8, or "
                "auto."
            )
        return cls(index=index, count=count)

    def of(self, selected: Sequence[Question]) -> tuple[Question, ...]:
        """The questions of this part, in order; all questions about a video are in one part.

        Videos are assigned in order of decreasing number of questions, each to the part with the
        fewest questions so far. The sizes of the parts therefore differ by at most the questions
        of one video.

        Raises:
            ConfigError: If there are fewer videos than parts.
        """
        grouped = by_video(selected)
        if len(grouped) < self.count:
            raise ConfigError(
                f"--shard {self}: {counted(len(grouped), 'video')} cannot be split into "
                f"{counted(self.count, 'part')}. Split into {len(grouped)} at most."
            )
        sizes, videos = [0] * self.count, set()
        for video in sorted(
            grouped, key=lambda name: -len(grouped[name])
        ):  # a stable sort: every process splits alike
            smallest = sizes.index(min(sizes))
            sizes[smallest] += len(grouped[video])
            if smallest == self.index - 1:
                videos.add(video)
        return tuple(question for question in selected if question.video in videos)

    def record(self, selected: Sequence[Question]) -> dict[str, Any]:
        """What the plan records: which part of which run, and the videos of the whole run."""
        return {
            "parts": [self.index],
            "of": self.count,
            "questions": len(selected),
            "question_ids_sha256": digest_of(sorted(q.id for q in selected)),
            "videos": list(by_video(selected)),
        }


def refuse_other_part(folder: Path, part: Mapping[str, Any] | None) -> None:
    """Raise a RunFolderError if the folder holds another part, or a part of another split."""
    content = read_config(folder)
    old = content["plan"].get("part") if content else None
    if part is None or old is None or dict(part) == old:
        return
    if (old["parts"], old["of"]) != (part["parts"], part["of"]):
        raise RunFolderError(
            f"{folder} holds part {named(old)} of a run, not {named(part)}. Choose another --out."
        )
    raise RunFolderError(
        f"{folder} holds part {named(old)} of {counted(old['questions'], 'question')}; this "
        f"command splits {counted(part['questions'], 'question')} differently. Repeat the --limit "
        "and --tasks of the other parts, or restart all parts with another --out."
    )


def named(part: Mapping[str, Any]) -> str:
    """The name of a part: `2/8`, or `1, 3/8` for merged parts."""
    return f"{', '.join(map(str, part['parts']))}/{part['of']}"


def own_gpu(environment: Mapping[str, str]) -> str | None:
    """The CUDA_VISIBLE_DEVICES for one of several processes on a machine.

    torchrun, and possibly srun, show all GPUs to every process: each should use the GPU of its
    local rank.

    Returns:
        None to keep the variable: one GPU is shown, or there is no local rank.
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
    """The result of a merge.

    Attributes:
        missing: The numbers of the parts that are missing.
        unasked: Questions of the merged parts that have neither an answer nor an error.
        failed: Questions that have an error.
        answers: Questions that have an answer.
        questions: Questions of the whole run.
        descriptions: Whether the answers are descriptions, which cannot be graded.
    """

    missing: tuple[int, ...]
    unasked: int
    failed: int
    answers: int
    questions: int
    descriptions: bool


def merge(parts: Sequence[str | Path], out: str | Path, *, partial: bool = False) -> Merged:
    """Merge the run folders `parts` into the run folder `out`; the parts are not changed.

    Args:
        partial: Merge what exists even if parts are missing or unfinished.

    Raises:
        RunFolderError, DataError: Before anything is written: for folders that hold no part or
            parts of different runs, for missing or unfinished parts unless `partial`, and for two
            different answers to one question.
    """
    folders, out = [Path(part) for part in parts], Path(out)
    read = [read_part(folder) for folder in folders]
    refuse_strangers(read)
    if any(folder.resolve() == out.resolve() for folder in folders):
        raise RunFolderError(f"{out} is one of the parts, which are not changed: choose another.")
    rubric = plan_rubric(read[0].content["plan"])
    with RunFolder(out, RunConfig(**read[0].content["config"]), rubric) as store:
        before = read_config(out)
        together = read
        if before and "part" in before["plan"]:  # some of the parts were merged earlier
            together = [*read, read_part(out)]
            refuse_strangers(together)
        plan = _plan(together)
        _refuse_whole(out, before, plan)
        present = store.predictions()
        joined = _joined(
            [(out, present), *((part.folder, part.predictions) for part in read)], plan
        )
        merged = _account(plan, joined, read[0].record["questions"] * planned_repeats(plan))
        if not partial:
            _refuse_gaps(together, merged, joined)
        _write(store, before, plan, read, _news(present, joined))
    return merged


def _plan(parts: Sequence[Part]) -> dict[str, Any]:
    """The plan of all parts together, with videos in the order of the whole run."""
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
            "No part is missing, but together the parts do not plan all of the run's "
            f"{counted(whole['questions'], 'question')} (damaged or edited?)."
        )
    known = ("part", "questions", "question_ids_sha256", "videos")
    return {
        **({} if complete else {"part": {**whole, "parts": numbers}}),
        **{key: value for key, value in parts[0].content["plan"].items() if key not in known},
        "questions": len(keys),
        "question_ids_sha256": digest,
        "videos": {video: videos[video] for video in whole["videos"] if video in videos},
    }


def _refuse_whole(out: Path, before: Mapping[str, Any] | None, plan: Mapping[str, Any]) -> None:
    if before and planned_ids(before["plan"]) - planned_ids(plan):
        raise RunFolderError(
            f"{out} already holds a whole run, and these parts are only some of it. Choose "
            "another --out."
        )


def _joined(
    sources: Iterable[tuple[Path, Sequence[Prediction]]], plan: Mapping[str, Any]
) -> dict[Key, Prediction]:
    """The prediction of every question, in the order of the plan; an answer beats an error."""
    by_key: dict[Key, tuple[Path, Prediction]] = {}
    planned = planned_keys(plan)
    for folder, predictions in sources:
        for new in predictions:
            key = new.question.key
            if key not in planned:
                raise DataError(f"{folder} answers question {key[0]}, which is not in its plan.")
            other, old = by_key.setdefault(key, (folder, new))
            _refuse_conflict(key[0], other, old, folder, new)
            if old.response is None and new.response is not None:
                by_key[key] = (folder, new)
    ids = [key for asked in plan["videos"].values() for key in asked]
    order = [(key, number) for key in ids for number in range(planned_repeats(plan))]
    return {key: by_key[key][1] for key in order if key in by_key}


def _refuse_conflict(key: str, one: Path, old: Prediction, other: Path, new: Prediction) -> None:
    if None in (old.response, new.response):
        return
    if (old.question, old.response, old.answer.parts) != (
        new.question,
        new.response,
        new.answer.parts,
    ):
        raise RunFolderError(
            f"{one} and {other} answer question {key} differently: one part was run twice. Leave "
            "out one of the two."
        )


def _news(present: Sequence[Prediction], joined: Mapping[Key, Prediction]) -> list[Prediction]:
    """The predictions that the folder lacks, or has as an error that now has an answer."""
    old = {p.question.key: p for p in present}
    return [
        p
        for key, p in joined.items()
        if key not in old or (old[key].response is None and p.response is not None)
    ]


def _account(plan: Mapping[str, Any], joined: Mapping[Key, Prediction], questions: int) -> Merged:
    part = plan.get("part")
    missing = set(range(1, part["of"] + 1)) - set(part["parts"]) if part else set()
    failed = sum(prediction.response is None for prediction in joined.values())
    return Merged(
        missing=tuple(sorted(missing)),
        unasked=len(planned_keys(plan) - joined.keys()),
        failed=failed,
        answers=len(joined) - failed,
        questions=questions,
        descriptions=are_descriptions(plan),
    )


def _refuse_gaps(parts: Sequence[Part], merged: Merged, joined: Mapping[Key, Prediction]) -> None:
    """Raise a RunFolderError that names the missing and the unfinished parts, if any."""
    of = parts[0].record["of"]
    lines = [f"  part {number}/{of} is missing" for number in merged.missing]
    reported: set[Key] = set()
    for part in parts:  # a folder of merged parts comes last: it adds what no other reported
        owed = planned_keys(part.content["plan"]) - joined.keys() - reported
        reported |= owed
        if owed:
            lines.append(
                f"  part {named(part.record)} in {part.folder}: "
                f"{counted(len({key for key, _ in owed}), 'question')} not asked yet"
            )
    if lines:
        raise RunFolderError(
            "The run is not complete:\n"
            + "\n".join(lines)
            + "\nRun these parts to the end, or merge what exists with --partial."
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
    """Append the part's timing records and error log to those of the merged run.

    Lines that an earlier merge of the part appended are not repeated.
    """
    out = store.path
    present = list(_records(out / TIMING))
    labelled = [{"part": named(part.record), **one} for one in _records(part.folder / TIMING)]
    store.note(TIMING, "".join(json.dumps(one) + "\n" for one in labelled if one not in present))
    title = f"part {named(part.record)}:"
    errors = _lines(part.folder / ERRORS)
    new = errors[_copied(title, errors, _lines(out / ERRORS)) :]
    if new:
        store.note(ERRORS, "\n".join([title, *new]) + "\n")


def _copied(title: str, errors: Sequence[str], log: Sequence[str]) -> int:
    """How many lines of a part's errors the log already has below the part's titles."""
    done = 0
    for start in (number for number, line in enumerate(log, 1) if line == title):
        same = takewhile(
            lambda pair: pair[0] == pair[1], zip(errors[done:], log[start:], strict=False)
        )
        done += sum(1 for _ in same)
    return done


def _records(file: Path) -> Iterator[Mapping[str, Any]]:
    """The lines that are JSON objects; a line torn by a killed process is skipped."""
    for line in _lines(file):
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


def _lines(file: Path) -> list[str]:
    """The lines of a file; none if it is missing or not a plain file."""
    with suppress(OSError):
        return files.read(file).decode(errors="replace").splitlines()
    return []
