"""VSI-SUPER Count (arXiv 2511.04670): how many objects were seen in a tour of up to two hours.

Read: lmms-eval@75571cf, tasks/vsisuper/count and count_streaming. A streaming question is asked at
many times of a video, and its answer is a JSON list with a number for each.
"""

from __future__ import annotations

import json

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.benchmarks.sets.vsi_super import ALL, CITATION, CRITIQUE, FRAMES, OFFICIAL, durations
from vicabench.benchmarks.sets.vsi_wording import NUMBERS, WORD_OR_PHRASE
from vicabench.metrics import EXACT, FREE, NUMERIC, MeanOverTimes, MeanRelativeAccuracy
from vicabench.rubric import Rubric, Task
from vicabench.wording import Wording

DURATIONS = durations(10, 30, 60, 120)
STREAMING = "_streaming"
STREAMS = tuple(f"{duration}{STREAMING}" for duration in DURATIONS)


def _task(name: str) -> Task:
    title = f"Count {name.replace('_', ' ')}"
    if name.endswith(STREAMING):
        return Task(name=f"count_{name}", title=title, kind=FREE, metric=MeanOverTimes())
    return Task(
        name=f"count_{name}",
        title=title,
        unit="objects",
        kind=NUMERIC,
        metric=MeanRelativeAccuracy(zero=EXACT),
    )


def _rubric(*lengths: str) -> Rubric:
    return Rubric(tasks=tuple(_task(name) for name in lengths), official=OFFICIAL)


MEMBERS = {ALL: DURATIONS, ALL + STREAMING: STREAMS}
"""The splits of the subsets that have several."""


def read(row: Row, place: Place) -> Row | None:
    """The row, if its split belongs to the subset."""
    split = row["split"]
    if split not in MEMBERS.get(place.subset, (place.subset,)):
        return None
    truth = row["answer"]
    if split.endswith(STREAMING):
        if len(row["answers"]) != len(row["query_times"]):
            raise ValueError("answers and query_times differ in length")
        truth = json.dumps(list(row["answers"]))
    return {
        "id": place.number,
        "video": row["video_path"],
        "question_type": f"count_{split}",
        "question": row["question"].strip(),
        "options": None,
        "ground_truth": truth,
    }


BENCHMARK = Published(
    name="vsi-super-count",
    repo="nyu-visionx/VSI-SUPER-Count",
    citation=CITATION,
    rubric=_rubric(*DURATIONS),
    rubrics={name: _rubric(name) for name in (*DURATIONS, *STREAMS)}
    | {ALL + STREAMING: _rubric(*STREAMS)},
    wording=Wording(
        name="vsi-super-count",
        source=CITATION,
        templates=dict.fromkeys((NUMERIC, FREE), NUMBERS + WORD_OR_PHRASE),
    ),
    read=read,
    columns=("video_path", "question", "answer", "split", "query_times", "answers"),
    tables=("README.md", "*.parquet", "*.jsonl"),
    archives=("*{subset}*.zip", "*{stem}*.zip", "*.zip"),
    split="test",
    subsets=(*DURATIONS, ALL, *STREAMS, ALL + STREAMING),
    frame_rule=FRAMES,
    errata=(CRITIQUE, "A question is asked once, at the end of its video."),
    subset_errata=dict.fromkeys(
        (*STREAMS, ALL + STREAMING),
        (
            "The whole video is shown at once, and the released prompt does not ask for a list: "
            "only a reply that is a JSON list of numbers scores.",
        ),
    ),
    assumes=(
        "the split test with the columns of lmms-eval@75571cf, the duration in split, and "
        "streaming rows in splits that end with _streaming",
        "a number in answer, 0 among them; for streaming, numbers in answers, one for each of "
        "query_times",
        "zips with members that end with video_path",
    ),
)
