"""STI-Bench (arXiv 2503.23765): quantities of objects and motion as choices of five.

Read: github MINT-SJTU/STI-Bench@43ddebe; VLMEvalKit@e8e78f0, stibench.py.
"""

from __future__ import annotations

import json
import re

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.metrics import CHOICE
from vicabench.rubric import MICRO, Overall, Rubric, Task
from vicabench.types import FrameRule
from vicabench.wording import Wording

CITATION = "STI-Bench (arXiv 2503.23765), released code"
TITLES = {
    "Dimensional Measurement": "Dimension",
    "Spatial Relation": "Relation",
    "3D Video Grounding": "Grounding",
    "Displacement & Path Length": "Displacement",
    "Speed & Acceleration": "Speed",
    "Ego-Centric Orientation": "Orientation",
    "Trajectory Description": "Trajectory",
    "Pose Estimation": "Pose",
}


def name_of(task: str) -> str:
    """A printed name without marks: `speed_acceleration`."""
    return re.sub(r"[^a-z0-9]+", "_", task.lower()).strip("_")


def read(row: Row, place: Place) -> Row:
    """The row; times and options stand in the question as the released code spells them."""
    del place
    start, end, options = row["time_start"], row["time_end"], row["Candidates"]
    if isinstance(options, str):
        options = json.loads(options)
    when = " ".join(("From", str(start), "seconds to", str(end), "seconds."))
    given = {letter: text for letter, text in options.items() if text is not None}
    lines = "\n".join(f"{letter} {text}" for letter, text in given.items())
    return {
        "id": f"{row['Video']}|{row['ID']}|{start}|{end}",
        "video": row["Video"],
        "question_type": name_of(row["Task"]),
        "question": f"{when} {row['Question']}\n{lines}",
        "options": given,
        "ground_truth": row["Answer"],
    }


BENCHMARK = Published(
    name="sti-bench",
    repo="MINT-SJTU/STI-Bench",
    citation=CITATION,
    rubric=Rubric(
        tasks=tuple(Task(name=name_of(task), title=title) for task, title in TITLES.items()),
        overall=(Overall(name="micro", title="Avg.", how=MICRO),),
        official="sti-bench",
    ),
    wording=Wording(
        name="sti-bench",
        source=CITATION,
        templates={
            CHOICE: "Answer the question below based on the frames provided, which are sampled at "
            "about {fps} FPS.\nQuestion: {question}\nPlease output only the option you choose!"
        },
        before_frames=True,
    ),
    read=read,
    columns=("Video", "ID", "Task", "Question", "Candidates", "Answer", "time_start", "time_end"),
    tables=("qa.parquet",),
    archives=("video.zip", "videos.zip"),
    frame_rule=FrameRule(
        frames=30,
        why="the released code takes every max(1, N // 30)th of N frames, and 30 at most; here 30 "
        "are sampled uniformly",
    ),
    errata=(
        "Models often reply with the value of an option in place of its letter, which the official "
        "reading counts as wrong.",
    ),
    assumes=(
        "qa.parquet with the columns of STI-Bench@43ddebe, the options A to E in a struct",
        "Video, ID and both times together name a question",
        "video.zip with members that end with Video, whatever its top folder",
    ),
    counts={"full": 2064},
)
