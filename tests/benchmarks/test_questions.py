"""Your own questions: what is read, and what a bad line is told."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.benchmarks.toy import choice, jsonl, row, write
from vicabench.benchmarks.loading import read_records, read_rows
from vicabench.benchmarks.own import load, read_questions
from vicabench.errors import DataError
from vicabench.predictions import Prediction, read_predictions
from vicabench.types import Answer, Question


def own(**changes: Any) -> dict[str, Any]:
    """A row that names its video by a path, as questions of one's own do."""
    question = {k: v for k, v in row(1).items() if k not in ("dataset", "scene_name", "pruned")}
    return question | {"video": "kitchen.mov"} | changes


def test_rows_become_questions(tmp_path: Path) -> None:
    write(tmp_path, {"q.jsonl": jsonl([row(7), choice(8)])})
    assert read_questions(tmp_path / "q.jsonl") == (
        Question(
            id="7",
            video="scannet/one",
            task="object_counting",
            text="How many chair(s) are in this room?",
            answer="4",
        ),
        Question(
            id="8",
            video="scannet/two",
            task="obj_appearance_order",
            text="What will be the first-time appearance order of ...?",
            answer="B",
            options=("A. chair, sofa", "B. sofa, chair"),
        ),
    )


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ({"question_type": None}, "the key 'question_type' is missing"),
        ({"video": None}, "the key 'video' is missing (or 'dataset' and 'scene_name')"),
        ({"question_type": "colour"}, "must be one of object_counting, object_abs_distance"),
        ({"options": ["A. 1", "B. 2"]}, "asks for a number and takes no options"),
        ({"question_type": "route_planning"}, "needs a list of two or more options, found ()"),
        ({"question": "How many \ud83d?"}, "'question' holds half of a surrogate pair"),
        ({"video": "\ud83d"}, "'video' holds half of a surrogate pair"),
        ({"id": "\ud83d"}, "'id' holds half of a surrogate pair"),
        (
            {"question_type": "route_planning", "options": ["A. \ud83d", "B. b"]},
            "'options' holds half of a surrogate pair",
        ),
        ({"ground_truth": "0"}, "positive, finite number, found '0'"),
        ({"ground_truth": "inf"}, "positive, finite number, found 'inf'"),
        ({"ground_truth": "many"}, "positive, finite number, found 'many'"),
        ({"ground_truth": 10**400}, "positive, finite number"),
        ({"ground_truth": True}, "positive, finite number, found True"),
        ({"id": 1.5}, "'id' must be a text or a whole number, found 1.5"),
        ({"video": "../secret.mp4"}, "not a path below the videos folder"),
        ({"video": "/etc/passwd"}, "not a path below the videos folder"),
        ({"video": "C:\\film.mp4"}, "not a path below the videos folder"),
        (choice(1, ground_truth="C"), "the letter of an option, A to B, found 'C'"),
        (choice(1, options=["A. x", "C. y"]), "begins with 'B.', found 'C. y'"),
        (choice(1, options=["A) x", "B) y"]), "begins with 'A.', found 'A) x'"),
        (choice(1, options=["A. x", f"B. {'y' * 20_000}"]), "an option has 20,003 characters"),
        ({"question": "x" * 200_000}, "'question' has 200,000 characters"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    tmp_path: Path, bad: dict[str, Any], complaint: str
) -> None:
    write(tmp_path, {"q.jsonl": jsonl([own(id=99), own(**bad)])})
    with pytest.raises(DataError) as error:
        read_questions(tmp_path / "q.jsonl")
    assert str(error.value).startswith("q.jsonl, line 2: ")
    assert complaint in str(error.value)


@pytest.mark.parametrize("link", ["clip.mp4", "videos"])
def test_a_video_that_is_a_link_out_of_its_folder_is_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "clip.mp4").write_bytes(b"film")
    folder = tmp_path / "data"
    name = "clip.mp4" if link == "clip.mp4" else "videos/clip.mp4"
    write(folder, {"q.jsonl": jsonl([own(video=name)])})
    (folder / link).symlink_to(tmp_path / "private" / ("clip.mp4" if link == name else ""))
    with pytest.raises(DataError, match=r"is a link out of .*data, to .*private/clip.mp4"):
        load(folder / "q.jsonl")


