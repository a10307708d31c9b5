"""DSI-Bench (arXiv 2510.18873): motion of objects and cameras, in four variants of each video.

Read: github SpatialVision/dsibench@af90adc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vicabench.benchmarks.published import Place, Published, Row
from vicabench.errors import DataError
from vicabench.metrics import CHOICE
from vicabench.rubric import MICRO, VARIANTS, Overall, Rubric, Task
from vicabench.types import FrameRule, Question
from vicabench.wording import Wording

CITATION = "DSI-Bench (arXiv 2510.18873), released code"
FILMS = ("std", "hflip", "reverse", "reverse_hflip")
TASKS = (
    Task(name="object_static_camera", title="Obj: static cam"),
    Task(name="object_moving_camera", title="Obj: moving cam"),
    Task(name="camera_static_scene", title="Cam: static scene"),
    Task(name="camera_dynamic_scene", title="Cam: dynamic scene"),
    Task(name="object_camera_distance", title="Obj-cam distance"),
    Task(name="object_camera_orientation", title="Obj-cam orient."),
)
"""By the number in the column `cate`."""
SAMPLES = Overall(name="micro", title="Avg.", how=MICRO)
GROUPS = Overall(name="groups", title="3 of 4", how=VARIANTS, at_least=3)
PROMPT = """You are a vision-language expert.
You are given a clip of video and your task is to answer a question about the video.
You only need to provide *ONE* correct answer selecting from the options listed below. \

For example, if you think the correct answer is 'A' from 'A. Above B. Under C. Front D. Behind', \

your response should **only** be '<answer>A</answer>'.
Please answer the question in this format strictly:
<answer>[A, B, C, or D]</answer>

Question:
{question}"""
_LABEL = re.compile(r"(?:^|;)\s*([A-H])\s*[:.)]\s*")


def options_of(text: str) -> dict[str, str]:
    """The options in `A: up; B: down`; a semicolon within an option ends none."""
    parts = _LABEL.split(text)
    if parts[0].strip() or len(parts) < 3:
        raise ValueError(f"the options are not spelled `A: ...; B: ...`: {text[:80]!r}")
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {letter: option.strip().rstrip(";").strip() for letter, option in pairs}


def read(row: Row, place: Place) -> Row | None:
    """The row; its place in the file is what the variants of a question have in common."""
    if place.subset not in ("full", place.table):
        return None
    clip = row["relative_path"].strip()
    return {
        "id": f"{place.table}-{place.number}",
        "video": f"{place.table}/{clip}",
        "scene": clip,
        "group": place.number,
        "question_type": TASKS[int(row["cate"])].name,
        # The prompt shows the options as they are published: all in one line.
        "question": f"{row['question']} {row['options']}",
        "options": options_of(row["options"]),
        "ground_truth": row["GT"].strip(),
    }


def remarks(questions: tuple[Question, ...]) -> Iterator[str]:
    """Check that the rows of the four files are about the same clips in the same order."""
    seen: dict[str, Question] = {}
    for question in questions:
        first = seen.setdefault(question.group, question)
        if (first.scene, first.task) != (question.scene, question.task):
            raise DataError(
                f"the rows {first.id} and {question.id} are about {first.scene} ({first.task}) and "
                f"{question.scene} ({question.task}), and must be variants of one question."
            )
    yield from ()


BENCHMARK = Published(
    name="dsi-bench",
    repo="Viglong/DSI-Bench",
    citation=CITATION,
    rubric=Rubric(tasks=TASKS, overall=(SAMPLES, GROUPS), official="dsi-bench"),
    rubrics={film: Rubric(tasks=TASKS, overall=(SAMPLES,), official="dsi-bench") for film in FILMS},
    wording=Wording(
        name="dsi-bench",
        source=CITATION,
        templates={CHOICE: PROMPT},
        reply="<answer>{answer}</answer>",
    ),
    read=read,
    columns=("cate", "relative_path", "question", "options", "GT"),
    tables=tuple(f"metadatas/{film}.csv" for film in FILMS),
    subsets=("full", *FILMS),
    frame_rule=FrameRule(fps=5.0, why="the released code sends 5 frames a second"),
    assumes=(
        "metadatas/{std,hflip,reverse,reverse_hflip}.csv, whose rows align by position",
        "options in one text, `A: ...; B: ...`, and the letter in GT; cate from 0 to 5",
        "videos/VARIANT/relative_path as files, or in zips",
    ),
    remarks=remarks,
    counts={"full": 7076, **dict.fromkeys(FILMS, 1769)},
    revision="7e3be50cda54f98e8ce11fe89696b5b1ed246801",
    size="2.8 GB",
)
