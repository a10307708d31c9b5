"""Right answers in doubt: what is found, what is not, and the list that a person reviews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from tests.runs import write_run
from tests.support import Row, read_jsonl, rows_about, write_jsonl
from vicabench.errors import ConfigError, DataError

LETTERS = ["A. left", "B. right", "C. back"]


def asked(
    number: int | str, kind: str, text: str, truth: Any, options: list[str] | None = None
) -> Row:
    return {
        "id": number,
        "video": "scannet/scene0001_00",
        "question_type": kind,
        "question": text,
        "options": options,
        "ground_truth": truth,
    }


SIZE = "How long is the {a}, in centimeters?"
FAR = "What is the distance between the {a} and the {b}?"
SIDE = "If I am standing by the {a} and facing the {b}, is the {c} to my left or right?"
NEAR = "Which of these objects ({b}, {c}) is the closest to the {a}?"


def elsewhere() -> list[Row]:
    """Questions about other things in other scenes, by which the templates are known."""
    rows = []
    for n in range(6):
        x = {name: f"thing{n}{name}" for name in "abc"}
        rows += [
            asked(f"s{n}", "object_size_estimation", SIZE.format(**x), 100),
            asked(f"f{n}", "object_abs_distance", FAR.format(**x), 2),
            asked(f"e{n}", "object_rel_direction_easy", SIDE.format(**x), "A", LETTERS),
            asked(f"m{n}", "object_rel_direction_medium", SIDE.format(**x), "A", LETTERS),
            asked(
                f"n{n}",
                "object_rel_distance",
                NEAR.format(**x),
                "A",
                [f"A. {x['b']}", f"B. {x['c']}"],
            ),
        ]
    return [{**row, "video": f"other{row['id']}"} for row in rows]


def doubts(rows: list[Row], folder: Path) -> dict[str, tuple[str, str]]:
    file = write_jsonl(folder / "own.jsonl", [*rows, *elsewhere()])
    found = vb.audit_labels(source=file, progress=False).doubts
    return {doubt.question.id: (doubt.kind, doubt.why) for doubt in found}


def test_numbers_about_the_same_thing_clash_beyond_rounding(tmp_path: Path) -> None:
    rows = [
        asked(1, "object_size_estimation", SIZE.format(a="bed"), 190),
        asked(2, "object_size_estimation", SIZE.format(a="bed"), 240),
        asked(3, "object_size_estimation", SIZE.format(a="lamp"), 100),
        asked(4, "object_size_estimation", SIZE.format(a="lamp"), 102),
        asked(5, "object_abs_distance", FAR.format(a="bed", b="lamp"), 2.0),
        asked(6, "object_abs_distance", FAR.format(a="lamp", b="bed"), 3.0),
        asked(7, "object_abs_distance", FAR.format(a="lamp", b="door"), 9.0),
    ]
    found = doubts(rows, tmp_path)
    assert set(found) == {"1", "2", "5", "6"}
    assert found["1"] == ("scene", "190 here and 240 there for the same, question 2")


def test_sides_orders_and_closest_things_clash(tmp_path: Path) -> None:
    order = "In which order do these appear: bed, sofa, tv?"
    orders = ["A. bed, tv, sofa", "B. tv, sofa, bed"]
    easy, medium = "object_rel_direction_easy", "object_rel_direction_medium"
    two = ["A. sofa", "B. bed"]
    rows = [
        asked(1, medium, SIDE.format(a="bed", b="tv", c="sofa"), "A", LETTERS),
        asked(2, easy, SIDE.format(a="bed", b="tv", c="sofa"), "B", LETTERS),
        asked(3, easy, SIDE.format(a="tv", b="bed", c="sofa"), "B", LETTERS),
        asked(4, "obj_appearance_order", order, "A", orders),
        asked(5, "obj_appearance_order", order, "B", orders),
        asked(6, "object_abs_distance", FAR.format(a="tv", b="sofa"), 1.0),
        asked(7, "object_abs_distance", FAR.format(a="tv", b="bed"), 4.0),
        asked(8, "object_rel_distance", NEAR.format(a="tv", b="sofa", c="bed"), "B", two),
        asked(9, "object_rel_distance", NEAR.format(a="lamp", b="sofa", c="bed"), "B", two),
    ]
    found = doubts(rows, tmp_path)
    assert set(found) == {"1", "2", "4", "5", "6", "8"}
    assert found["1"] == ("scene", "left here and right there of the same things, question 2")
    assert found["8"] == ("scene", "bed is 4 from tv, sofa 1, question 6")
    assert "in one, after it in the other" in found["4"][1]


def test_a_number_far_from_all_others_of_its_thing_is_out_of_range(tmp_path: Path) -> None:
    counts: list[tuple[str, float]] = [("chair", count) for count in [2, 3, 4] * 4 + [40]]
    counts += [("lamp", 2.5), ("sofa", 2), ("bed", 2), ("door", 30)]
    rows = [
        {**asked(n, "object_counting", f"How many {x}(s) are there?", c), "video": f"v{n}"}
        for n, (x, c) in enumerate(counts)
    ]
    found = doubts(rows, tmp_path)
    assert found == {
        "12": ("range", "40, where the median of chair is 3 (n = 13)"),
        "13": ("range", "2.5 is not a whole number of objects"),
    }


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Four runs agree against the truth of a number and a letter; a blind one is always right."""
    rows = rows_about(5)
    folders = []
    for n in range(5):
        said = [{**row, "response": row["ground_truth"]} for row in rows]
        for row in said:
            if n < 4 and row["id"] == "2-0":
                row["response"] = str(30 + n / 10)
            if n < 4 and row["id"] == "1-6":
                row["response"] = "C"
            if n < 2 and row["id"] == "3-6":
                row["response"] = "C"
        blind = {"blind": n == 4}
        folders.append(write_run(tmp_path / f"r{n}", f"lab/{n}", said, frames=8, adapter=blind))
    return folders


