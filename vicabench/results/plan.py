"""Which questions a run asks, and which of them are still owed, video by video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from vicabench.errors import ConfigError, RunFolderError, counted, did_you_mean
from vicabench.files import digest_of
from vicabench.predictions import Prediction
from vicabench.rubric import VSI, Rubric
from vicabench.types import Benchmark, Question

ByVideo = Mapping[str, Sequence[Question]]


def select(
    benchmark: Benchmark, *, limit: int | None = None, tasks: Iterable[str] = ()
) -> tuple[Question, ...]:
    """The questions of the first `limit` videos that belong to `tasks`, video by video.

    `tasks` are names of tasks or of single question types; none means all. ConfigError for an
    unknown name, or when no question is left.
    """
    kinds = _kinds(tasks, benchmark.rubric)
    grouped = by_video(benchmark.questions)
    videos = list(grouped)[:limit]
    chosen = [q for video in videos for q in grouped[video] if not kinds or q.task in kinds]
    if not chosen:
        raise ConfigError(
            f"No question of {benchmark.name} is left to ask: of {len(benchmark.questions)} in "
            f"{counted(len(grouped), 'video')}, --limit and --tasks leave none."
        )
    return tuple(chosen)


def by_video(questions: Iterable[Question]) -> dict[str, list[Question]]:
    """The questions grouped by video, both in order of first appearance."""
    grouped: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        grouped[question.video].append(question)
    return dict(grouped)


def repeated(selected: Iterable[Question], repeats: int) -> tuple[Question, ...]:
    """Each question as often as it is to be asked, its repeats one after another."""
    return tuple(replace(q, repeat=number) for q in selected for number in range(repeats))


def refuse_fewer_repeats(repeats: int, before: int) -> None:
    """RunFolderError if earlier starts planned to ask each question more often."""
    if repeats < before:
        raise RunFolderError(
            f"This run was to ask each question {counted(before, 'time')}. Repeat that with "
            f"--repeats {before} or more, or start a new run with --out."
        )


def refuse_to_shrink(selected: Sequence[Question], before: Set[str]) -> None:
    """RunFolderError if earlier starts planned or answered what is not selected now.

    A run may grow to more questions, but never shrink: its table is about all that was asked.
    """
    left_out = before - {q.id for q in selected}
    if left_out:
        raise RunFolderError(
            f"This run was to ask {counted(len(left_out), 'question')} that this command leaves "
            "out. Widen --limit and --tasks to what was asked before, or start a new run with "
            "--out."
        )


def owed(
    selected: Sequence[Question], done: Sequence[Prediction], *, retry_errors: bool
) -> ByVideo:
    """The selected questions without an answer, by video; failed ones too if `retry_errors`.

    A question that is asked repeatedly is selected once for each repeat, and owed for each.
    """
    answered = {p.question.key for p in done}
    failed = {p.question.key for p in done if p.response is None}
    settled = answered - failed if retry_errors else answered
    return by_video(q for q in selected if q.key not in settled)


def plan_record(
    selected: Sequence[Question],
    part: Mapping[str, Any] | None = None,
    rubric: Rubric = VSI,
    about: Mapping[str, Any] | None = None,
    repeats: int = 1,
) -> dict[str, Any]:
    """What `config.json` keeps of the plan: enough to count what is never answered as wrong.

    `part` says of which whole these questions are a part, None if they are all; `rubric` has their
    tasks, recorded unless it is VSI-Bench's; `about` is what else a reader of the scores needs.
    Each question is asked `repeats` times.
    """
    return {
        **({} if part is None else {"part": part}),
        **({} if rubric == VSI else {"rubric": rubric.to_json()}),
        **(about or {}),
        **({} if repeats == 1 else {"repeats": repeats}),
        "questions": len(selected),
        "question_ids_sha256": digest_of(sorted(q.id for q in selected)),
        "videos": {
            video: {q.id: q.task for q in questions}
            for video, questions in by_video(selected).items()
        },
    }


def asked_record(selected: Sequence[Question], todo: ByVideo, repeats: int = 1) -> dict[str, Any]:
    """What `config.json` keeps of a start: the tasks and questions asked, and those owed by then.

    Questions of a video that an earlier start answered are not in the groups of this one.
    """
    return {
        "types": sorted({q.task for q in selected}),
        "questions": len(selected),
        **({} if repeats == 1 else {"repeats": repeats}),
        "owed": sum(map(len, todo.values())),
    }


def _kinds(names: Iterable[str], rubric: Rubric) -> set[str]:
    """The question types of tasks named by their names or printed titles, in any case."""
    known = {task.name: set(task.types) for task in rubric.tasks}
    known |= {kind: {kind} for task in rubric.tasks for kind in task.types}
    titles = {task.title: set(task.types) for task in rubric.tasks}
    by_name = {name.casefold(): kinds for name, kinds in (known | titles).items()}
    wanted: set[str] = set()
    for name in names:
        if name.casefold() not in by_name:
            near = did_you_mean(name, known | titles)
            raise ConfigError(f"There is no task '{name}'. Tasks are {', '.join(known)}.{near}")
        wanted |= by_name[name.casefold()]
    return wanted
