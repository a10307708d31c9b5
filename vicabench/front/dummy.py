"""Videos without the thing that is counted, so that the only right answer is 0.

The test of ReVSI (arXiv 2604.24300): a model that looks answers 0, one that relies on what is usual
in a room does not. Its videos are not published; these are made from a benchmark's own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from vica.containers import VideoError, inspect
from vica.video import decode, sample_indices

from vicabench import files
from vicabench.benchmarks.custom import FILE
from vicabench.engine.options import check_number
from vicabench.errors import ConfigError, DataError, counted
from vicabench.front.answerable import seen_frames
from vicabench.front.benchmark import Asked, Selection, benchmark
from vicabench.metrics import NUMERIC
from vicabench.types import Question

VARIANTS = {
    "query_drop": "Query drop",
    "first_frame": "First frame",
    "black": "Black",
}
"""The frames that show nothing of what is counted; the first of these, repeated; black frames."""
COUNTED = "objects"
"""The unit of the tasks that count."""
ENCODER = {"crf": "8", "preset": "medium", "x264-params": "open-gop=0"}
DESCRIPTION = """\
# Counting questions whose only right answer is 0, as in the dummy-video test of ReVSI
# (arXiv 2604.24300), made by `vicabench data dummy` from {source}.
name: {name}
questions: questions.jsonl
videos: .
frames: {{frames: {frames}, why: "the videos have at most {frames} frames"}}
tasks:
"""
TASK = """\
  - {{name: {name}, title: {title}, unit: objects, metric: {{name: tolerance, absolute: 0}}}}
"""


@dataclass(frozen=True, kw_only=True)
class DummyVideos:
    """What `dummy` wrote.

    Attributes:
        folder: The benchmark, for `--benchmark`.
        questions: How many counting questions it asks, each about three videos.
        undecided: Counting questions of which the file does not say what shows their things.
        always_seen: Those whose things are in every frame.
        failed: Why videos could not be read, by name.
    """

    folder: Path
    questions: int
    undecided: int
    always_seen: int
    failed: Mapping[str, str]


def dummy(source: Asked, seen: str | Path, *, out: str | Path, frames: int = 64) -> DummyVideos:
    """Write a benchmark whose counting questions are all about videos without what they count.

    Args:
        source: The benchmark, as `vicabench.benchmark` takes it.
        seen: The file of `vicabench.answerable`, with the frames that show each thing.
        out: A new folder for the benchmark.
        frames: The frames of a video, spread evenly over those that do not show the thing.

    Raises:
        ConfigError: The folder holds something already, or cannot be written.
        DataError: The file is malformed, or no counting question is left.
    """
    check_number("frames", frames)
    asked_of, out = benchmark(source), Path(out)
    total, shown = seen_frames(Path(seen))
    asked = [q for q in asked_of.questions if _counts(asked_of, q)]
    known = [q for q in asked if q.id in total]
    left = [q for q in known if len(shown[q.id]) < total[q.id]]
    if not left:
        raise DataError(
            f"{seen} leaves no counting question of {asked_of.benchmark.name} with frames that do "
            "not show what is counted."
        )
    failed: dict[str, str] = {}
    rows = list(_written(asked_of, left, total, shown, _new_folder(out), frames, failed))
    if not rows:
        raise DataError(f"no video could be read: {next(iter(failed.values()))}")
    _describe(out, asked_of.benchmark.name, frames, rows)
    return DummyVideos(
        folder=out,
        questions=len(rows) // len(VARIANTS),
        undecided=len(asked) - len(known),
        always_seen=len(known) - len(left),
        failed=failed,
    )


def _new_folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise ConfigError(f"{out} is not empty: name a new folder.")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}.") from None
    return out


def _counts(asked_of: Selection, question: Question) -> bool:
    task = asked_of.benchmark.rubric.of_type[question.task]
    return task.kind == NUMERIC and task.unit == COUNTED


def _written(
    asked_of: Selection,
    questions: Collection[Question],
    total: Mapping[str, int],
    shown: Mapping[str, Collection[int]],
    out: Path,
    frames: int,
    failed: dict[str, str],
) -> Iterator[dict[str, Any]]:
    """Write the videos of each question; yields the rows."""
    for question in questions:
        unseen = np.setdiff1d(np.arange(total[question.id]), np.array(list(shown[question.id])))
        chosen = unseen[sample_indices(len(unseen), min(frames, len(unseen)))]
        try:
            pixels_THWC = _decoded(
                asked_of.benchmark.files[question.video], total[question.id], chosen
            )
        except VideoError as error:
            failed[question.video] = str(error)
            continue
        first = np.broadcast_to(pixels_THWC[:1], pixels_THWC.shape)
        for variant, pixels in zip(
            VARIANTS, (pixels_THWC, first, np.zeros_like(pixels_THWC)), strict=True
        ):
            name = f"videos/{variant}/{question.id}.mp4"
            _encode(out / name, pixels)
            yield {
                "id": f"{variant}-{question.id}",
                "video": name,
                "scene": question.scene or question.video,
                "question_type": variant,
                "question": question.text,
                "ground_truth": 0,
            }


def _decoded(path: Path, total: int, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The chosen frames of a video that must have `total`."""

    def sample(number: int) -> NDArray[np.int64]:
        if number != total:
            raise VideoError(
                f"{path} has {counted(number, 'frame')}; the file of what is seen says {total}"
            )
        return chosen

    return decode(path, inspect(path), sample).pixels_THWC


def _encode(path: Path, pixels_THWC: NDArray[np.uint8]) -> None:
    """Write frames as H.264; odd sides lose a row or column, as yuv420p has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = (side - side % 2 for side in pixels_THWC.shape[1:3])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options=dict(ENCODER))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in pixels_THWC[:, :height, :width]:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _describe(out: Path, source: str, frames: int, rows: Collection[Mapping[str, Any]]) -> None:
    """Write the questions and `benchmark.yaml`."""
    files.write(out / "questions.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    head = DESCRIPTION.format(
        source=source, name=json.dumps(f"{source} without what is counted"), frames=frames
    )
    tasks = "".join(TASK.format(name=name, title=title) for name, title in VARIANTS.items())
    files.write(out / FILE, head + tasks)
