"""Answers without a model: chance levels, constants, and an oracle.

- `baseline:random` guesses with a seed: a letter of the options, or one of the benchmark's ground
  truths for questions of the same type.
- `baseline:frequency` answers each question type with its most frequent ground truth: the row
  "Chance Level (Frequency)" in the VSI-Bench paper.
- `baseline:best-constant` answers each type with the ground truth that scores best, the highest
  score without looking at question or video.
- `baseline:constant:X` always answers X.
- `baseline:oracle` answers the ground truth, to check the pipeline.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from vicabench.errors import ConfigError, did_you_mean
from vicabench.metrics import NUMERIC
from vicabench.rubric import Task
from vicabench.types import AdapterContext, Answer, Question, Video

NEEDS_VIDEO = False


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An adapter that ignores the video: `reply` maps a question to its answer."""

    reply: Callable[[Question], str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs_video: bool = NEEDS_VIDEO
    samples: bool = False

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterable[Answer]:  # noqa: ARG002
        """Return one answer per question, whatever the video shows."""
        return [
            Answer(question_id=q.id, repeat=q.repeat, response=self.reply(q), stop="eos")
            for q in questions
        ]


def build(argument: str, context: AdapterContext) -> Baseline:
    """Build the baseline that `argument` names; ConfigError for an unknown name."""
    name, _, value = argument.partition(":")
    if name == "constant":
        if not value:
            raise ConfigError("Say which constant: --model baseline:constant:2")
        return Baseline(reply=lambda _: value)
    if name not in BASELINES or value:
        known = ", ".join(f"baseline:{n}" for n in [*BASELINES, "constant:X"])
        near = did_you_mean(name, BASELINES, before="baseline:")
        raise ConfigError(f"There is no 'baseline:{argument}'. Baselines are {known}.{near}")
    baseline, asked = BASELINES[name](context), context.benchmark.wording
    if asked is None or asked.reply == PLAIN:
        return baseline
    return replace(baseline, reply=lambda q: asked.reply.replace(PLAIN, baseline.reply(q)))


PLAIN = "{answer}"


def _oracle(_: AdapterContext) -> Baseline:
    return Baseline(reply=lambda question: question.answer)


def _random(context: AdapterContext) -> Baseline:
    pools = _answers(context)

    def guess(question: Question) -> str:
        # Seeded by question, so that a resumed run makes the same guesses.
        again = f"{question.repeat}/" if question.repeat else ""
        generator = Random(f"{context.seed}/{again}{question.id}")
        letters = [option[0] for option in question.options]
        return generator.choice(letters or pools[question.task])

    return Baseline(reply=guess, samples=True)


def _frequency(context: AdapterContext) -> Baseline:
    return _per_type({kind: _most_frequent(pool) for kind, pool in _answers(context).items()})


def _best_constant(context: AdapterContext) -> Baseline:
    of_type = context.benchmark.rubric.of_type
    return _per_type({k: _best(of_type[k], pool) for k, pool in _answers(context).items()})


def _per_type(replies: Mapping[str, str]) -> Baseline:
    return Baseline(reply=lambda question: replies[question.task], settings={"replies": replies})


def _answers(context: AdapterContext) -> dict[str, list[str]]:
    """The ground truths of the whole benchmark by question type, each list sorted.

    Also if a run asks only some questions: a baseline must not depend on the selection.
    """
    pools: dict[str, list[str]] = defaultdict(list)
    for question in context.benchmark.questions:
        pools[question.task].append(question.answer)
    return {kind: sorted(pool) for kind, pool in sorted(pools.items())}


def _most_frequent(pool: Sequence[str]) -> str:
    """The most frequent answer; of equally frequent ones, the first in sorted order."""
    return Counter(pool).most_common(1)[0][0]


def _best(task: Task, pool: Sequence[str]) -> str:
    if task.kind != NUMERIC:
        return _most_frequent(pool)
    counts = Counter(pool)

    def score(reply: str) -> float:
        return sum(n * task.scored_by.score(reply, t, 0) for t, n in counts.items())

    return max(counts, key=score)


BASELINES: dict[str, Callable[[AdapterContext], Baseline]] = {
    "random": _random,
    "frequency": _frequency,
    "best-constant": _best_constant,
    "oracle": _oracle,
}