def test_most_runs_agree_on_another_answer(runs: list[Path]) -> None:
    found = vb.audit_labels(runs)
    assert found.runs == ("lab/0", "lab/1", "lab/2", "lab/3")
    assert found.unseen == ("lab/4 (blind)",)
    said = {doubt.question.id: doubt.why for doubt in found.doubts if doubt.kind == "runs"}
    assert said["2-0"].startswith("4 of 4 runs answer 30.")
    assert said["1-6"] == "4 of 4 runs answer C (back)"
    assert set(said) == {"2-0", "1-6"}
    assert "Left out, as they saw no video: lab/4 (blind)." in found.table()
    few = vb.audit_labels(runs[3:])
    assert not [doubt for doubt in few.doubts if doubt.kind == "runs"]
    assert "Agreement of runs is not tested" in few.table()


def test_verdicts_stay_in_the_list_and_decide_what_is_left_out(
    runs: list[Path], tmp_path: Path
) -> None:
    found = vb.audit_labels(runs)
    (file,) = found.save(tmp_path / "review")
    with pytest.raises(DataError, match="no line with the verdict 'wrong'"):
        vb.without(runs[0], file)
    lines = read_jsonl(file)
    lines[0]["verdict"], lines[1]["verdict"] = "wrong", "right"
    write_jsonl(file, [*lines, {"id": "gone", "doubt": "scene", "verdict": "right"}])
    found.save(tmp_path / "review")
    after = read_jsonl(file)
    assert [line["verdict"] for line in after] == ["wrong", "right", "right"]
    assert after[-1]["id"] == "gone"
    part = vb.without(runs[0], file)
    assert len(part.predictions) == len(rows_about(5)) - 1
    assert part.name == "lab/0 (without 1 question)"
    assert part.origin[-1] == "without 1 question of 50 that doubts.jsonl names"
    whole, less = (vb.score(each).micro.mean for each in (runs[0], part))
    assert less > whole


def test_ids_that_are_not_there_and_lists_that_are_not_are_refused(
    runs: list[Path], tmp_path: Path
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("0-0\n0-1\nnowhere\n", encoding="utf-8")
    assert "(1 of its ids are not in the run)" in vb.without(runs[0], ids).origin[-1]
    ids.write_text("nowhere\n", encoding="utf-8")
    with pytest.raises(DataError, match="names 1 question, and none of the 50"):
        vb.without(runs[0], ids)
    (tmp_path / "doubts.jsonl").write_text('{"my": "notes"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="not a line of a list of doubts"):
        vb.audit_labels(runs).save(tmp_path)
    with pytest.raises(ConfigError, match="in runs, or in a benchmark"):
        vb.audit_labels()


def test_the_page_lists_doubts_with_links_to_the_questions(
    runs: list[Path], tmp_path: Path
) -> None:
    page = vb.report(runs, frames=0, progress=False)
    section = page.partition('<section id="doubts"')[2].partition("</section>")[0]
    assert '<a href="#q=1-6">1-6</a>' in section
    assert "4 of 4 runs answer C (back)" in section
    assert "these questions are in all scores" in section
    assert '<a href="#doubts">Doubts</a>' in page
    sound = [{**row, "response": row["ground_truth"]} for row in rows_about(3)]
    clean = write_run(tmp_path / "clean", "lab/clean", sound)
    assert 'id="doubts"' not in vb.report([clean], frames=0, progress=False)
