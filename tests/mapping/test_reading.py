"""A reply is a map in the requested form, or an error with its reason."""

import pytest

from vicabench.mapping.reading import UnreadMapError, read_map, text_of

ASKED = ("bed", "table", "trash bin")
MAP = {"bed": ((5, 2),), "table": ((0, 9), (3, 3))}


@pytest.mark.parametrize(
    "reply",
    [
        '{"bed": [[5, 2]], "table": [[0, 9], [3, 3]]}',
        '{"bed": [(5, 2)], "table": [(0, 9), (3,3)]}',  # the form in the paper's prompt
        '```json\n{"bed": [[5, 2]], "table": [[0, 9], [3, 3]]}\n```',
        '<think>A bed, {"bed": [[1, 1]]}?</think>{"table": [[0, 9], [3, 3]], "bed": [[5, 2]]}',
        '{"bed": [[5, 2]], "table": [[0, 9], [3, 3]], "trash bin": []}',
    ],
)
def test_these_replies_hold_the_map(reply: str) -> None:
    found = read_map(reply, ASKED)
    assert found == MAP
    assert read_map(text_of(found), ASKED) == MAP


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "empty"),
        ("The bed is at [5, 2].", "not JSON"),
        ('Here is the map:\n{"bed": [[5, 2]]}', "not JSON"),
        ('{"bed": [[5, 2]]', "not JSON"),
        ("[[5, 2]]", "not a JSON object"),
        ('{"sofa": [[5, 2]]}', "'sofa' was not asked for"),
        ('{"(1, 2)": [[5, 2]]}', "'(1, 2)' was not asked for"),
        ('{"bed": [[5, 2]], "bed": [[5, 3]]}', "a category twice"),
        ('{"bed": [5, 2]}', "an object of bed is not a pair of whole numbers"),
        ('{"bed": [[5.5, 2]]}', "an object of bed is not a pair of whole numbers"),
        ('{"bed": [[true, 2]]}', "an object of bed is not a pair of whole numbers"),
        ('{"bed": [[5, 2, 1]]}', "an object of bed is not a pair of whole numbers"),
        ('{"bed": {"x": 5, "y": 2}}', "bed has no list of objects"),
        ('{"bed": [[10, 2]]}', "bed is off the grid: [10, 2] is not within 0 to 9"),
        ('{"bed": [[5, -1]]}', "bed is off the grid: [5, -1] is not within 0 to 9"),
        ('{"bed": []}', "no object in it"),
        ("[" * 50_000, "not JSON"),
    ],
)
def test_anything_else_is_unread_with_a_reason(reply: str, why: str) -> None:
    with pytest.raises(UnreadMapError) as caught:
        read_map(reply, ASKED)
    assert str(caught.value) == why
