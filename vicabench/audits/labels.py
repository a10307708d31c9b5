"""Which right answers are doubtful: by runs that agree on another, and by answers that clash.

A doubt is a reason to look at the video, not a verdict. Nothing is removed: a person decides, and
`score --without` shows both scores.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from vicabench.audits.texts import Item, items_of, parts_of, score_of
from vicabench.errors import counted
from vicabench.metrics import NUMERIC, normalized
from vicabench.results.run import UNSEEN, Run
from vicabench.rubric import Rubric
from vicabench.types import Grade, Question

RUNS, SCENE, RANGE = "runs", "scene", "range"
"""The kinds of doubts: runs agree on another answer, answers about a scene clash, out of range."""
SHARE, FEWEST_RUNS = 0.8, 3
"""The share of at least so many runs that has to agree."""
NEAR = 0.1
"""The relative distance from their median within which numbers agree."""
WRONG = 0.5
"""The score of what runs agree on from which on it does not contradict the right answer."""
SAME = 0.05
"""The relative difference up to which two measures of the same thing are one."""
FACTOR, SPREADS, FEWEST_SEEN = 4.0, 5.0, 5
"""A number is out of range if it is off by this factor and by so many robust deviations from the
median of the same thing, known from at least so many other questions."""
THREE = 3
"""The things of a direction: where one stands, what one faces, and what is looked for."""
COUNTED = "objects"
"""The unit of tasks that count."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why the right answer of a question may be wrong.

    Attributes:
        question: The question.
        kind: `runs`, `scene` or `range`.
        why: The evidence in words.
        weight: For runs the share that agrees, else 1.
        beside: Ids of the questions that its answer contradicts.
    """

    question: Question
    kind: str
    why: str
    weight: float = 1.0
    beside: tuple[str, ...] = ()


def doubts_of(
    questions: Sequence[Question], rubric: Rubric, grades: Mapping[str, Sequence[Grade]]
) -> list[Doubt]:
    """All doubts, those by runs first, the strongest first.

    Args:
        questions: The questions with their right answers.
        rubric: Their tasks.
        grades: By the name of a run that saw the videos, its grades.
    """
    items = items_of(questions, rubric)
    found = [
        *_against_truth(items, rubric, grades),
        *_clashes(items, rubric),
        *_out_of_range(items, rubric),
    ]
    order = (RUNS, SCENE, RANGE)
    return sorted(found, key=lambda d: (order.index(d.kind), -d.weight, d.question.id))


def saw_videos(run: Run) -> bool:
    """Whether a run saw frames, as far as its configuration says: not grey ones, and not none."""
    if run.config is None:
        return True
    config = run.config["config"]
    blind = any(config["adapter"].get(name) is True for name in UNSEEN)
    return config.get("sampling") != "none" and not blind


def _against_truth(
    items: Sequence[Item], rubric: Rubric, grades: Mapping[str, Sequence[Grade]]
) -> Iterator[Doubt]:
    """Questions to which most runs give the same wrong answer."""
    read: dict[str, list[str]] = defaultdict(list)
    for run in grades.values():
        for grade in run:
            if grade.read is not None:
                read[grade.id].append(grade.read)
    for item in items if len(grades) >= FEWEST_RUNS else ():
        replies, task = read[item.question.id], rubric.of_type[item.question.task]
        if len(replies) < FEWEST_RUNS:
            continue
        agreed, votes = (_number if task.kind == NUMERIC else _word)(replies)
        share = votes / len(grades)
        if share >= SHARE and score_of(task, agreed, item.question) < WRONG:
            yield Doubt(
                question=item.question,
                kind=RUNS,
                why=f"{votes} of {counted(len(grades), 'run')} answer {_shown(item, agreed)}",
                weight=share,
            )


def _number(replies: Sequence[str]) -> tuple[str, int]:
    middle = median(float(reply) for reply in replies)
    near = sum(abs(float(reply) - middle) <= NEAR * abs(middle) for reply in replies)
    return f"{middle:g}", near


def _word(replies: Sequence[str]) -> tuple[str, int]:
    votes = Counter(normalized(reply) for reply in replies)
    word, count = min(votes.items(), key=lambda pair: (-pair[1], pair[0]))
    return next(reply for reply in replies if normalized(reply) == word), count


def _shown(item: Item, answer: str) -> str:
    """The answer; of a choice with its text."""
    folded = [normalized(each) for each in item.answers]
    if normalized(answer) in folded:
        text = item.texts[folded.index(normalized(answer))]
        return answer if text == answer else f"{answer} ({text})"
    return answer


def right_texts(item: Item) -> set[str]:
    """The texts of the right options."""
    return {text for text, gain in zip(item.texts, item.gains, strict=True) if gain == 1.0}


def _clashes(items: Sequence[Item], rubric: Rubric) -> Iterator[Doubt]:
    """Answers about one scene that cannot all be right."""
    scenes: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        scenes[item.scene].append(item)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for inside in scenes.values():
        for one, other, why in [*_measures(inside, rubric), *_same(inside), *_orders(inside)]:
            found[one.question.id].setdefault(other.question.id, why)
            found[other.question.id].setdefault(one.question.id, why)
        for one, other, why in [*_sides(inside), *_closest(inside, rubric)]:
            found[one.question.id].setdefault(other.question.id, why)
            found[other.question.id].setdefault(one.question.id, why)
    for item in items:
        if clash := found.get(item.question.id):
            ids = tuple(sorted(clash))
            more = f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""
            why = f"{clash[ids[0]]}, question {ids[0]}{more}"
            yield Doubt(question=item.question, kind=SCENE, why=why, beside=ids)


Clash = tuple[Item, Item, str]


def _pairs(groups: Iterable[Sequence[Item]]) -> Iterator[tuple[Item, Item]]:
    for group in groups:
        yield from combinations(group, 2)


def _grouped(items: Iterable[Item], key_of: object) -> list[list[Item]]:
    groups: dict[object, list[Item]] = defaultdict(list)
    for item in items:
        groups[key_of(item)].append(item)  # type: ignore[operator]
    return list(groups.values())


def _measures(inside: Sequence[Item], rubric: Rubric) -> Iterator[Clash]:
    """Numbers of the same type about the same things that differ."""
    numeric = [i for i in inside if rubric.of_type[i.question.task].kind == NUMERIC]
    groups = _grouped(
        numeric,
        lambda i: (i.question.video, i.question.task, tuple(sorted(i.things)) or i.question.text),
    )
    for one, other in _pairs(groups):
        a, b = float(one.question.answer), float(other.question.answer)
        if abs(a - b) > SAME * max(abs(a), abs(b)):
            yield one, other, f"{a:g} here and {b:g} there for the same"


def _same(inside: Sequence[Item]) -> Iterator[Clash]:
    """Choices in the same words of which one's right option is wrong in the other."""
    choices = [i for i in inside if i.texts]
    groups = _grouped(choices, lambda i: (i.question.video, i.question.task, i.question.text))
    for one, other in _pairs(groups):
        if parts_of(one.texts[0]):
            continue
        a, b = right_texts(one), right_texts(other)
        if a and b and not a & b and (a & set(other.texts) or b & set(one.texts)):
            yield one, other, f"{min(a)} here and {min(b)} there in the same words"


