"""A folder with a benchmark of your own to start from: `vicabench init`."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.benchmarks.choices import bare_texts
from vicabench.benchmarks.custom import FILE
from vicabench.benchmarks.own import read_questions
from vicabench.errors import ConfigError, an
from vicabench.rooms.build import build

QUESTIONS, README, VIDEO = "questions.jsonl", "README.md", "videos/room.mp4"

DESCRIPTION = """\
# A benchmark of your own. Every key but `tasks` may be left out.
name: {name}
questions: questions.jsonl   # or .json, .csv, .tsv, .parquet, or a data set: owner/name@revision
videos: .                    # the folder that the videos in the questions are relative to

# columns:                   # our names of columns: those of your file, where they differ
#   question_type: type
#   ground_truth: answer
# index_from: 0              # if ground truths are indices of options, which count from 0 or 1

tasks:
  - name: object_count       # the question_type of its questions
    title: Count             # its column in tables
    unit: objects            # a unit makes a task numeric, graded by mean relative accuracy
    metric: {{name: mra, zero: exact}}   # a truth of 0 is right only for exactly 0
    beside: [mae]            # reported beside the score: the mean absolute error
  - name: distance
    title: Distance
    unit: m
    metric: {{name: tolerance, relative: 0.25}}   # right within 25% of the truth
  - name: is_there
    title: Is there
    kind: yes/no
    beside: [chance-corrected]
  - name: which_is_closest
    title: Closest
    kind: choice             # graded by exact match; options may be texts, letters or objects

overall: [macro, micro]      # the first is the headline; also weighted, and groups of tasks

# wording:                   # what models are asked, by kind or question type
#   templates:
#     numeric: "These are frames of a video.\\n{{question}}\\nAnswer with a number, in {{unit}}."
#     choice: "These are frames of a video.\\n{{question}}\\n{{options}}\\nAnswer with a letter."
#     yes/no: "These are frames of a video.\\n{{question}}\\nAnswer yes or no."
# frames: {{frames: 32, fixed: true, why: "questions name frames by their number"}}
# errata: ["2026-01-01: the truth of question 12 was corrected"]
"""

ABOUT = """\
# {name}

A benchmark for vicabench. The questions and the video are examples from a generated room: replace
them with your own.

- `benchmark.yaml`: the tasks, how they are scored, and how models are asked
- `questions.jsonl`: one question a line: `video`, `question_type`, `question`, `options`,
  `ground_truth` (a list if several answers are right), and an `id` if you want one
- `videos/`: the videos

```bash
vicabench data check {folder}
vicabench run --benchmark {folder} --model baseline:random --model baseline:oracle
```
"""


def init(folder: str | Path) -> Path:
    """Write a benchmark with example questions and a video into a new folder; returns it.

    Raises:
        ConfigError: The folder holds something already, or cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty: name a new folder.")
        (folder / VIDEO).parent.mkdir()
        rows = list(_examples(folder / VIDEO))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        name = folder.absolute().name
        files.write(folder / QUESTIONS, lines)
        files.write(folder / FILE, DESCRIPTION.format(name=json.dumps(name)))
        files.write(folder / README, ABOUT.format(name=name, folder=folder))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from None
    return folder


def _examples(video: Path) -> Iterator[dict[str, Any]]:
    """Questions about a generated room, whose video is written to `video`."""
    with tempfile.TemporaryDirectory() as place:
        build(Path(place), scenes=1, seed=0, width=480, height=360, fps=8, workers=1)
        questions = read_questions(Path(place) / QUESTIONS)
        shutil.copyfile(Path(place) / f"{questions[0].video}.mp4", video)
    for question in questions:
        if question.task == "object_counting":
            yield _row("object_count", question.text, int(float(question.answer)))
            thing = question.text.split("How many ")[-1].split("(")[0]
            yield _row("is_there", f"Is there {an(thing)} in this room?", "yes")
        if question.task == "object_abs_distance":
            yield _row("distance", question.text, float(question.answer))
        if question.task == "object_rel_distance":
            texts = bare_texts(question.options)
            truth = texts["ABCD".index(question.answer)]
            yield _row("which_is_closest", question.text, truth) | {"options": list(texts)}
    yield _row("object_count", "How many elephants are in this room?", 0)
    yield _row("is_there", "Is there an elephant in this room?", "no")


def _row(task: str, question: str, truth: Any) -> dict[str, Any]:
    return {
        "video": VIDEO,
        "question_type": task,
        "question": question,
        "ground_truth": truth,
    }
