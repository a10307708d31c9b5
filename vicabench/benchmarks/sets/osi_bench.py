"""OSI-Bench (arXiv 2512.19683): distances, speeds and paths of tagged objects out of doors.

Read: github mingrui-wu/OSI-Bench; lmms-eval@75571cf, tasks/osi_bench.
"""

from __future__ import annotations

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.metrics import EXACT, NUMERIC, MeanRelativeAccuracy
from vicabench.rubric import MICRO, Overall, Rubric, Task
from vicabench.types import FrameRule
from vicabench.wording import Wording

CITATION = "OSI-Bench (arXiv 2512.19683), released code"
STANDING_STILL, NO_WAY = 0.30, 2.0
"""Below these, a speed or displacement, and the length of a path, count as a truth of 0."""
TAGGED = (
    "These are frames of a video.\n"
    "In the video, objects are identified by numeric tags shown nearby.\n"
    "With that in mind, please answer the following question based on the video.\n"
)
NUMBER = "Your answer must be only the final numeric value, without units or any other text."
LETTER = "Your answer must be only the single letter (e.g., A, B, C, or D) of the correct option."
ENDING = (
    "\nThe answer is:\nThe video is {seconds} seconds long. The following {frames} frames are "
    "uniformly sampled from it in chronological order:"
)


def _numeric(name: str, title: str, zero: float | str = EXACT) -> Task:
    return Task(name=name, title=title, kind=NUMERIC, metric=MeanRelativeAccuracy(zero=zero))


DIRECTION = "relative_direction_categorical"
RUBRIC = Rubric(
    tasks=(
        _numeric("absolute_distance", "Abs. Dist."),
        _numeric("object_3d_localization", "3D Loc."),
        _numeric("depth_aware_counting", "Count"),
        _numeric("absolute_displacement", "Displacement", STANDING_STILL),
        _numeric("absolute_speed", "Speed", STANDING_STILL),
        _numeric("trajectory_length", "Path Length", NO_WAY),
        Task(name="relative_distance", title="Rel. Dist."),
        Task(
            name="relative_direction",
            title="Rel. Dir.",
            types=(f"{DIRECTION}_ordinal", DIRECTION, f"{DIRECTION}_cardinal"),
        ),
        Task(name="trajectory_description", title="Trajectory"),
    ),
    overall=(Overall(name="micro", title="Avg.", how=MICRO),),
    official="osi-bench",
)


def _template(name: str, kind: str) -> str:
    if kind == NUMERIC:
        blank = "\n" if name in ("absolute_distance", "trajectory_length") else ""
        return f"{TAGGED}Question: {{question}}\n\n{NUMBER}{blank}{ENDING}"
    start = "" if name == "trajectory_description" else TAGGED
    return f"{start}Question: {{question}}\n{{options}}\n\n{LETTER}{ENDING}"


def read(row: Row, place: Place) -> Row:
    """The row, whose category is its type."""
    del place
    kind = RUBRIC.of_type[row["category"]].kind if row["category"] in RUBRIC.of_type else NUMERIC
    return {
        "id": row["index"],
        "video": row["file_name"] or f"{row['video']}.mp4",
        "scene": row["video"],
        "question_type": row["category"],
        "question": row["question"],
        "options": None if kind == NUMERIC else row["options"],
        "ground_truth": row["answer"],
    }


BENCHMARK = Published(
    name="osi-bench",
    repo="HarmlessSR07/OSI-Bench",
    citation=CITATION,
    rubric=RUBRIC,
    wording=Wording(
        name="osi-bench",
        source=f"{CITATION}; text before the frames",
        templates={kind: _template(kind, task.kind) for kind, task in RUBRIC.of_type.items()},
        before_frames=True,
    ),
    read=read,
    columns=("index", "video", "file_name", "question", "category", "options", "answer"),
    tables=("data.parquet",),
    archives=("videos_part*.zip",),
    frame_rule=FrameRule(frames=32, why="the released code samples 32 frames uniformly"),
    errata=(
        "The official reading counts any prediction below 0.30 (path length: 2.0), a negative one "
        "too, as right where the truth is 0.",
        "The length of the video in the prompt is that of the file; the released code leaves the "
        "sentence out where the data set states no length.",
    ),
    assumes=(
        "data.parquet with the columns and categories of lmms-eval@75571cf, one row a question",
        "options spelled `A. text`, the letter or the number in answer",
        "videos_part1.zip to videos_part4.zip, each a zip by itself, with members that end with "
        "file_name",
    ),
    stated={"full": 8766},
    size="84 GB",
)
