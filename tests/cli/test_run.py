"""`vicabench run` through the real command line, on real clips."""

import json
import re
from pathlib import Path

import pytest

from tests.support import (
    Vicabench,
    install_adapter,
    is_numeric,
    looking_oracle,
    read_jsonl,
    refuses,
    rows_about,
    write_jsonl,
)

ROOT = Path(__file__).parent.parent.parent


def test_the_oracle_scores_100_on_every_task(vicabench: Vicabench, clips: Path) -> None:
    done = vicabench("run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:oracle")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "baseline:oracle" in line)
    assert row.split() == ["baseline:oracle", *["100.0"] * 9]


def test_frequency_gives_each_type_its_most_frequent_answer(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = rows_about(5)
    for row in rows:
        row["ground_truth"] = row["ground_truth"] if row["video"] == "clip4" else "3"
        if not is_numeric(row["question_type"]):
            row["ground_truth"] = "A" if row["video"] == "clip4" else "C"
    write_jsonl(tmp_path / "q.jsonl", rows)
    done = vicabench(
        "run", "--benchmark", "q.jsonl", "--model", "baseline:frequency", "--no-video",
        "--format", "csv",
    )  # fmt: skip
    replies = {
        p["question_type"]: p["response"] for p in read_jsonl(predictions(tmp_path, "q.jsonl"))
    }
    assert replies == {kind: "3" if is_numeric(kind) else "C" for kind in replies}
    # Numeric: four exact, and 3 against 5, which is 40% off, scores 0.3. Choice: four of five.
    header, line = (text.split(",") for text in done.stdout.splitlines())
    cells = dict(zip(header, line, strict=True))
    assert float(cells["object_counting"]) == pytest.approx(100 * (4 + 0.3) / 5, abs=0.01)
    assert float(cells["route_planning"]) == pytest.approx(80.0)


def predictions(folder: Path, benchmark: str, model: str = "baseline-frequency") -> Path:
    return folder / "runs" / benchmark / model / "predictions.jsonl"


def test_several_models_share_one_table(vicabench: Vicabench, clips: Path) -> None:
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:random",
        "--model", "baseline:constant:2", "--model", "baseline:best-constant",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for model in ("baseline:random", "baseline:constant:2", "baseline:best-constant"):
        assert model in done.stdout


def test_random_baseline_depends_only_on_the_seed(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    for out, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        vicabench(
            "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:random",
            "--no-video", "--seed", seed, "--out", out,
        )  # fmt: skip
    a, b, c = ((tmp_path / o / "predictions.jsonl").read_text() for o in "abc")
    assert a == b
    assert a != c


def test_a_bad_video_is_recorded_counted_shown_and_asked_again(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for v in range(6):
        (videos / f"clip{v}.mp4").write_bytes((clips / f"clip{v}.mp4").read_bytes())
    whole = (videos / "clip1.mp4").read_bytes()
    (videos / "clip1.mp4").write_bytes(whole[: len(whole) // 2])
    (videos / "clip2.mp4").unlink()
    command = (
        "run", "--benchmark", clips / "questions.jsonl", "--videos", videos,
        "--model", looking_oracle(tmp_path), "--out", "r",
    )  # fmt: skip

    done = vicabench(*command)
    assert done.returncode == 1
    shown = " ".join(done.stdout.split())
    assert "20 of 60 questions unanswered, counted as wrong" in shown
    assert "clip1: video: " in done.stderr
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    failed = {r["video"] for r in records if r["error"]}
    assert failed == {"clip1", "clip2"}
    assert all(r["response"] is None for r in records if r["error"])

    (videos / "clip1.mp4").write_bytes(whole)
    assert vicabench(*command).returncode == 1  # an error is an outcome: not asked again...
    again = vicabench(*command, "--retry-errors")  # ...unless one says so
    assert "10 of 60 questions unanswered" in again.stdout
    assert len(read_jsonl(tmp_path / "r" / "predictions.jsonl")) == 60 + 20


UNSEEING = """
from vicabench.types import Answer

class Unseeing:
    settings, needs_video = {}, False
    def answer(self, video, questions):
        return [Answer(question_id=q.id, response=str(video.frames_THWC.size)) for q in questions]
"""


def test_who_needs_no_video_opens_none(vicabench: Vicabench, clips: Path, tmp_path: Path) -> None:
    asked = write_jsonl(tmp_path / "q.jsonl", read_jsonl(clips / "questions.jsonl"))
    oracle = ("run", "--benchmark", asked, "--model", "baseline:oracle", "--out")
    assert vicabench(*oracle, "missing").returncode == 0
    for v in range(6):
        (tmp_path / f"clip{v}.mp4").write_text("broken")
    (tmp_path / "my.py").write_text(UNSEEING)
    mine = ("run", "--benchmark", asked, "--model", "./my.py:Unseeing", "--out")
    again = ("run", "--benchmark", asked, "--model", "replay:broken", "--out", "replayed")
    others = ((*oracle, "broken"), (*mine, "mine"), (*mine, "there", "--devices", "cpu"), again)
    for command in others:
        done = vicabench(*command)
        assert done.returncode == 0, done.stderr
    folders = ("missing", "broken", "mine", "there", "replayed")
    for folder in folders:
        records = read_jsonl(tmp_path / folder / "predictions.jsonl")
        assert not [r["error"] for r in records if r["error"]]
        config = json.loads((tmp_path / folder / "config.json").read_text())["config"]
        assert (config["frames"], config["sampling"]) == (0, "none")
        if folder in ("mine", "there"):
            assert {r["response"] for r in records} == {"0"}


def test_questions_about_rooms_do_not_wait_for_films(vicabench: Vicabench, tmp_path: Path) -> None:
    cache = {"VICABENCH_CACHE": str(tmp_path / "cache")}
    done = vicabench("run", "--benchmark", "rooms", "--model", "baseline:oracle", **cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:2] == [
        "Building rooms: needed once, then kept",
        "Building rooms: 2/12",
    ]
    assert "Building rooms: 12/12" in done.stderr
    assert list((tmp_path / "cache").rglob("questions.jsonl"))
    assert not list((tmp_path / "cache").rglob("*.mp4"))


def test_limit_takes_whole_videos_and_can_only_grow(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    command = (
        "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:oracle", "--out", "r",
    )  # fmt: skip
    few = vicabench(*command, "--limit", "2", "--tasks", "route_planning,object_rel_direction")
    assert few.returncode == 0
    assert "left out of Avg." in few.stdout
    assert len(read_jsonl(tmp_path / "r" / "predictions.jsonl")) == 2 * 4
    assert vicabench(*command).returncode == 0
    assert len(read_jsonl(tmp_path / "r" / "predictions.jsonl")) == 60
    refuses(vicabench(*command, "--limit", "2"), "asked before", "--out")


def test_the_adapter_of_the_docs_works_as_written(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    target = re.findall(r'brightness = "brightness:(\w+)"', text)[0]
    installed = install_adapter(tmp_path / "site", "brightness", code, target)
    command = ("run", "--benchmark", clips / "questions.jsonl", "--model", "brightness:1.1")
    done = vicabench(*command, **installed)
    assert done.returncode == 0, done.stderr
    records = read_jsonl(predictions(tmp_path, "questions.jsonl", "brightness-1.1"))
    counts = {r["response"] for r in records if not r["options"]}
    assert all(0 <= int(count) <= 64 for count in counts)
    refuses(vicabench(*command, "--no-video", **installed), "answers from the video")


MISTAKEN = """
import sys
import numpy as np
from vicabench.types import Answer

class Mistaken:
    settings, needs_video = {}, False
    def __init__(self, argument, context):
        if argument: raise ValueError("no such checkpoint")
    def answer(self, video, questions):
        if video.name == "clip0":
            sys.exit(0)
        seconds = [np.float32(0.5), float("nan"), "soon"] + 7 * [None]
        parts = [None, None, None, {"thoughts": "hm", "final": "1"}, {"final": 1}] + 5 * [None]
        for q, s, p in zip(questions, seconds, parts):
            yield Answer(question_id=q.id, response="1", seconds=s, new_tokens=np.int64(3), parts=p)
"""


def test_adapter_errors_are_recorded_and_do_not_end_the_run(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    installed = install_adapter(tmp_path / "site", "mistaken", MISTAKEN, "Mistaken")
    command = ("run", "--benchmark", clips / "questions.jsonl", "--no-video", "--out", "r")
    done = vicabench(*command, "--model", "mistaken", **installed)
    assert done.returncode == 1, done.stderr
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert len(records) == 60
    assert {r["error"] for r in records[:10]} == {"adapter: SystemExit: 0"}
    assert (records[10]["seconds"], records[10]["new_tokens"]) == (0.5, 3)
    assert "seconds is nan" in records[11]["error"]
    assert "could not convert string to float" in records[12]["error"]
    assert records[13]["parts"] == {"thoughts": "hm", "final": "1"}
    assert "parts are texts by name" in records[14]["error"]
    assert "sys.exit(0)" in (tmp_path / "r" / "errors.log").read_text(encoding="utf-8")
    refuses(vicabench(*command, "--model", "mistaken:x", **installed), "no such checkpoint")


BROKEN = """
from vicabench.types import Answer

class Broken:
    settings, needs_video = {}, True
    def __init__(self, argument, context): pass
    def answer(self, video, questions):
        assert video.frames_THWC.shape[0] == 64
        for place, question in enumerate(questions):
            if video.name == "clip0" and place == 3:
                raise RuntimeError("out of luck")
            if video.name == "clip1" and place == 3:
                return
            reply = 5 if video.name == "clip2" and place == 3 else "1"
            yield Answer(question_id=question.id, response=reply)
"""


def test_adapter_errors_fail_only_their_questions(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    installed = install_adapter(tmp_path / "site", "broken", BROKEN, "Broken")
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "broken", **installed
    )
    assert done.returncode == 1, done.stderr
    records = read_jsonl(predictions(tmp_path, "questions.jsonl", "broken"))
    errors = {v: [r["error"] for r in records if r["video"] == f"clip{v}"] for v in range(6)}
    assert errors[0] == [None] * 3 + ["adapter: RuntimeError: out of luck"] * 7
    assert errors[1] == [None] * 3 + ["adapter: no answer"] * 7
    assert errors[2] == [None] * 3 + ["adapter: the response is int, not a text"] + [None] * 6
    assert errors[3] == errors[4] == errors[5] == [None] * 10


def test_replay_of_other_questions_with_equal_ids_is_refused(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    rows = [{**row, "video": "another", "response": "1"} for row in rows_about(6)]
    write_jsonl(tmp_path / "theirs.jsonl", rows)
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--no-video",
        "--model", "replay:theirs.jsonl", "--out", "r",
    )  # fmt: skip
    assert done.returncode == 1
    errors = {r["error"] for r in read_jsonl(tmp_path / "r" / "predictions.jsonl")}
    assert errors == {"replay: the prediction with this id is about another question"}


def test_models_with_colliding_slugs_get_separate_folders(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--no-video", "--out", "r",
        "--model", "baseline:constant:?", "--model", "baseline:constant:!",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    replies = [
        read_jsonl(f / "predictions.jsonl")[0]["response"] for f in (tmp_path / "r").iterdir()
    ]
    assert sorted(replies) == ["!", "?"]


def test_replay_gives_recorded_answers_and_names_missing_ones(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    questions = ("--benchmark", clips / "questions.jsonl", "--no-video")
    vicabench("run", *questions, "--model", "baseline:oracle", "--limit", "5", "--out", "a")
    done = vicabench("run", *questions, "--model", "replay:a", "--out", "b")
    assert done.returncode == 1
    replayed = read_jsonl(tmp_path / "b" / "predictions.jsonl")
    assert replayed[:50] == read_jsonl(tmp_path / "a" / "predictions.jsonl")
    assert {r["error"] for r in replayed[50:]} == {"replay: no prediction with this id"}
