"""Scores on the questions alone that the sampled frames can answer."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from vica.video import read_frames, sample_indices

import vicabench as vb
from tests import warm
from tests.runs import write_run
from tests.support import Row, refuses, rows_about, write_jsonl
from tests.videos import index_of, write_clip
from vicabench.errors import ConfigError, DataError

COUNT = "object_counting"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", "m", replied())


def replied() -> list[Row]:
    """Replies about twelve videos: counts are right in the first six, all else everywhere."""
    wrong = [f"clip{v}" for v in range(6, 12)]
    return [
        {**row, "response": "999"}
        if row["question_type"] == COUNT and row["video"] in wrong
        else {**row, "response": str(row["ground_truth"])}
        for row in rows_about(12)
    ]


def seen_in(folder: Path, at: int = 16) -> Path:
    """Counts in the first six videos are answerable, all other questions but those of clip11."""
    lines: list[dict[str, Any]] = []
    for row in rows_about(12):
        number = int(row["video"].removeprefix("clip"))
        if row["question_type"] == COUNT:
            # 16 of 301 frames are every twentieth one.
            seen = {"chair": [100 if number < 6 else 101, 7], "sofa": [0]}
            lines.append({"id": row["id"], "frames": 301, "seen": seen})
        elif number < 11:
            lines.append({"id": row["id"], "answerable": {str(at): True, "8": False}})
    return write_jsonl(folder / "seen.jsonl", lines)


def test_answerable_questions_are_scored_beside_all(run: Path, tmp_path: Path) -> None:
    how = ("score", run, "--answerable", seen_in(tmp_path), "--answerable-at", "16")
    done = warm.vicabench(tmp_path, *how, "--format", "csv")
    assert done.returncode == 0, done.stderr
    whole, part = csv.DictReader(io.StringIO(done.stdout))
    assert part["model"] == "m (answerable at 16 frames)"
    assert (whole[COUNT], whole[f"{COUNT}_questions"]) == ("50.0000", "12")
    assert [part[COUNT + end] for end in ("", "_questions", "_low")] == [
        "100.0000",
        "6",
        "100.0000",
    ]
    assert (part["route_planning_questions"], part["route_planning_videos"]) == ("11", "11")
    shown = " ".join(warm.vicabench(tmp_path, *how).stdout.split())
    assert "answerable at 16 frames by seen.jsonl: 105 of 111 questions, Obj. Count 50%" in shown
    assert "left out, as the file does not decide them: 9 questions" in shown


def test_the_part_is_a_run_that_is_scored_and_compared(run: Path, tmp_path: Path) -> None:
    part = vb.answerable(run, seen_in(tmp_path), frames=16)
    assert vb.score(part).tasks[COUNT].count == 6
    assert vb.compare(part, part).result.shared == 105
    known = write_run(tmp_path / "known", "m", replied(), frames=301)
    part = vb.answerable(known, seen_in(tmp_path, 301))
    assert (part.name, vb.score(part).tasks[COUNT].count) == ("m (answerable at 301 frames)", 12)


def test_what_cannot_be_restricted_is_refused(run: Path, tmp_path: Path) -> None:
    file = seen_in(tmp_path)
    with pytest.raises(ConfigError, match=r"does not say how many frames.* --answerable-at"):
        vb.answerable(run, file)
    write_jsonl(file, [{"id": "0-0", "answerable": {"16": False}}])
    with pytest.raises(DataError, match="none of 120 questions can be answered at 16 frames"):
        vb.answerable(run, file, frames=16)
    with pytest.raises(DataError, match=r"is decided by .*seen.jsonl at 24 frames"):
        vb.answerable(run, file, frames=24)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"id": "1"}, "expected an object with id, answerable, or with id, frames, seen"),
        ([], "expected an object"),
        ({"id": 1.5, "answerable": {"16": True}}, "'id' must be a text or a whole number"),
        ({"id": 1, "answerable": [16]}, "'answerable' must map numbers of frames"),
        ({"id": 1, "answerable": {"few": True}}, "'answerable' must map numbers of frames"),
        ({"id": 1, "answerable": {"16": 1}}, "'answerable' must map numbers of frames"),
        ({"id": 1, "frames": "9", "seen": {"a": [1]}}, "'frames' must be a whole number of frames"),
        ({"id": 1, "frames": 9, "seen": {}}, "'seen' must map things to lists of frames"),
        ({"id": 1, "frames": 9, "seen": {"a": 1}}, "'seen' must map things to lists of frames"),
        ({"id": 1, "frames": 9, "seen": {"a": [9]}}, "names the frame 9, not one of 0 to 8"),
        ({"id": "0", "answerable": {}}, "the question '0' is there twice"),
    ],
)
def test_a_bad_line_is_named(run: Path, tmp_path: Path, line: Any, complaint: str) -> None:
    file = write_jsonl(tmp_path / "seen.jsonl", [{"id": 0, "answerable": {}}, line])
    with pytest.raises(DataError) as error:
        vb.answerable(run, file, frames=16)
    assert str(error.value).startswith("seen.jsonl, line 2: ")
    assert complaint in str(error.value)


def test_a_number_of_frames_needs_a_file(tmp_path: Path) -> None:
    refuses(warm.vicabench(tmp_path, "score", "run", "--answerable-at", "16"), "--answerable")


def test_dummy_videos_show_nothing_of_what_is_counted(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", frames=60)
    counts = {"video": "clip.mp4", "question_type": COUNT, "ground_truth": 2, "id": 1}
    rows = [counts | {"id": n, "question": f"How many {thing}?"} for n, thing in enumerate("abc")]
    rows.append({**rows[0], "id": 9, "question_type": "room_size_estimation", "ground_truth": 20})
    asked = write_jsonl(tmp_path / "asked.jsonl", rows)
    seen = [
        {"id": 0, "frames": 60, "seen": {"a 1": [*range(30)], "a 2": [31]}},
        {"id": 1, "frames": 60, "seen": {"b": [*range(60)]}},
        {"id": 9, "frames": 60, "seen": {"room": [1]}},
    ]
    how = ("data", "dummy", asked, "--seen", write_jsonl(tmp_path / "seen.jsonl", seen))
    done = warm.vicabench(tmp_path, *how, "--frames", "8", "--out", "dummy")
    assert done.returncode == 0, done.stderr
    assert "asks 1 question about three videos" in done.stdout
    assert "1 that seen.jsonl does not decide, 1 whose things are in every frame" in " ".join(
        done.stdout.replace(f"{tmp_path}/", "").split()
    )
    videos = {
        name: read_frames(tmp_path / f"dummy/videos/{name}/0.mp4", 8).pixels_THWC
        for name in ("query_drop", "first_frame", "black")
    }
    unseen = [30, *range(32, 60)]
    assert [index_of(frame) for frame in videos["query_drop"]] == [
        unseen[n] for n in sample_indices(len(unseen), 8)
    ]
    assert {index_of(frame) for frame in videos["first_frame"]} == {30}
    assert videos["black"].max() == 0
    (tmp_path / "say.py").write_text(
        "def two(video, questions):\n    return ['2'] * len(questions)"
    )
    models = ("--model", "say.py:two", "--model", "baseline:oracle")
    asked_of = ("run", "--benchmark", "dummy", *models, "--out", "runs", "--frames", "8")
    assert warm.vicabench(tmp_path, *asked_of).returncode == 0
    scored = vb.load_all(tmp_path / "runs")
    assert sorted(vb.score(run).overall.mean for run in scored) == [0.0, 100.0]


def test_dummy_videos_of_another_length_are_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", frames=20)
    row = {"id": 1, "video": "clip.mp4", "question_type": COUNT, "ground_truth": 2}
    asked = write_jsonl(tmp_path / "asked.jsonl", [row | {"question": "How many?"}])
    seen = write_jsonl(tmp_path / "s.jsonl", [{"id": 1, "frames": 60, "seen": {"a": [59]}}])
    how = ("data", "dummy", asked, "--seen", seen, "--out", "dummy")
    refuses(warm.vicabench(tmp_path, *how), "clip.mp4 has 20 frames", "says 60")
