"""What a question says without its video: the things it names, and the answers it can have.

The things are what differs between the questions of a type: words that at least four in five of
them have belong to the template, and what stands between those is a thing (`shoe rack`). A span
of more than four words is not a name; its words are taken one by one. This reads no answer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from vicabench.harnesses.reading.letters import LETTERS
from vicabench.metrics import CHOICE, YES_NO
from vicabench.rubric import Rubric, Task
from vicabench.types import Question

TEMPLATE = 0.8
"""A word in at least this share of the questions of a type belongs to their template."""
LONGEST_NAME = 4
MOST_THINGS = 16
THINGS = "what is asked about"
"""The features of the things."""
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[.,;:?!()\[\]/\n]")
_LABEL = re.compile(r"^\(?([A-Z])[.):]\s*")


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question as a blind guesser sees it.

    Attributes:
        question: The question.
        scene: What its folds and intervals are grouped by.
        things: The names of things in it, in order, lower case.
        answers: The answers that it can have as they are graded (letters, `yes` and `no`); empty
            for a number or a text.
        texts: The text of each answer, lower case.
        gains: The score of each answer, in [0, 1].
    """

    question: Question
    scene: str
    things: tuple[str, ...]
    answers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    gains: tuple[float, ...] = ()


def items_of(questions: Iterable[Question], rubric: Rubric) -> list[Item]:
    """The questions as a guesser sees them, sorted by id."""
    ordered = sorted(questions, key=lambda q: q.id)
    words = {q.id: _WORD.findall(q.text.casefold()) for q in ordered}
    templates = _templates(ordered, words)
    return [_item(q, rubric.of_type[q.task], words[q.id], templates[q.task]) for q in ordered]


def _templates(
    questions: Sequence[Question], words: dict[str, list[str]]
) -> dict[str, frozenset[str]]:
    """The words of the template of each question type."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    sizes = Counter(q.task for q in questions)
    for q in questions:
        counts[q.task].update(set(words[q.id]))
    return {
        kind: frozenset(word for word, n in found.items() if n >= TEMPLATE * sizes[kind])
        for kind, found in counts.items()
    }


def _item(question: Question, task: Task, words: Sequence[str], template: frozenset[str]) -> Item:
    answers, texts = _answers(question, task)
    gains = tuple(score_of(task, answer, question) for answer in answers)
    named = set(texts) | {part for text in texts for part in parts_of(text)}
    things = [thing for thing in _spans(words, template) if thing not in named]
    return Item(
        question=question,
        scene=question.scene or question.video,
        things=tuple(dict.fromkeys(things))[:MOST_THINGS],
        answers=answers,
        texts=texts,
        gains=gains,
    )


def _answers(question: Question, task: Task) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The answers that a question can have, and their texts."""
    if task.kind == YES_NO:
        return ("yes", "no"), ("yes", "no")
    if task.kind != CHOICE:
        return (), ()
    letters = tuple(ascii_uppercase[: len(question.options)] or LETTERS)
    texts = (_LABEL.sub("", option).strip().casefold() for option in question.options)
    return letters, tuple(texts) or letters


def score_of(task: Task, answer: str, question: Question) -> float:
    """The score of an answer by the benchmark's own metric, in [0, 1]."""
    count = len(question.options)
    return max(task.scored_by.score(answer, truth, count) for truth in question.answers)


def parts_of(text: str) -> tuple[str, ...]:
    """The parts of a text that lists several: `sofa, tv, bed`."""
    return tuple(part.strip() for part in text.split(",")) if "," in text else ()


def _spans(words: Sequence[str], template: frozenset[str]) -> list[str]:
    """The things between the words of the template; punctuation also ends a thing."""
    spans: list[list[str]] = [[]]
    for word in words:
        if word in template or not word[0].isalnum():
            spans.append([])
        else:
            spans[-1].append(word)
    names = []
    for span in spans:
        whole = len(span) <= LONGEST_NAME
        names += [" ".join(span)] if whole and span else span
    return names
