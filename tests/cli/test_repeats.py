"""`--repeats K`: several replies a question, asked, resumed, merged, replayed and scored."""

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from tests.support import Vicabench, read_jsonl, refuses, rows_about, write_jsonl

RUN = ("run", "--benchmark", "q.jsonl", "--no-video")
RANDOM = (*RUN, "--model", "baseline:random", "--repeats")
COUNTING = """
from pathlib import Path
from vicabench import Answer


class Draws:
    settings = {}
    needs_video = False

    def answer(self, video, questions):
        with Path("calls.txt").open("a") as file:
            file.write(f"{video.name} {len(questions)}\\n")
        for place, question in enumerate(questions):
            if question.repeat == 2 and not Path("well").exists():
                yield Answer(question_id=question.id, repeat=2, error="out of luck")
                continue
            yield Answer(question_id=question.id, response=str(place))  # knows of no repeats
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "q.jsonl", rows_about(6))
    (tmp_path / "my.py").write_text(COUNTING, encoding="utf-8")
    return tmp_path


def lines(folder: Path) -> list[str]:
    """The replies without what differs from start to start."""
    text = (folder / "predictions.jsonl").read_text(encoding="utf-8")
    return sorted(re.sub(r'"seconds": [^,}]*', "", line) for line in text.splitlines())


def keys(folder: Path) -> list[tuple[str, int]]:
    return [(row["id"], row.get("repeat", 0)) for row in read_jsonl(folder / "predictions.jsonl")]


def test_more_repeats_continue_a_run_and_ask_only_what_is_owed(
    vicabench: Vicabench, place: Path
) -> None:
    assert vicabench(*RANDOM, "5", "--out", "whole").returncode == 0
    assert vicabench(*RANDOM[:-1], "--out", "r").returncode == 0
    assert {repeat for _, repeat in keys(place / "r")} == {0}
    assert vicabench(*RANDOM, "3", "--out", "r").returncode == 0
    done = vicabench(*RANDOM, "5", "--out", "r")
    assert "180 answers are there already" in done.stderr
    assert lines(place / "r") == lines(place / "whole")
    assert len(set(keys(place / "r"))) == len(keys(place / "r")) == 60 * 5
    refuses(vicabench(*RANDOM, "4", "--out", "r"), "--repeats 5 or more")
    assert vicabench("score", "r").stdout == vicabench("score", "whole").stdout


def test_one_call_asks_for_all_replies_about_a_video(vicabench: Vicabench, place: Path) -> None:
    done = vicabench(*RUN, "--model", "./my.py:Draws", "--repeats", "3", "--out", "r")
    assert done.returncode == 1
    calls = (place / "calls.txt").read_text(encoding="utf-8").split()
    assert calls == [word for v in range(6) for word in (f"clip{v}", "30")]
    first = read_jsonl(place / "r" / "predictions.jsonl")[:6]
    assert [(row["id"], row.get("repeat"), row["response"]) for row in first] == [
        ("0-0", None, "0"), ("0-0", 1, "1"), ("0-0", 2, None),
        ("0-1", None, "3"), ("0-1", 1, "4"), ("0-1", 2, None),
    ]  # fmt: skip
    assert "60 of 180 replies missing, counted as wrong" in vicabench("score", "r").stdout

    (place / "well").touch()
    again = ("--repeats", "3", "--out", "r", "--retry-errors")
    done = vicabench(*RUN, "--model", "./my.py:Draws", *again)
    assert done.returncode == 0, done.stderr
    assert (place / "calls.txt").read_text(encoding="utf-8").split()[-2:] == ["clip5", "10"]
    retried = read_jsonl(place / "r" / "predictions.jsonl")[180:]
    assert [row["repeat"] for row in retried] == [2] * 60
    assert not any(row["error"] for row in retried)


def test_parts_are_merged_and_replayed_with_their_repeats(
    vicabench: Vicabench, place: Path
) -> None:
    assert vicabench(*RANDOM, "3", "--out", "whole").returncode == 0
    for part in ("1/2", "2/2"):
        assert vicabench(*RANDOM, "3", "--out", "r", "--shard", part).returncode == 0
    shutil.copytree(place / "r-shard-2-of-2", place / "other")
    done = vicabench("merge", "r-shard-1-of-2", "r-shard-2-of-2", "--out", "r")
    assert done.returncode == 0, done.stderr
    assert lines(place / "r") == lines(place / "whole")

    replay = (*RUN, "--model", "replay:whole/predictions.jsonl", "--repeats")
    assert vicabench(*replay, "3", "--out", "again").returncode == 0
    assert lines(place / "again") == lines(place / "whole")
    done = vicabench(*replay, "4", "--out", "more")
    assert "no prediction with this id and repeat" in done.stderr

    assert vicabench(*RANDOM, "2", "--out", "s", "--shard", "1/2").returncode == 0
    refuses(vicabench("merge", "s-shard-1-of-2", "other", "--out", "t"), "--repeats")


def test_an_unfinished_run_has_no_score(vicabench: Vicabench, place: Path) -> None:
    assert vicabench(*RANDOM, "3", "--out", "r").returncode == 0
    file = place / "r" / "predictions.jsonl"
    rows = read_jsonl(file)
    write_jsonl(file, [row for row in rows if row["id"] != "2-3" or "repeat" not in row])
    done = vicabench("score", "r")
    assert "178 of 180 replies there; 2 not asked for yet" in done.stdout.replace("\n", " ")


def test_scores_of_repeats_are_in_every_format(vicabench: Vicabench, place: Path) -> None:
    assert vicabench(*RANDOM, "4", "--out", "r").returncode == 0
    shown = vicabench("score", "r").stdout
    for title in ("Pass@4", "Majority", "Changes", "4 replies to each question", "pass@2"):
        assert title in shown
    (row,) = csv.DictReader(io.StringIO(vicabench("score", "r", "--format", "csv").stdout))
    content = json.loads(vicabench("score", "r", "--format", "json").stdout)["runs"][0]
    found: dict[str, Any] = content["repeats"]
    assert (row["replies"], row["average_questions"]) == ("4", "60")
    assert float(row["pass@4"]) == pytest.approx(found["best_of"]["4"]["mean"], abs=1e-3)
    assert float(row["standard_error"]) == pytest.approx(found["standard_error"], abs=1e-3)
    order = [content["overall"], found["best_of"]["2"], found["best_of"]["4"]]
    assert [each["mean"] for each in order] == sorted(each["mean"] for each in order)

    score = vb.score(place / "r")
    assert score.to_dict()["majority"] == pytest.approx(found["majority"]["mean"])
    assert "Changes" in score.table()
    frame = score.frame().set_index("score_of")
    assert frame.loc["changes", "score"] == pytest.approx(found["changes"]["mean"])
    replies = score.run.frame()
    assert len(replies) == 240
    assert set(replies["repeat"]) == {0, 1, 2, 3}
    assert replies.groupby("id")["score"].mean().mean() * 100 == pytest.approx(score.micro.mean)


def test_runs_are_compared_by_the_means_of_their_questions(
    vicabench: Vicabench, place: Path
) -> None:
    assert vicabench(*RANDOM, "4", "--out", "r").returncode == 0
    assert vicabench(*RUN, "--model", "baseline:frequency", "--out", "f").returncode == 0
    one, other = vb.score(place / "r"), vb.score(place / "f")
    found = vb.compare(place / "r", place / "f")
    difference = found.frame().set_index("score_of").loc["overall", "difference"]
    assert difference == pytest.approx(other.overall.mean - one.overall.mean)
    text = vicabench("compare", "r", "f").stdout
    assert "4 in baseline:random, 1 in" in " ".join(text.split())
    assert vicabench("report", "r", "f", "--out", "page.html", "--frames", "0").returncode == 0
    page = (place / "page.html").read_text(encoding="utf-8")
    assert "Pass@4" in page
    assert "[4] " in page


def test_a_damaged_repeat_is_named(vicabench: Vicabench, place: Path) -> None:
    row = {**rows_about(1)[0], "response": "2"}
    write_jsonl(place / "p.jsonl", [row, {**row, "repeat": "x"}])
    refuses(vicabench("score", "p.jsonl"), "line 2: repeat must be a whole number")
    write_jsonl(place / "p.jsonl", [row, {**row, "repeat": 1}, {**row, "repeat": 1}])
    refuses(vicabench("score", "p.jsonl"), "(repeat 1) was already answered in line 2")
