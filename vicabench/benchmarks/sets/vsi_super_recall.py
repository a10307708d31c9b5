"""VSI-SUPER Recall (arXiv 2511.04670): where an object was seen in hours of video, in which order.

Read: lmms-eval@75571cf, tasks/vsisuper/recall.
"""

from __future__ import annotations

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.benchmarks.sets.vsi_super import ALL, CITATION, CRITIQUE, FRAMES, OFFICIAL, durations
from vicabench.metrics import CHOICE
from vicabench.rubric import Rubric, Task
from vicabench.wording import Wording

DURATIONS = durations(10, 30, 60, 120, 240)


def _rubric(*lengths: str) -> Rubric:
    return Rubric(
        tasks=tuple(Task(name=f"recall_{name}", title=f"Recall {name}") for name in lengths),
        official=OFFICIAL,
    )


def read(row: Row, place: Place) -> Row | None:
    """The row, if it is of the duration; the question has its opening line already."""
    if place.subset not in (ALL, row["type"]):
        return None
    return {
        "id": place.number,
        "video": row["video_path"],
        "question_type": f"recall_{row['type']}",
        "question": row["question"].strip(),
        "options": row["options"],
        "ground_truth": row["answer"].strip()[:1],
    }


BENCHMARK = Published(
    name="vsi-super-recall",
    repo="nyu-visionx/VSI-SUPER-Recall",
    citation=CITATION,
    rubric=_rubric(*DURATIONS),
    rubrics={name: _rubric(name) for name in DURATIONS},
    wording=Wording(
        name="vsi-super-recall",
        source=CITATION,
        templates={
            CHOICE: "{question}\nOptions:\n{options}\n"
            "Answer with the option's letter from the given choices directly."
        },
    ),
    read=read,
    columns=("video_path", "question", "options", "answer", "type"),
    tables=("README.md", "*.parquet", "*.jsonl"),
    archives=("*{subset}*.zip", "*.zip"),
    split="test",
    subsets=(*DURATIONS, ALL),
    frame_rule=FRAMES,
    errata=(CRITIQUE,),
    assumes=(
        "the split test with the columns of lmms-eval@75571cf, the duration in type",
        "options spelled `A. text`, and an answer that begins with the letter",
        "a zip for each duration, with members that end with video_path, `10mins/00000000.mp4`",
    ),
    counts={**dict.fromkeys(DURATIONS, 60), ALL: 300},
)
