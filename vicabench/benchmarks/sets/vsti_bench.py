"""VSTI-Bench (arXiv 2505.20279): where the camera is, and how it moves, at a frame of 32.

Read: github VITA-Group/VLM-3R@6dd1264, thinking-in-space/lmms_eval/tasks/vstibench.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.benchmarks.sets.vsi_wording import WORD_OR_PHRASE, vsi_wording
from vicabench.errors import counted
from vicabench.metrics import NUMERIC
from vicabench.rubric import Overall, Rubric, Task
from vicabench.types import FrameRule, Question

CITATION = "VSTI-Bench (arXiv 2505.20279), released code"
FRAMES = 32
NUMBERS = ("camera_obj_abs_dist", "camera_displacement")
DISTANCES = tuple(f"camera_obj_rel_dist_v{version}" for version in (1, 2, 3))
POSITIONS = tuple(f"obj_obj_relative_pos_{axis}" for axis in ("nf", "ud", "lr"))
RUBRIC = Rubric(
    tasks=(
        Task(name="camera_obj_abs_dist", title="Abs. Dist.", unit="m", kind=NUMERIC),
        Task(name="camera_displacement", title="Displacement", unit="m", kind=NUMERIC),
        Task(name="camera_movement_direction", title="Movement"),
        *(Task(name=name, title=f"Rel. Dist. {name[-2:]}") for name in DISTANCES),
        Task(name="obj_obj_relative_pos_nf", title="Near/Far"),
        Task(name="obj_obj_relative_pos_ud", title="Up/Down"),
        Task(name="obj_obj_relative_pos_lr", title="Left/Right"),
    ),
    overall=(
        Overall(name="nine_types", title="Avg. (9 types)"),
        Overall(
            name="five_tasks",
            title="Avg. (5 tasks)",
            groups=(
                *((name,) for name in NUMBERS),
                ("camera_movement_direction",),
                DISTANCES,
                POSITIONS,
            ),
        ),
    ),
)
ERRATUM = (
    "The data set was corrected on 2026-07-13: camera centres were wrong, so displacements and "
    "distances were relabelled, and 5,736 of 6,042 questions stayed. Scores on earlier revisions "
    "are not comparable."
)
"""The dataset card, as others cite it."""
_OF = re.compile(r"\bframe \d+ of (\d+)", re.IGNORECASE)


def read(row: Row, place: Place) -> Row:
    """The row with the letter as the truth of a choice, and a number without its options."""
    is_number = row["question_type"] in NUMBERS
    return {
        "id": place.number if row.get("id") is None else row["id"],
        "video": row["video_path"],
        "scene": f"{row['dataset']}/{row['scene_name']}",
        "question_type": row["question_type"],
        "question": row["question"],
        "options": None if is_number else row["options"],
        "ground_truth": row["ground_truth"] if is_number else row["mc_answer"],
    }


def remarks(questions: tuple[Question, ...]) -> Iterator[str]:
    """Name the questions about another number of frames than the 32 of the released code."""
    named = [match[1] for question in questions for match in _OF.finditer(question.text)]
    others = sorted({int(number) for number in named} - {FRAMES})
    if others:
        asked = sum(int(number) != FRAMES for number in named)
        yield (
            f"{counted(asked, 'reference')} in its questions are to frames of "
            f"{', '.join(map(str, others))}, which 32 sampled frames do not number."
        )


BENCHMARK = Published(
    name="vsti-bench",
    repo="Journey9ni/vstibench",
    citation=CITATION,
    rubric=RUBRIC,
    wording=vsi_wording("vsti-bench", CITATION, WORD_OR_PHRASE),
    read=read,
    columns=(
        *("dataset", "scene_name", "video_path", "question_type", "question", "options"),
        *("ground_truth", "mc_answer"),
    ),
    tables=("README.md", "*.json", "*.jsonl", "*.parquet"),
    split="test",
    frame_rule=FrameRule(
        frames=FRAMES, fixed=True, why="its questions name frames as `frame k of 32`"
    ),
    errata=(ERRATUM,),
    assumes=(
        "the split test in parquet, JSON or JSON Lines, with the columns that the generator in "
        "VLM-3R@6dd1264 writes",
        "the letter of a choice in mc_answer, distances in metres in ground_truth",
        "zips whose members end with video_path",
    ),
    stated={"full": 5736},
    refused={6042: f"it has 6,042 questions. {ERRATUM} Fetch a later revision with --revision."},
    remarks=remarks,
)
