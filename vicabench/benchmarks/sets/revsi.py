"""ReVSI (arXiv 2604.24300): rebuilt VSI-Bench questions, with the truth for each frame budget.

Read: github 3dlg-hcvc/revsi@9299454; lmms-eval@75571cf, tasks/revsi; VLMEvalKit@e8e78f0, revsi.py.
"""

from __future__ import annotations

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.benchmarks.sets.vsi_wording import vsi_wording
from vicabench.errors import counted
from vicabench.metrics import NUMERIC
from vicabench.rubric import Rubric, Task
from vicabench.types import FrameRule

CITATION = "ReVSI (arXiv 2604.24300), lmms-eval's and VLMEvalKit's code"
BUDGETS = (64, 32, 16)


def _types(name: str, *ends: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in ends)


def _numeric(name: str, title: str, unit: str, *ends: str) -> Task:
    return Task(name=name, title=title, unit=unit, kind=NUMERIC, types=_types(name, *ends))


DIRECTIONS = ("forward_easy", "forward_hard", "backward_easy", "backward_hard")
DISTANCE = _types("object_rel_distance", "closest", "farthest")
RUBRIC = Rubric(
    tasks=(
        _numeric("object_counting", "Obj. Count", "objects", "single", "multiple"),
        _numeric("object_abs_distance", "Abs. Dist.", "m"),
        _numeric("object_size_estimation", "Obj. Size", "cm"),
        _numeric("room_size_estimation", "Room Size", "m²", "single", "multiple"),
        Task(name="object_rel_distance", title="Rel. Dist.", types=DISTANCE),
        Task(
            name="object_rel_direction",
            title="Rel. Dir.",
            types=_types("object_rel_direction", *DIRECTIONS),
        ),
        Task(name="route_planning", title="Route Plan"),
    ),
    official="revsi",
)
AT_16 = Rubric(
    tasks=tuple(
        task for task in RUBRIC.tasks if task.name not in ("room_size_estimation", "route_planning")
    ),
    official="revsi",
)


def read(row: Row, place: Place) -> Row:
    """The row, whose video is that of the budget."""
    budget = place.subset.removesuffix("_frame")
    if str(row["num_frames"]) not in (budget, place.subset):
        raise ValueError(f"num_frames is {row['num_frames']!r} in the configuration {place.subset}")
    scene = row["scene_id"]
    return {**row, "video": f"{place.subset}/{scene}.mp4", "scene": scene}


BENCHMARK = Published(
    name="revsi",
    repo="3dlg-hcvc/ReVSI",
    citation=CITATION,
    rubric=RUBRIC,
    rubrics={"16_frame": AT_16},
    wording=vsi_wording(
        "revsi", CITATION, "Answer the question using a single integer or decimal number."
    ),
    read=read,
    columns=(
        *("id", "dataset", "scene_id", "question_type", "question", "options", "ground_truth"),
        "num_frames",
    ),
    tables=("README.md", "*.parquet"),
    archives=("video.zip",),
    split="test",
    configs=True,
    subsets=(*(f"{budget}_frame" for budget in BUDGETS), "all_frame"),
    frame_rule=FrameRule(
        frames=128,
        why="all_frame has the whole videos; VLMEvalKit samples 128 frames from each",
    ),
    frame_rules={
        f"{budget}_frame": FrameRule(
            frames=budget,
            fixed=True,
            why=f"its videos have {counted(budget, 'frame')}, and its answers are what those show",
        )
        for budget in BUDGETS
    },
    errata=(
        "The truth depends on the frame budget: scores of different configurations are not "
        "comparable (arXiv 2604.24300).",
    ),
    assumes=(
        "configurations all_frame, 64_frame, 32_frame and 16_frame with the split test, in parquet",
        "columns as in lmms-eval@75571cf; num_frames is the budget as text or number",
        "video.zip with CONFIGURATION/SCENE.mp4, a video of a budget having that many frames",
        "question types as in lmms-eval@75571cf, without room size and route at 16 frames",
    ),
    stated={"32_frame": 6158},
    size="4.9 GB for all configurations",
)