def test_a_duplicate_id_names_both_lines(tmp_path: Path) -> None:
    write(tmp_path, {"q.jsonl": jsonl([own(id=5), own(id=6)]) + b"\n" + jsonl([own(id="5")])})
    with pytest.raises(DataError, match=r"q.jsonl, line 4: the id '5' is taken by line 1"):
        read_questions(tmp_path / "q.jsonl")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{'id': 1}", "line 1: not JSON"),
        (b"[1, 2]", "line 1: expected an object with keys and values, found [1, 2]"),
        (b"", "has no questions"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"id": ' + 5000 * b"1" + b"}", "line 1: not JSON"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    write(tmp_path, {"q.jsonl": content})
    with pytest.raises(DataError) as error:
        read_questions(tmp_path / "q.jsonl")
    assert complaint in str(error.value)


@pytest.mark.parametrize("name", ["question", "options"])
def test_parquet_decompression_bomb_is_refused(tmp_path: Path, name: str) -> None:
    texts = pyarrow.array(["x" * 1_000_000]).take(pyarrow.array([0] * 400))
    if name == "options":
        texts = pyarrow.ListArray.from_arrays([0, 200, 400], texts)
    pyarrow.parquet.write_table(pyarrow.table({name: texts}), tmp_path / "q.parquet")
    assert (tmp_path / "q.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match="no questions have over 268,435,456"):
        list(read_rows(tmp_path / "q.parquet"))


def test_parquet_file_with_invalid_utf8_is_refused(tmp_path: Path) -> None:
    text = pyarrow.array([b"\xff\xfe"], pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"question": text}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        list(read_rows(tmp_path / "q.parquet"))


def test_a_number_that_parquet_holds_as_bytes_is_refused(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pylist([own(ground_truth=b"3")])
    pyarrow.parquet.write_table(table, tmp_path / "q.parquet")
    with pytest.raises(DataError, match="positive, finite number, found b'3'"):
        read_records("q.parquet", read_rows(tmp_path / "q.parquet"))


def test_a_decimal_number_of_parquet_is_kept_as_it_is_spelled(tmp_path: Path) -> None:
    rows = [own(id=n, ground_truth=Decimal(text)) for n, text in enumerate(("2.50", "1E+2"))]
    for number, row_of_one in enumerate(rows):
        file = tmp_path / f"{number}.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row_of_one]), file)
    read = [
        question
        for number in range(len(rows))
        for question in read_records("q", read_rows(tmp_path / f"{number}.parquet"))
    ]
    assert [float(question.answer) for question in read] == [2.5, 100]
    answers = [Answer(question_id=question.id, response="2") for question in read]
    lines = [Prediction(question=q, answer=a).to_json() for q, a in zip(read, answers, strict=True)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    again = read_predictions(tmp_path / "p.jsonl")
    assert [one.question.answer for one in again] == [question.answer for question in read]


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_questions(tmp_path / "q.jsonl")


def test_videos_are_found_beside_questions_by_usual_suffixes(tmp_path: Path) -> None:
    names = ("kitchen.mov", "hall", "a/b", "no", "./attic.mp4", "x.ts", "y.FLV", "z.wmv", "w.gif")
    content = jsonl([own(id=number, video=name) for number, name in enumerate(names)])
    write(tmp_path, {"mine.jsonl": content, "kitchen.mov": b"", "hall.webm": b"", "a/b.mp4": b""})
    benchmark = load(tmp_path / "mine.jsonl")
    assert benchmark.files == {
        "kitchen.mov": tmp_path / "kitchen.mov",
        "hall": tmp_path / "hall.webm",
        "a/b": tmp_path / "a" / "b.mp4",
        "no": tmp_path / "no.mp4",  # not there: an error of that video alone
        **{name: tmp_path / name for name in ("attic.mp4", "x.ts", "y.FLV", "z.wmv", "w.gif")},
    }
    assert (benchmark.name, benchmark.subset) == ("mine.jsonl", "full")
    assert benchmark.revision == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_missing_videos_name_the_folder_and_the_option(tmp_path: Path) -> None:
    write(tmp_path, {"q.jsonl": jsonl([own()]), "elsewhere/kitchen.mov": b""})
    with pytest.raises(DataError, match="--videos DIR") as error:
        load(tmp_path / "q.jsonl")
    assert str(tmp_path / "kitchen.mov") in str(error.value)
    assert load(tmp_path / "q.jsonl", tmp_path / "elsewhere").files["kitchen.mov"].is_file()
    assert len(load(tmp_path / "q.jsonl", videos_needed=False).questions) == 1


def test_text_may_hold_any_character(tmp_path: Path) -> None:
    text = "Wie viele Stühle? \u2028 {}"
    write(tmp_path, {"q.jsonl": json.dumps(own(question=text), ensure_ascii=False).encode()})
    assert read_questions(tmp_path / "q.jsonl")[0].text == text
