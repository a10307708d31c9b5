"""What of a benchmark is in training data, in the layout of ViCA-322K."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vica.chat import PLACEHOLDER, vsi_bench_question

import vicabench as vb
from tests.support import Row, write_jsonl
from vicabench.errors import DataError

COUNT = "How many {x}(s) are in this room?"


def question(number: int, video: str, thing: str, truth: str) -> Row:
    return {
        "id": f"q{number}",
        "video": video,
        "question_type": "object_counting",
        "question": COUNT.format(x=thing),
        "ground_truth": truth,
    }


def record(number: int, video: str, text: str, reply: str) -> Row:
    return {
        "id": f"x/{number}",
        "video": video,
        "conversations": [
            {"from": "human", "value": vsi_bench_question(text)},
            {"from": "gpt", "value": reply},
        ],
    }


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    rows = [
        question(0, "arkitscenes/47115148", "chair", "4"),
        question(1, "arkitscenes/47115148", "sofa", "2"),
        question(2, "scannet/scene0011_00", "chair", "3"),
        question(3, "scannetpp/09c1414f1b", "lamp", "2"),
        question(4, "scannetpp/0d2ee665be", "toilet paper roll", "2"),
    ]
    return write_jsonl(tmp_path / "own.jsonl", rows)


def test_videos_rooms_questions_and_answers_are_found(benchmark: Path, tmp_path: Path) -> None:
    records = [
        record(0, "arkitscenes/47115148.mp4", COUNT.format(x="chair"), "4.0"),
        record(1, "arkitscenes/47115148.mp4", COUNT.format(x="sofa"), "7"),
        record(2, "scannet/scene0011_01.mp4", COUNT.format(x="door"), "1"),
        record(3, "elsewhere/video9.mp4", COUNT.format(x="lamp"), "2"),
        record(4, "deep/09C1414F1B.mp4", "Describe the room.", "A room."),
    ]
    file = tmp_path / "train.json"
    file.write_text(json.dumps(records, indent=1), encoding="utf-8")
    found = vb.audit_against(benchmark, [file], progress=False)
    levels = {key: one.level for key, one in found.overlap.found.items()}
    assert levels == {"q0": "answer", "q1": "question", "q2": "room", "q3": "video"}
    assert found.overlap.found["q0"].records == {"video": 2, "question": 1, "answer": 1}
    assert found.overlap.found["q0"].example == "train.json, record 0"
    assert found.overlap.worded == {"q0", "q1", "q2", "q3"}
    assert found.videos == ("q0", "q1", "q3")
    assert found.questions == ("q0", "q1")
    table = found.table()
    assert "5 records read of 1 file: 2 of 4 videos of the benchmark are in them." in table
    found.save(tmp_path / "leaks")
    assert (tmp_path / "leaks/leaked.txt").read_text(encoding="utf-8").split() == ["q0", "q1", "q3"]


def test_bad_records_are_counted_and_several_layouts_are_read(
    benchmark: Path, tmp_path: Path
) -> None:
    turn = {"role": "user", "content": f"{PLACEHOLDER}\n{COUNT.format(x='lamp')}"}
    messages = {
        "id": 1,
        "video": "09c1414f1b.mp4",
        "messages": [turn, {"role": "assistant", "content": "2"}],
    }
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "a.jsonl").write_text(f"not JSON\n{json.dumps(messages)}\n[1]\n", encoding="utf-8")
    (folder / "about.json").write_text('{"version": 1}', encoding="utf-8")
    found = vb.audit_against(benchmark, [folder], progress=False)
    assert {key: one.level for key, one in found.overlap.found.items()} == {"q3": "answer"}
    table = found.table()
    assert "Not read: 2 records that are not conversations." in table
    assert "Skipped: 1 file of the folders, such as" in table


def test_a_choice_is_right_by_its_letter_its_option_or_its_text(tmp_path: Path) -> None:
    row: Row = {
        "id": "c",
        "video": "rooms/room00012",
        "question_type": "object_rel_distance",
        "question": "Which of these objects is the closest to the tv?",
        "options": ["A. bed", "B. sofa"],
        "ground_truth": "B",
    }
    file = write_jsonl(tmp_path / "own.jsonl", [row])
    for reply, level in (
        ("B", "answer"),
        ("B. sofa", "answer"),
        ("Sofa.", "answer"),
        ("A. bed", "question"),
    ):
        asked = vsi_bench_question(row["question"], row["options"])
        turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": reply}]
        one = {"id": "x", "video": "room00012.mp4", "conversations": turns}
        train = write_jsonl(tmp_path / "t.jsonl", [one])
        found = vb.audit_against(file, [train], progress=False)
        assert found.overlap.found["c"].level == level, reply


def test_a_file_that_is_none_is_refused(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a file of training data"):
        vb.audit_against(benchmark, [tmp_path / "none.json"], progress=False)
    (tmp_path / "bad.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(DataError, match="is not a JSON list of records"):
        vb.audit_against(benchmark, [tmp_path / "bad.json"], progress=False)
