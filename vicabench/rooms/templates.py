"""How are the questions worded? VSI-Bench's templates (arXiv 2412.14171, appendix, Table 4)."""

from __future__ import annotations

from collections.abc import Sequence

COUNTING = "How many {x}(s) are in this room?"

ABS_DISTANCE = (
    "Measuring from the closest point of each object, what is the distance between the {a} and "
    "the {b} (in meters)?"
)

SIZE = (
    "What is the length of the longest dimension (length, width, or height) of the {x}, "
    "measured in centimeters?"
)

ROOM = (
    "What is the size of this room (in square meters)? If multiple rooms are shown, estimate the "
    "size of the combined space."
)

REL_DISTANCE = (
    "Measuring from the closest point of each object, which of these objects ({options}) is the "
    "closest to the {x}?"
)

DIRECTION_EASY = (
    "If I am standing by the {a} and facing the {b}, is the {c} to the left or the right of the "
    "{b}?"
)

DIRECTION_MEDIUM = (
    "If I am standing by the {a} and facing the {b}, is the {c} to my left, right, or back?\n"
    "An object is to my back if I would have to turn at least 135 degrees in order to face it."
)

DIRECTION_HARD = (
    "If I am standing by the {a} and facing the {b}, is the {c} to my front-left, front-right, "
    "back-left, or back-right?\n"
    "The directions refer to the quadrants of a Cartesian plane (if I am standing at the origin "
    "and facing along the positive y-axis)."
)

ROUTE = (
    "You are a robot beginning at the {a} and facing the {b}. You want to navigate to the {c}. "
    "You will perform the following actions (Note: for each [please fill in], choose either "
    "'turn back,' 'turn left,' or 'turn right.'): {actions}. You have reached the final "
    "destination."
)
ROUTE_TURN = "[please fill in]"
ROUTE_WALK = "Go forward until the {x}"

ORDER = (
    "What will be the first-time appearance order of the following categories in the video: "
    "{categories}?"
)


def numbered(actions: Sequence[str]) -> str:
    """A route's actions in VSI-Bench's form: `1. Go forward until the sofa 2. ...`."""
    return " ".join(f"{number}. {action}" for number, action in enumerate(actions, start=1))
