"""Every kind of bad input ends in one clear paragraph and exit code 2, nothing lost."""

import json
import os
from pathlib import Path

import pytest

from tests.runs import write_run
from tests.support import Vicabench, refuses, rows_about, write_jsonl
from vicabench.results.run import load_run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "gpt-9"), ("gpt-9", "baseline:", "vicabench.adapters")),
        (("--model", "baseline:guess"), ("baseline:guess", "baseline:frequency")),
        (("--model", "baseline:constant"), ("baseline:constant:2",)),
        (("--model", "replay:"), ("replay:",)),
        (("--model", "replay:none.jsonl"), ("none.jsonl", "cannot be read")),
        (("--model", "baseline:oracle", "--tasks", "counting"), ("counting", "object_counting")),
        (("--model", "baseline:oracle", "--format", "pdf"), ("pdf", "markdown")),
        (("--model", "baseline:oracle", "--protocol", "mine"), ("mine", "official")),
        (("--model", "baseline:oracle", "--decoder", "vlc"), ("vlc", "decord")),
        (("--model", "baseline:oracle", "--subset", "hard"), ("--subset",)),
        (("--model", "baseline:oracle", "--published"), ("VSI-Bench", "--published")),
        (("--model", "baseline:oracle", "--frames", "0"), ("--frames",)),
        (("--model", "baseline:oracle", "--no-video", "--frames", "8"), ("--no-video",)),
        (("--model", "baseline:oracle", "--tasks", ","), ("There is no task ''",)),
        (("--model", "gemini:any", "--videos", "x" * 300), ("xxx", "too long")),
        ((), ("--model",)),
    ],
)
def test_an_option_that_cannot_be_meant_is_explained(
    vicabench: Vicabench, clips: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refuses(vicabench("run", "--benchmark", clips / "questions.jsonl", *arguments), *words)


def test_a_benchmark_that_does_not_exist_is_explained(vicabench: Vicabench, tmp_path: Path) -> None:
    refuses(vicabench("run", "--benchmark", "vsi", "--model", "baseline:oracle"), "vsi-bench")
    refuses(
        vicabench("run", "--model", "baseline:oracle", VICABENCH_CACHE=str(tmp_path / "cache")),
        "vicabench data fetch vsi-bench",
        "--benchmark rooms",
    )


def test_a_run_folder_that_cannot_be_made_is_explained(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:oracle",
        "--no-video", "--out", "file/run",
    )  # fmt: skip
    refuses(done, "file/run", "--out")


@pytest.mark.parametrize("content", ["{", "[]", '{"config": {}, "digest": "0", "starts": null}'])
def test_a_damaged_config_is_not_overwritten(
    vicabench: Vicabench, clips: Path, tmp_path: Path, content: str
) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "config.json").write_text(content, encoding="utf-8")
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "baseline:oracle",
        "--no-video", "--out", "r",
    )  # fmt: skip
    refuses(done, "config.json", "damaged")
    assert (tmp_path / "r" / "config.json").read_text(encoding="utf-8") == content


GOOD = {
    "id": 1,
    "dataset": "scannet",
    "scene_name": "s1",
    "question_type": "object_counting",
    "ground_truth": "4",
    "response": "4",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question_type": "counting"}, ("line 2", "counting", "object_counting")),
        ({"ground_truth": "0"}, ("line 2", "positive")),
        ({"ground_truth": "four"}, ("line 2", "positive")),
        ({"question_type": "route_planning", "ground_truth": "4"}, ("line 2", "letter")),
        ({"response": ["4"]}, ("line 2", "response")),
        ({"id": 1}, ("line 2", "line 1", "id 1")),
        ({"scene_name": None, "dataset": None}, ("line 2", "scene_name")),
        ({"id": ""}, ("line 2", "id")),
        ({"id": {}}, ("line 2", "id")),
        ({"video": ["x"]}, ("line 2", "video")),
        ({"options": 5}, ("line 2", "options")),
    ],
)
def test_invalid_predictions_file_is_refused_naming_the_line(
    vicabench: Vicabench, tmp_path: Path, change: dict[str, object], words: tuple[str, ...]
) -> None:
    bad = {key: v for key, v in {**GOOD, "id": 2, **change}.items() if v is not None}
    write_jsonl(tmp_path / "p.jsonl", [GOOD, bad])
    refuses(vicabench("score", "p.jsonl"), *words)


@pytest.mark.parametrize("text", ["", "not json\n", "[1]\n", '{"id": 1}\n', "[" * 100_000 + "\n"])
def test_a_file_that_holds_no_predictions_is_refused(
    vicabench: Vicabench, tmp_path: Path, text: str
) -> None:
    (tmp_path / "p.jsonl").write_text(text, encoding="utf-8")
    refuses(vicabench("score", "p.jsonl"), "p.jsonl")


def test_input_files_are_never_overwritten(vicabench: Vicabench, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "p.jsonl", [GOOD])
    refuses(vicabench("score", "p.jsonl", "--grades", "p.jsonl"), "not overwritten")
    refuses(vicabench("score", "p.jsonl", "--json", "z", "--grades", "./z"), "Name two files")
    run = write_run(tmp_path / "run", "m", [{**row, "response": "2"} for row in rows_about(1)])
    for name in ("run", "run/predictions.jsonl"):
        refuses(vicabench("report", name, "--out", "run/config.json"), "not overwritten")
    assert load_run(run).name == "m"
    assert json.loads(file.read_text(encoding="utf-8")) == GOOD


def test_messages_send_no_control_characters_to_the_terminal(vicabench: Vicabench) -> None:
    done = vicabench("run", "--benchmark", "rooms", "--model", "evil\x1b[31m\x07")
    refuses(done, "evil?[31m?")


def test_names_in_csv_are_not_formulas(vicabench: Vicabench, tmp_path: Path) -> None:
    names = ("=1+1", "@SUM(1)", "+1+1", "-1+1", "\uff1d1+1", "plain")
    rows = [{**row, "response": "2"} for row in rows_about(1)]
    folders = [write_run(tmp_path / f"r{n}", name, rows).name for n, name in enumerate(names)]
    done = vicabench("score", *folders, "--format", "csv")
    assert done.returncode == 0, done.stderr
    cells = [line.partition(",")[0] for line in done.stdout.splitlines()[1:]]
    assert cells == ["'=1+1", "'@SUM(1)", "'+1+1", "'-1+1", "'\uff1d1+1", "plain"]


def test_reading_does_not_wait_for_a_named_pipe(vicabench: Vicabench, tmp_path: Path) -> None:
    for name in ("runs/one/config.json", "rooms/cached/rooms.json", "mine/rooms.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        os.mkfifo(tmp_path / name)
    refuses(vicabench("scaling-curve", "--runs", "runs"), "config.json cannot be read")
    refuses(vicabench("data", "rooms", "--out", "mine"), "not empty and not a Rooms folder")
    listed = vicabench("data", "list", VICABENCH_CACHE=".")
    assert listed.returncode == 0
    assert "it is a pipe" in listed.stdout


def test_a_file_that_cannot_be_written_is_refused(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", [GOOD])
    refuses(vicabench("score", "p.jsonl", "--json", "no/such/folder.json"), "no/such/folder.json")


def test_a_question_file_with_a_repeated_id_is_refused(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = rows_about(1)
    rows[1]["id"] = rows[0]["id"]
    write_jsonl(tmp_path / "q.jsonl", rows)
    done = vicabench("run", "--benchmark", "q.jsonl", "--model", "baseline:oracle", "--no-video")
    refuses(done, "q.jsonl", "line 2", json.dumps(rows[0]["id"]).strip('"'))
