"""`vicabench figures`: like beside like, published rows in full, and nothing ignored."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from tests.runs import write_run
from tests.support import Row, Vicabench, refuses, rows_about
from vicabench.reporting.figures.style import look
from vicabench.rubric import VSI


def right(rows: list[Row]) -> list[Row]:
    return [{**row, "response": row["ground_truth"]} for row in rows]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """`a` and `b` were asked about ten clips, `part` about five, `other` something else."""
    for name, rows in (("a", rows_about(10)), ("b", rows_about(10)), ("part", rows_about(5))):
        write_run(tmp_path / name, f"lab/{name}", right(rows), benchmark="vsi-bench")
    other = [{**row, "id": f"other-{row['id']}"} for row in rows_about(10)]
    write_run(tmp_path / "other", "lab/other", right(other), benchmark="rooms")
    return tmp_path


def drawn(place: Path, kind: str) -> str:
    """What a figure says, without the breaks of its lines."""
    root = ET.parse(place / "figures" / f"{kind}.svg").getroot()
    return " ".join(" ".join(root.itertext()).split())


def test_runs_on_different_questions_do_not_share_a_chart(vicabench: Vicabench, runs: Path) -> None:
    draw = ("figures", "--kind", "averages,differences", "--format", "svg")
    done = vicabench(*draw, "a", "part")
    refuses(done, "lab/a and lab/part were not asked the same questions", "50 are", "--shared")
    refuses(vicabench(*draw, "a", "other"), "share no question")
    assert vicabench(*draw, "a", "part", "--shared").returncode == 0
    for kind in ("averages", "differences"):
        assert "n = 50 " in drawn(runs, kind)
    again = [{**row, "video": f"another/{row['video']}"} for row in right(rows_about(10))]
    write_run(runs / "moved", "lab/moved", again)
    refuses(vicabench(*draw, "a", "moved"), "not runs on the same questions")


def test_groups_of_videos_are_averaged_over_the_same_types(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    # Right on route planning alone, which only one of the two data sets has.
    rows = [
        {**row, "video": f"{place}/{row['video']}", "id": f"{place}-{row['id']}"}
        for place in ("scannet", "scannetpp")
        for row in rows_about(6)
        if place == "scannet" or row["question_type"] != "route_planning"
    ]
    for row in rows:
        known = row["question_type"] == "route_planning"
        row["response"] = row["ground_truth"] if known else "none"
    write_run(tmp_path / "run", "lab/run", rows)
    assert vicabench("figures", "run", "--kind", "datasets", "--format", "svg").returncode == 0
    said = drawn(tmp_path, "datasets")
    assert "not every group has such questions: route_planning" in said
    assert said.count("54 q., 6 v.") == 2
    assert said.split("Average score (%)")[1].split()[:2] == ["0.0", "0.0"]  # on both bars
    left = [row for row in rows if ("pp/" in row["video"]) != (row["question_type"] in FIRST)]
    write_run(tmp_path / "disjoint", "lab/disjoint", left)
    done = vicabench("figures", "disjoint", "--kind", "datasets")
    refuses(done, "No question type occurs in all of these groups")


FIRST = VSI.types[:5]


def test_published_rows_with_an_average_alone_are_drawn(vicabench: Vicabench, runs: Path) -> None:
    done = vicabench("figures", "a", "--kind", "averages", "--format", "svg", "--published")
    assert done.returncode == 0, done.stderr
    said = drawn(runs, "averages")
    for word in ("SenseNova-SI-1.1-8B", "68.7", "GPT-5", "Human", "human", "chance", "specialised"):
        assert word in said
    some = [row for row in right(rows_about(10)) if row["question_type"] != "route_planning"]
    write_run(runs / "some", "lab/some", some)
    done = vicabench("figures", "some", "--kind", "averages", "--published")
    refuses(done, "VSI-Bench")  # by its name, and its questions are not
    write_run(runs / "less", "lab/less", some, benchmark="vsi-bench")
    done = vicabench("figures", "less", "--kind", "averages", "--published")
    refuses(done, "no questions of route_planning", "--published")
    done = vicabench("figures", "a", "--kind", "tasks,radar", "--published")
    refuses(done, "--published", "averages")


def test_a_figure_fits_a_paper(vicabench: Vicabench, tmp_path: Path) -> None:
    for percent in (100, 10, 5):
        write_run(tmp_path / f"lab-{percent}p", f"lab/{percent}p", right(rows_about(6)))
    names = ("lab-100p", "lab-10p", "lab-5p")  # as of `lab-*`
    draw = ("figures", *names, "--kind", "tasks,differences", "--format", "svg,png")
    done = vicabench(*draw, "--no-notes", "--width", "3.25", "--font", "serif", "--font-size", "9")
    assert done.returncode == 0, done.stderr
    for kind in ("tasks", "differences"):
        with Image.open(tmp_path / f"figures/{kind}.png") as image:
            assert image.width == 3.25 * 300
        assert "bootstrap" not in drawn(tmp_path, kind)
        svg = (tmp_path / f"figures/{kind}.svg").read_text(encoding="utf-8")
        sizes = {float(size) for size in re.findall(r"font(?:-size)?: (?:bold )?([\d.]+)px", svg)}
        assert max(sizes) == pytest.approx(9.0)
        assert "serif" in svg
    assert drawn(tmp_path, "tasks").split("lab/")[1:4] == ["5p ", "10p ", "100p"]
    assert "Points better than lab/100p" in drawn(tmp_path, "differences")  # the first named
    done = vicabench(*draw)
    assert "omitted for fewer than 5 videos" in drawn(tmp_path, "tasks")
    refuses(vicabench(*draw, "--width", "page"), "--width page", "column, text")
    refuses(vicabench(*draw, "--font", "No Such Font"), "No Such Font", "serif")


def test_twelve_runs_are_told_apart(vicabench: Vicabench, tmp_path: Path) -> None:
    names = [f"run{n}" for n in range(12)]
    for name in names:
        write_run(tmp_path / name, f"lab/{name}", right(rows_about(6)))
    kinds = "averages,tasks,errors,letters,differences"
    done = vicabench("figures", *names, "--kind", kinds, "--format", "svg", "--width", "column")
    assert done.returncode == 0, done.stderr
    assert len({(look(n).colour, look(n).hatch) for n in range(12)}) == 12
    for part in ("colour", "hatch", "marker"):
        assert len({getattr(look(n), part) for n in range(12)}) == 12
    said = drawn(tmp_path, "tasks")
    assert all(f"lab/{name}" in said for name in names)
    refuses(vicabench("figures", *names, "--kind", "radar"), "12 runs cover one another")
