"""VSI-SUPER Count (arXiv 2511.04670): how many objects were seen in a tour of up to two hours.

Read: lmms-eval@75571cf, tasks/vsisuper/count. The rows of streaming, which ask at many times of a
video and are answered by a list, are left out.
"""

from __future__ import annotations

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.benchmarks.sets.vsi_super import ALL, CITATION, CRITIQUE, FRAMES, OFFICIAL, durations
from vicabench.benchmarks.sets.vsi_wording import NUMBERS, WORD_OR_PHRASE
from vicabench.metrics import EXACT, NUMERIC, MeanRelativeAccuracy
from vicabench.rubric import Rubric, Task
from vicabench.wording import Wording

DURATIONS = durations(10, 30, 60, 120)
STREAMING = "_streaming"


def _rubric(*lengths: str) -> Rubric:
    return Rubric(
        tasks=tuple(
            Task(
                name=f"count_{name}",
                title=f"Count {name}",
                unit="objects",
                kind=NUMERIC,
                metric=MeanRelativeAccuracy(zero=EXACT),
            )
            for name in lengths
        ),
        official=OFFICIAL,
    )


def read(row: Row, place: Place) -> Row | None:
    """The row, if it is of the duration and not of streaming."""
    length = row["split"]
    if length.endswith(STREAMING) or place.subset not in (ALL, length):
        return None
    return {
        "id": place.number,
        "video": row["video_path"],
        "question_type": f"count_{length}",
        "question": row["question"].strip(),
        "options": None,
        "ground_truth": row["answer"],
    }


BENCHMARK = Published(
    name="vsi-super-count",
    repo="nyu-visionx/VSI-SUPER-Count",
    citation=CITATION,
    rubric=_rubric(*DURATIONS),
    rubrics={name: _rubric(name) for name in DURATIONS},
    wording=Wording(
        name="vsi-super-count", source=CITATION, templates={NUMERIC: NUMBERS + WORD_OR_PHRASE}
    ),
    read=read,
    columns=("video_path", "question", "answer", "split"),
    tables=("README.md", "*.parquet", "*.jsonl"),
    archives=("*{subset}*.zip", "*.zip"),
    split="test",
    subsets=(*DURATIONS, ALL),
    frame_rule=FRAMES,
    errata=(CRITIQUE, "Without streaming, a question is asked once, at the end of its video."),
    assumes=(
        "the split test with the columns of lmms-eval@75571cf, the duration in split, and "
        "streaming rows in splits that end with _streaming",
        "a number in answer, 0 among them",
        "zips with members that end with video_path",
    ),
)