def _orders(inside: Sequence[Item]) -> Iterator[Clash]:
    """Orders of which one has a thing before another that comes first in the other order."""
    listed = [i for i in inside if _is_order(i)]
    for one, other in _pairs(_grouped(listed, lambda i: (i.question.video, i.question.task))):
        a, b = (parts_of(min(right_texts(i))) for i in (one, other))
        shared = [part for part in a if part in b]
        if (turned := [part for part in b if part in a]) != shared:
            first = next(x for x, y in zip(shared, turned, strict=True) if x != y)
            after = next(y for x, y in zip(shared, turned, strict=True) if x != y)
            yield one, other, f"{first} before {after} in one, after it in the other"


def _is_order(item: Item) -> bool:
    """Whether the options list the same parts in different orders, and one of them is right."""
    parts = [frozenset(parts_of(text)) for text in item.texts]
    return bool(parts and parts[0]) and len(set(parts)) == 1 and bool(right_texts(item))


def _sides(inside: Sequence[Item]) -> Iterator[Clash]:
    """Directions about the same three things, to the left in one and to the right in another."""
    named = [i for i in inside if len(i.things) == THREE and right_texts(i)]
    asked = [i for i in named if "direction" in i.question.task]
    for one, other in _pairs(_grouped(asked, lambda i: (i.question.video, i.things))):
        a, b = (min(right_texts(i)) for i in (one, other))
        if ("left" in a and "right" in b) or ("right" in a and "left" in b):
            yield one, other, f"{a} here and {b} there of the same things"


def _closest(inside: Sequence[Item], rubric: Rubric) -> Iterator[Clash]:
    """A closest thing that is farther than another option by the distances asked elsewhere."""
    metres: dict[frozenset[str], Item] = {}
    for item in inside:
        numeric = rubric.of_type[item.question.task].kind == NUMERIC
        if numeric and "distance" in item.question.task and len(item.things) == 2:
            metres[frozenset((item.question.video, *item.things))] = item
    for item in inside if metres else ():
        if "rel_distance" not in item.question.task or len(item.things) != 1:
            continue
        known = {
            text: far
            for text in item.texts
            if (far := metres.get(frozenset((item.question.video, item.things[0], text))))
        }
        right = min(right_texts(item), default="")
        if right not in known or len(known) < 2:
            continue
        nearest = min(known, key=lambda text: float(known[text].question.answer))
        a, b = (float(known[text].question.answer) for text in (right, nearest))
        if a - b > SAME * a:
            yield item, known[nearest], f"{right} is {a:g} from {item.things[0]}, {nearest} {b:g}"


def _out_of_range(items: Sequence[Item], rubric: Rubric) -> Iterator[Doubt]:
    """Numbers far from those of the same thing elsewhere, and counts that are not whole."""
    numeric = [i for i in items if rubric.of_type[i.question.task].kind == NUMERIC]
    for item in numeric:
        value, task = float(item.question.answer), rubric.of_type[item.question.task]
        if task.unit == COUNTED and not value.is_integer():
            why = f"{value:g} is not a whole number of objects"
            yield Doubt(question=item.question, kind=RANGE, why=why)
    for group in _grouped(numeric, lambda i: (i.question.task, tuple(sorted(i.things)))):
        yield from _far(group)


def _far(group: Sequence[Item]) -> Iterator[Doubt]:
    values = np.asarray([float(i.question.answer) for i in group])
    if len(group) <= FEWEST_SEEN or (values <= 0).any():
        return
    logs = np.log(values)
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))  # that of a normal distribution
    for item, log in zip(group, logs, strict=True):
        off = abs(float(log) - middle)
        if off > np.log(FACTOR) and off > SPREADS * spread:
            what = ", ".join(item.things) or "this type"
            why = (
                f"{float(item.question.answer):g}, where the median of {what} is "
                f"{np.exp(middle):.3g} (n = {len(group)})"
            )
            yield Doubt(question=item.question, kind=RANGE, why=why)
