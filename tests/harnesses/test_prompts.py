"""The published wordings, word for word (VSI-Bench's released code)."""

from vicabench.harnesses.prompts import vsi_bench
from vicabench.types import Question


def test_numeric_questions_are_worded_like_vsi_bench() -> None:
    question = Question(
        id="1",
        video="v",
        task="object_counting",
        text="How many chair(s) are in this room?",
        answer="4",
    )
    assert vsi_bench(question) == (
        "These are frames of a video.\n"
        "How many chair(s) are in this room?\n"
        "Please answer the question using a single word or phrase."
    )


def test_choice_questions_are_worded_like_vsi_bench() -> None:
    question = Question(
        id="1",
        video="v",
        task="object_rel_distance",
        text="Which is the closest to the sofa?",
        answer="A",
        options=("A. chair", "B. table"),
    )
    assert vsi_bench(question) == (
        "These are frames of a video.\n"
        "Which is the closest to the sofa?\n"
        "Options:\nA. chair\nB. table\n"
        "Answer with the option's letter from the given choices directly."
    )
