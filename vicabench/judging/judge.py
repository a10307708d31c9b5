"""From runs of descriptions and a judge to a judgement of every description."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vicabench.adapters.text import TextModel
from vicabench.descriptions import DESCRIPTION
from vicabench.errors import DataError
from vicabench.judging.prompt import CRITERIA, LONGEST, LOWEST, description_in, prompt_for
from vicabench.judging.reading import NoJudgementError, scores_in
from vicabench.predictions import Prediction
from vicabench.replies.asking import replies
from vicabench.replies.cache import Reply, ReplyCache
from vicabench.results import Run

UNDESCRIBED = "no description"
Place = tuple[int, str]
"""A run, by its place among those that are judged, and the id of one of its predictions."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What came of one description.

    `scores` has every criterion, in [0, 10]; it is None where the judge failed, and `error` says
    how. A video that was not described, or with nothing, scores 0 without being sent (`described`
    is False). `cut` says that only the beginning was judged. `reply` is all that the judge wrote.
    """

    id: str
    video: str
    scores: Mapping[str, float] | None
    described: bool = True
    cut: bool = False
    error: str | None = None
    reply: str | None = None


def check(runs: Sequence[Run]) -> None:
    """DataError naming the first run that holds anything but one description of each video."""
    for run in runs:
        kinds = {kind for asked in run.planned.values() for kind in asked.values()}
        if kinds | {p.question.task for p in run.predictions} != {DESCRIPTION}:
            raise DataError(
                f"{run.path} holds answers to questions, which vicabench score grades. What is "
                "judged are descriptions: vicabench describe --model SPEC"
            )
        if len({p.question.video for p in run.predictions}) < len(run.predictions):
            raise DataError(f"{run.path} describes a video twice. Keep one description of each.")


def judge(
    runs: Sequence[Run],
    model: TextModel,
    cache: ReplyCache,
    *,
    max_new_tokens: int,
    retry_errors: bool = False,
    started: Callable[[int], None],
    judged: Callable[[Judgement, bool], None],
) -> list[list[Judgement]]:
    """A judgement of every video that each run was to describe, in the order of the runs.

    Replies in the cache are not asked for again, but for those that cannot be read and
    `retry_errors`. Calls `started` with the number of descriptions, then `judged` with each
    judgement and whether its reply was in the cache. Raises what asking raises.
    """
    found: dict[Place, Judgement] = {}
    told: dict[Place, tuple[Prediction, str]] = {}
    for place, run in enumerate(runs):
        for p in run.predictions:
            description = description_in(p.response or "")
            if description:
                told[place, p.question.id] = (p, description)
            else:
                found[place, p.question.id] = _undescribed(p.question.id, p.question.video)
        found |= {(place, key): _undescribed(key, video) for key, video in _unasked(run)}
    started(len(told))
    prompts = {key: prompt_for(description) for key, (_, description) in told.items()}
    for key, reply in _replies(model, prompts, cache, max_new_tokens, retry=retry_errors):
        found[key] = _judgement(*told[key], reply)
        judged(found[key], reply.cached)
    return [[found[key] for key in sorted(found) if key[0] == place] for place in range(len(runs))]


def _replies(
    model: TextModel,
    prompts: Mapping[Place, str],
    cache: ReplyCache,
    max_new_tokens: int,
    *,
    retry: bool,
) -> Iterator[tuple[Place, Reply]]:
    """The reply to each prompt; with `retry`, kept ones that cannot be read are asked for again."""
    again: dict[Place, str] = {}
    for place, reply in replies(model, prompts, cache, max_new_tokens=max_new_tokens):
        if retry and reply.cached and not _readable(reply):
            again[place] = prompts[place]
        else:
            yield place, reply
    yield from replies(model, again, cache, max_new_tokens=max_new_tokens, fresh=again)


def _readable(reply: Reply) -> bool:
    try:
        scores_in(reply.text or "")
    except NoJudgementError:
        return False
    return True


def _judgement(prediction: Prediction, description: str, reply: Reply) -> Judgement:
    scores = error = None
    try:
        if reply.text is None:
            error = reply.error
        else:
            scores = scores_in(reply.text)
    except NoJudgementError as problem:
        error = str(problem)
    return Judgement(
        id=prediction.question.id,
        video=prediction.question.video,
        scores=scores,
        cut=len(description) > LONGEST,
        error=error,
        reply=reply.text,
    )


def _undescribed(key: str, video: str) -> Judgement:
    nothing = dict.fromkeys(CRITERIA, float(LOWEST))
    return Judgement(id=key, video=video, scores=nothing, described=False)


def _unasked(run: Run) -> Iterator[tuple[str, str]]:
    """The id and video of what was planned and never asked."""
    done = {p.question.id for p in run.predictions}
    for video, asked in run.planned.items():
        yield from ((key, video) for key in asked if key not in done)
