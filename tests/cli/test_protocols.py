"""`vicabench score --protocol a,b,...`: one predictions file under several published rules."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support import Row, Vicabench, read_jsonl, rows_about, write_jsonl

PROTOCOLS = "official,lmms-eval,vlmevalkit,extracted"


def in_a_sentence(rows: list[Row]) -> list[Row]:
    """Right answers in a form that the official protocol does not read."""
    return [{**row, "response": f"The answer is {row['ground_truth']}."} for row in rows]


def test_every_protocol_has_its_row_and_its_difference(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "p.jsonl", in_a_sentence(rows_about(3)))
    done = vicabench("score", "p.jsonl", "--protocol", PROTOCOLS, "--format", "csv")
    rows = {row["protocol"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    # lmms-eval reads a number anywhere, but letters only as the official protocol does.
    names = ("official@51e089c", "lmms-eval@0.7.3", "vlmevalkit@VsiBench", "extracted")
    assert [float(rows[name]["average"]) for name in names] == [0, 50, 100, 100]
    assert float(rows["official@51e089c"]["valid"]) == 0
    assert rows["official@51e089c"]["unreadable"] == "30"
    difference = rows["lmms-eval@0.7.3 − official@51e089c"]
    assert (float(difference["average"]), difference["read_differently"]) == (50, "12")


def test_protocol_difference_has_an_interval_over_videos(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = rows_about(5)
    write_jsonl(tmp_path / "p.jsonl", in_a_sentence(rows[:10]) + in_words(rows[10:]))
    vicabench("score", "p.jsonl", "--protocol", "official,extracted", "--json", "e.json")
    found = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    official, extracted = (run["overall"]["mean"] for run in found["runs"])
    points = found["disagreements"][0]["differences"][0]["points"]["overall"]
    assert points["mean"] == pytest.approx(extracted - official)
    assert points["low"] < points["mean"] < points["high"]
    assert (points["count"], points["clusters"]) == (50, 5)


def in_words(rows: list[Row]) -> list[Row]:
    return [{**row, "response": row["ground_truth"]} for row in rows]


def test_replies_read_differently_are_shown_safely(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = in_a_sentence(rows_about(2))
    rows[0]["response"] = "\x1b[31m" + "well " * 100 + "\n<answer>1</answer>"
    write_jsonl(tmp_path / "p.jsonl", rows)
    shown = {
        name: vicabench("score", "p.jsonl", "--protocol", PROTOCOLS, "--format", name).stdout
        for name in ("terminal", "markdown", "latex")
    }
    for text in shown.values():
        assert "\x1b" not in text
        assert "well " * 20 not in text
        assert " well" in text
    assert "⏎<answer>" in shown["terminal"]
    assert r"\<answer\>1\</answer\>" in shown["markdown"]
    narrow = vicabench("score", "p.jsonl", "--protocol", PROTOCOLS, COLUMNS="80").stdout
    assert max(len(line) for line in narrow.splitlines()) <= 80


def test_replies_read_alike_take_one_line(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": row["ground_truth"]} for row in rows_about(2)]
    write_jsonl(tmp_path / "p.jsonl", rows)
    for name in ("terminal", "markdown"):
        done = vicabench("score", "p.jsonl", "--protocol", PROTOCOLS, "--format", name)
        assert "every reply is read by" in done.stdout
        assert "difference to" not in done.stdout


def test_latex_rows_are_not_read_as_row_spacing(vicabench: Vicabench, tmp_path: Path) -> None:
    for name in ("[x] model", "* model"):  # LaTeX takes `\\\\ [x]` for a length, and does not end
        write_jsonl(tmp_path / f"{name}.jsonl", in_a_sentence(rows_about(2)))
    names = ("[x] model.jsonl", "* model.jsonl")
    scored = vicabench("score", *names, "--protocol", PROTOCOLS, "--format", "latex").stdout
    reported = vicabench("report", *names, "--format", "latex").stdout
    for said in (scored, reported):
        assert "{[}x] model" in said
        assert "{*} model" in said
        assert not any(line.lstrip().startswith(("[", "*")) for line in said.splitlines())


def test_missing_answers_are_counted_by_reason(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = in_words(rows_about(1))
    rows[0] |= {"response": "well", "stop": "length"}
    rows[1] |= {"response": " "}
    rows[2] |= {"response": "well"}
    rows[3] |= {"response": None, "error": "lost"}
    write_jsonl(tmp_path / "p.jsonl", rows)
    done = vicabench("score", "p.jsonl", "--grades", "g.jsonl")
    outcomes = [grade["outcome"] for grade in read_jsonl(tmp_path / "g.jsonl")]
    assert outcomes[:5] == ["truncated", "empty", "unreadable", "failed", "answered"]
    words = " ".join(done.stdout.split())
    assert "of 9 replies 1 unreadable, 1 empty, 1 truncated: counted as wrong" in words
    assert "1 of 10 questions unanswered" in words


def test_replies_with_thoughts_are_counted_by_how_they_end(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = in_words(rows_about(2))
    for row in rows[:5]:
        row["response"] = f"<think>hm</think>{row['ground_truth']}"
    rows[5]["response"] = "<think>hm"
    for row in rows:
        row["new_tokens"] = 4
    write_jsonl(tmp_path / "p.jsonl", rows)
    vicabench("score", "p.jsonl", "--protocol", "extracted", "--json", "e.json")
    found = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["runs"][0]["thinking"]
    shares = [found[name]["mean"] for name in ("direct", "via_thoughts", "unclosed")]
    assert shares == pytest.approx([70, 25, 5])
    assert (found["new_tokens"], found["measured"]) == (4, 20)
