"""`vicabench scaling-curve` and `vicabench figures`: real commands, real files."""

import csv
import json
from importlib import resources
from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests.runs import write_run
from tests.support import (
    Row,
    Vicabench,
    install_adapter,
    refuses,
    rows_about,
    write_jsonl,
)

LEARNER = """
from pathlib import Path
from vicabench.errors import ConfigError
from vicabench.types import Answer

class Learner:
    needs_video = False
    def __init__(self, percent):
        self.percent, self.settings = percent, {"percent": percent}
    def answer(self, video, questions):
        for n, q in enumerate(questions):
            right = 11 * n < self.percent
            yield Answer(question_id=q.id, response=q.answer if right else "no")

def build(argument, context):
    with open("built.log", "a") as log:
        log.write(argument + "\\n")
    if argument == "m-40p" and Path("broken").exists():
        raise ConfigError("m-40p cannot be read")
    name = argument.removesuffix("p")
    return Learner(100 if name == argument else int(name.partition("-")[2]))
"""


def published(name: str) -> list[Row]:
    text = resources.files("vicabench.reference").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def rows_of(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_published_figures_are_redrawn_number_for_number(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    done = vicabench("scaling-curve", "--published-only", "--out", "p", "--format", "svg")
    assert done.returncode == 0, done.stderr
    place = tmp_path / "p"
    ours = {(r["series"], r["percent"]): r for r in rows_of(place / "published.csv")}
    theirs = {(r["series"], r["percent"]): r for r in published("scaling_curves.csv")}
    assert ours.keys() == theirs.keys()
    for key, row in theirs.items():
        assert float(ours[key]["score"]) == float(row["average"])
        assert (ours[key]["low"], ours[key]["high"]) == ("", "")
        assert ours[key]["source"] == row["source"]
    thinking = rows_of(place / "published-thinking.csv")
    for row, found in zip(published("thinking_curve.csv"), thinking, strict=True):
        numbers = {k: float(v) for k, v in row.items() if k != "model"}
        assert {k: float(found[k]) for k in numbers} == numbers
    averages = {row["model"]: row["average"] for row in published("vsibench_scores.csv")}
    for row in rows_of(place / "published-averages.csv"):
        assert row["average"] == averages[row["model"]]
    # The labels of the ViCA2 report's Figure 4: its steps, and its best point.
    drawn = (place / "published-vica2.svg").read_text(encoding="utf-8")
    assert all(label in drawn for label in ("+1.48", "−2.45", "+4.09", "best 56.81 at 100%"))
    assert "carry no" in drawn


@pytest.fixture
def learner(tmp_path: Path) -> dict[str, str]:
    write_jsonl(tmp_path / "q.jsonl", rows_about(6))
    return install_adapter(tmp_path / "site", "learner", LEARNER, "build")


TOLD = {"question_type": "description", "ground_truth": "", "response": "A room."}
ASKED = ("--benchmark", "q.jsonl", "--no-video", "--out", "c", "--format", "svg")
MODELS = [f"learner:m-{p}p" for p in (20, 40, 60, 80)] + ["learner:m"]


def test_failed_checkpoint_is_a_gap_that_a_repeat_retries(
    vicabench: Vicabench, tmp_path: Path, learner: dict[str, str]
) -> None:
    (tmp_path / "broken").touch()
    first = vicabench("scaling-curve", *ASKED, "--models", *MODELS, **learner)
    assert first.returncode == 1, first.stderr
    assert "gap at 40%: m-40p cannot be read" in " ".join(first.stderr.split())
    content = json.loads((tmp_path / "c" / "curve.json").read_text(encoding="utf-8"))
    assert [p["percent"] for p in content["series"][0]["points"]] == [20, 60, 80, 100]
    assert "no result" in (tmp_path / "c" / "curve.svg").read_text(encoding="utf-8")

    (tmp_path / "broken").unlink()
    (tmp_path / "built.log").unlink()
    second = vicabench("scaling-curve", *ASKED, "--models", *MODELS, **learner)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "built.log").read_text(encoding="utf-8").split() == ["m-40p"]
    rows = [r for r in rows_of(tmp_path / "c" / "curve.csv") if r["task"] == "average"]
    assert [int(r["percent"]) for r in rows] == [20, 40, 60, 80, 100]
    assert [float(r["score"]) for r in rows] == sorted(float(r["score"]) for r in rows)
    assert "m: 5 checkpoints; best 100.0" in second.stdout

    drawn = vicabench("scaling-curve", "--runs", "runs", "--out", "d", "--format", "svg")
    assert drawn.returncode == 0, drawn.stderr
    same = [(tmp_path / place / "curve.svg").read_bytes() for place in ("c", "d")]

    write_tiny_checkpoint(tmp_path / "runs" / "a-checkpoint")
    write_run(tmp_path / "runs" / "told", "m-20p", [{**rows_about(1)[0], **TOLD}])
    among = vicabench("scaling-curve", "--runs", "runs", "--out", "e", "--format", "svg")
    assert among.returncode == 0, among.stderr
    assert "runs/told holds descriptions: left out" in among.stderr
    assert same[0] == (tmp_path / "e" / "curve.svg").read_bytes()
    assert same[0] == same[1]

    other = vicabench("scaling-curve", *ASKED, "learner:m-20p", "--seed", "1", **learner)
    refuses(other, "another configuration", "seed: 0 there, 1 now")


def test_a_curve_may_begin_with_one_checkpoint_about_one_video(
    vicabench: Vicabench, tmp_path: Path, learner: dict[str, str]
) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(1))
    done = vicabench("scaling-curve", *ASKED, "--models", "learner:m-20p", **learner)
    assert done.returncode == 0, done.stderr
    assert "[n/a] at 20%" in (tmp_path / "c" / "curve.svg").read_text(encoding="utf-8")


def test_unknown_series_are_refused_naming_known_ones(vicabench: Vicabench) -> None:
    refuses(vicabench("scaling-curve"), "--series ViCA2-7B", "--published-only")
    refuses(vicabench("scaling-curve", "--runs", ".", "--format", "gif"), "'gif'", "pdf, svg, png")
    refuses(vicabench("scaling-curve", "--runs", ".", "--frames", "8"), "leave out --frames")


def test_figures_without_data_are_left_out(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": row["ground_truth"]} for row in rows_about(3)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_jsonl(tmp_path / "b.jsonl", [{**row, "response": "A"} for row in rows])
    done = vicabench("figures", "a.jsonl", "b.jsonl", "--format", "svg", "--out", "f")
    assert done.returncode == 0, done.stderr
    assert "No figure of datasets" in done.stderr
    names = sorted(path.stem for path in (tmp_path / "f").iterdir())
    assert names == [
        *("averages", "chance", "differences", "errors", "letters", "radar", "ranks", "rooms"),
        "tasks",
    ]
    refuses(vicabench("figures", "a.jsonl", "--kind", "pie"), "Unknown figure 'pie'", "radar")
