"""The questions of Rooms have correct, unambiguous answers that cannot be guessed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.rooms.recheck import answer
from vicabench.errors import ConfigError
from vicabench.rooms.camera import pose_at
from vicabench.rooms.facts import VISIBLE_SHARE, Sightings, first_visible, sightings
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.questions import questions_for
from vicabench.rooms.render import sees
from vicabench.rooms.scene import Scene
from vicabench.rubric import VSI
from vicabench.types import Question

WORDING = {
    "object_counting": r"How many .+\(s\) are in this room\?",
    "object_abs_distance": r"Measuring from the closest point of each object, what is the distance "
    r"between the .+ and the .+ \(in meters\)\?",
    "object_size_estimation": r"What is the length of the longest dimension \(length, width, or "
    r"height\) of the .+, measured in centimeters\?",
    "room_size_estimation": r"What is the size of this room \(in square meters\)\? If multiple "
    r"rooms are shown, estimate the size of the combined space\.",
    "object_rel_distance": r"Measuring from the closest point of each object, which of these "
    r"objects \(.+, .+, .+, .+\) is the closest to the .+\?",
    "object_rel_direction_easy": r"If I am standing by the .+ and facing the (.+), is the .+ to "
    r"the left or the right of the \1\?",
    "object_rel_direction_medium": r"If I am standing by the .+ and facing the .+, is the .+ to my "
    r"left, right, or back\?\nAn object is to my back if I would have to turn at least 135 degrees "
    r"in order to face it\.",
    "object_rel_direction_hard": r"If I am standing by the .+ and facing the .+, is the .+ to my "
    r"front-left, front-right, back-left, or back-right\?\nThe directions refer to the quadrants "
    r"of a Cartesian plane \(if I am standing at the origin and facing along the positive y-axis\)"
    r"\.",
    "route_planning": r"You are a robot beginning at the .+ and facing the .+\. You want to "
    r"navigate to the (.+)\. You will perform the following actions \(Note: for each \[please fill "
    r"in\], choose either 'turn back,' 'turn left,' or 'turn right\.'\): 1\. .+ \d\. Go forward "
    r"until the \1\. You have reached the final destination\.",
    "obj_appearance_order": r"What will be the first-time appearance order of the following "
    r"categories in the video: .+, .+, .+, .+\?",
}
NUMBERS = {
    "object_counting": r"[2-9]",
    "object_abs_distance": r"\d+\.\d",
    "object_size_estimation": r"\d+",
    "room_size_estimation": r"\d+\.\d",
}


@cache
def seen(seed: int, index: int) -> tuple[Scene, Sightings]:
    scene = make_scene(seed, index)
    return scene, sightings(scene)


@cache
def asked() -> tuple[Question, ...]:
    """The questions about sixty scenes, as many as for training."""
    return tuple(q for index in range(60) for q in questions_for(*seen(0, index), limit=35))


def row_of(scene: Scene, views: Sightings) -> dict[str, Any]:
    """The scene as a row of `scenes.jsonl`."""
    row = asdict(scene)
    for thing, seconds in zip(row["things"], first_visible(scene, views), strict=True):
        thing["first_visible"] = seconds
    return row


def right_option(question: Question) -> str:
    return next(option for option in question.options if option[0] == question.answer)[3:]


def test_every_answer_is_confirmed_independently() -> None:
    for index in range(40):
        scene, views = seen(0, index)
        truth = row_of(scene, views)
        for question in questions_for(scene, views):
            row = {
                "question": question.text,
                "question_type": question.task,
                "options": question.options,
            }
            assert answer(truth, row) == question.answer, question


def test_questions_and_answers_are_worded_like_vsi_bench() -> None:
    assert {question.task for question in asked()} == {*VSI.types} == {*WORDING}
    for question in asked():
        assert re.fullmatch(WORDING[question.task], question.text), question
        if question.task in NUMBERS:
            assert re.fullmatch(NUMBERS[question.task], question.answer), question
            assert question.options == ()
        else:
            letters = [option[:3] for option in question.options]
            assert letters == [f"{letter}. " for letter in "ABCD"[: len(letters)]]
            assert len({*question.options}) == len(letters) > "ABCD".index(question.answer)


@pytest.mark.parametrize(
    ("task", "choices", "most"),
    [
        ("object_rel_distance", 4, 0.32),
        ("obj_appearance_order", 4, 0.36),
        ("route_planning", 4, 0.34),
        ("object_rel_direction_easy", 2, 0.58),
        ("object_rel_direction_medium", 3, 0.47),
        ("object_rel_direction_hard", 4, 0.36),
    ],
)
def test_letters_and_directions_are_correct_equally_often(
    task: str, choices: int, most: float
) -> None:
    questions = [question for question in asked() if question.task == task]
    counts = Counter(len(question.options) for question in questions)
    assert counts.most_common(1)[0][0] == max(counts) == choices
    assert len(counts) == 1 or (task, min(counts)) == ("route_planning", 3)
    assert len(questions) >= 60
    letters = Counter(question.answer for question in questions)
    assert max(letters.values()) <= most * len(questions)
    if "direction" in task:
        classes = Counter(right_option(question) for question in questions)
        assert len(classes) == choices
        assert max(classes.values()) <= most * len(questions)


@pytest.mark.parametrize("task", ["object_rel_distance", "route_planning"])
def test_options_are_correct_equally_often(task: str) -> None:
    questions = [question for question in asked() if question.task == task]
    right = Counter(right_option(question) for question in questions)
    offered = Counter(option[3:] for question in questions for option in question.options)
    rates = {text: right[text] / times for text, times in offered.items() if times >= 40}
    assert len(rates) >= 8
    assert min(rates.values()) > 0.10
    assert max(rates.values()) < 0.42


def test_questions_are_reproducible_and_a_larger_limit_only_adds() -> None:
    few, many = (questions_for(*seen(3, 5), limit=limit) for limit in (10, 30))
    assert len(few) == 10
    assert many[:10] == few
    assert len({(question.text, question.options) for question in many}) == len(many)
    assert [question.id for question in few] == [f"s3-0005-{n:02d}" for n in range(10)]
    assert {question.video for question in many} == {"rooms/s3-0005"}
    assert questions_for(*seen(4, 5), limit=10) != few


def test_unseen_things_are_not_asked_about() -> None:
    for index in range(10):
        scene, views = seen(0, index)
        hidden = scene.things[0].category
        assert hidden in about(questions_for(scene, views, limit=35))
        assert hidden not in about(questions_for(scene, dim(scene, views, hidden), limit=35))


def test_a_category_is_counted_only_if_all_instances_are_seen() -> None:
    for index in range(10):
        scene, views = seen(0, index)
        counts = Counter(thing.category for thing in scene.things)
        several = max(counts, key=lambda category: counts[category])
        count = f"How many {several}(s)"
        assert count in about(questions_for(scene, views, limit=35))
        assert count not in about(questions_for(scene, dim(scene, views, several, 1), limit=35))


def about(questions: tuple[Question, ...]) -> str:
    return " ".join(text for q in questions for text in (q.text, *q.options))


def dim(scene: Scene, views: Sightings, category: str, instances: int | None = None) -> Sightings:
    """The sightings as if this many instances (default: all) were hardly visible."""
    members = [n for n, thing in enumerate(scene.things) if thing.category == category]
    pixels_TN = views.pixels_TN.copy()
    pixels_TN[:, members[:instances]] = np.minimum(pixels_TN[:, members[:instances]], 8)
    return replace(views, pixels_TN=pixels_TN)


def test_the_order_of_appearance_matches_the_film() -> None:
    orders = [question for question in asked() if question.task == "obj_appearance_order"]
    for question in orders[::25]:
        scene = make_scene(0, int(question.video[-4:]))
        seconds = [first_seconds(scene, name) for name in right_option(question).split(", ")]
        assert all(b - a > 0.8 for a, b in pairwise(seconds)), question


def first_seconds(scene: Scene, category: str) -> float:
    """When a category first covers enough of the frame, from larger pictures at shorter steps."""
    members = [n for n, thing in enumerate(scene.things) if thing.category == category]
    for tenth in range(int(scene.walk.seconds * 10)):
        things_HW = sees(scene, pose_at(scene, tenth / 10), 208, 156)
        if np.isin(things_HW, members).mean() >= VISIBLE_SHARE:
            return tenth / 10
    raise AssertionError(category)


def test_a_limit_below_one_and_foreign_sightings_are_refused() -> None:
    scene, views = seen(0, 0)
    with pytest.raises(ConfigError, match="at least one question, not 0"):
        questions_for(scene, views, limit=0)
    with pytest.raises(ValueError, match="has 1 thing;"):
        questions_for(replace(scene, things=scene.things[:1]), views)
