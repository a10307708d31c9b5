"""Counts and articles in messages."""

from __future__ import annotations

import pytest

from vicabench.errors import an, counted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (counted(0, "video"), "0 videos"),
        (counted(1, "video"), "1 video"),
        (counted(5130, "shared question"), "5,130 shared questions"),
        (counted(2, "reply"), "2 replies"),
        (counted(2, "day"), "2 days"),
        (counted(2, "process"), "2 processes"),
        (counted(3, "patch"), "3 patches"),
        (counted(1, "row is", "rows are"), "1 row is"),
        (counted(2, "row is", "rows are"), "2 rows are"),
        (counted(1.0, "second"), "1 second"),
        (counted(0.5, "second"), "0.5 seconds"),
        (counted(12345678.0, "token"), "12,345,678 tokens"),
    ],
)
def test_a_count_has_the_form_of_its_noun(text: str, wanted: str) -> None:
    assert text == wanted


@pytest.mark.parametrize(
    "words",
    [
        "an object_counting question", "a route_planning question", "an int", "a dict", "a unit",
        "a uint8 array", "an internvl", "a ViCA2 checkpoint", "an LLM", "a llava", "a user",
        "a one-off", "an only row",
    ],
)  # fmt: skip
def test_the_article_fits_how_a_word_begins(words: str) -> None:
    assert an(words.partition(" ")[2]) == words
