"""A curve from run folders: paired steps, gaps, and the growth over the last quarter."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from tests.runs import write_run
from tests.support import Row, is_numeric, rows_about
from vicabench.curves.export import CURVE_COLUMNS, as_csv, as_json, curve_rows, thinking_rows
from vicabench.curves.measure import LEVEL, RISING, measure
from vicabench.curves.series import placed
from vicabench.errors import DataError
from vicabench.harnesses.protocols import find_protocol
from vicabench.results.run import load_run
from vicabench.scoring.compare import compare_runs

OFFICIAL = find_protocol("official")
QUESTIONS = rows_about(30)


def replies(skill: float, *, seed: int = 0) -> list[Row]:
    """Answers that are correct if a question's random draw is below `skill`, so they only grow."""
    draw = random.Random(seed)
    return [
        {**row, "response": row["ground_truth"] if draw.random() < skill else wrong(row)}
        for row in QUESTIONS
    ]


def wrong(row: Row) -> str:
    return "1000" if is_numeric(row["question_type"]) else "Z"


def folders(place: Path, skills: dict[int, float]) -> list[Path]:
    return [
        write_run(place / f"{p}", f"lab/model-{p}p" if p < 100 else "lab/model", replies(skill))
        for p, skill in skills.items()
    ]


def test_steps_have_the_intervals_of_a_paired_comparison(tmp_path: Path) -> None:
    runs = [load_run(f) for f in folders(tmp_path, {50: 0.4, 100: 0.6})]
    series = measure("model", placed(runs)["model"], OFFICIAL)
    step = series.points[1].step
    before, after = (run.grades(OFFICIAL) for run in runs)
    theirs = compare_runs(before, after, model_a="a", model_b="b").overall.estimate
    assert step is not None
    # The same resamples, added up in another order.
    assert [step.value, step.low, step.high] == pytest.approx(
        [theirs.mean, theirs.low, theirs.high], abs=1e-9
    )
    scores = series.points[1].scores.overall
    # Unpaired, a difference would be less certain than either score.
    assert step.high - step.low < scores.high - scores.low


def test_growth_is_the_slope_of_the_last_quarter(tmp_path: Path) -> None:
    rising = {p: p / 125 for p in range(20, 101, 5)}
    series = measure(
        "model", placed([load_run(f) for f in folders(tmp_path / "a", rising)])["model"], OFFICIAL
    )
    last = [p for p in series.points if p.percent >= 75]
    slope = np.polyfit([p.percent for p in last], [p.scores.overall.mean for p in last], 1)[0]
    assert series.tail is not None
    assert series.tail.growth.value == pytest.approx(25 * slope, abs=1e-9)
    assert (series.tail.verdict, series.best.percent) == (RISING, 100)
    level = {p: min(p, 60) / 100 for p in range(20, 101, 5)}
    flat = measure(
        "model", placed([load_run(f) for f in folders(tmp_path / "b", level)])["model"], OFFICIAL
    )
    assert flat.tail is not None
    assert (flat.tail.verdict, flat.best.percent) == (LEVEL, 60)


def test_unfinished_and_unanswered_runs_are_gaps(tmp_path: Path) -> None:
    whole, torn, dead = folders(tmp_path, {10: 0.2, 20: 0.3, 30: 0.4})
    file = torn / "predictions.jsonl"
    file.write_text(
        "".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:-7]), encoding="utf-8"
    )
    rows = [{**row, "response": None, "error": "model: no memory"} for row in QUESTIONS]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (dead / "predictions.jsonl").write_text(text, encoding="utf-8")
    runs = placed([load_run(f) for f in (whole, torn, dead)])["model"]
    series = measure("model", runs, OFFICIAL, gaps={40: "no such checkpoint"})
    assert [point.percent for point in series.points] == [10]
    assert "7 questions not asked yet" in series.gaps[20]
    assert "answered 0 of 300 questions" in series.gaps[30]
    assert series.gaps[40] == "no such checkpoint"
    assert json.loads(as_json([series]))["series"][0]["gaps"].keys() == {"20", "30", "40"}
    assert "model,10,lab/model-10p,average," in as_csv(curve_rows([series]), CURVE_COLUMNS)
    frame = series.frame().query("task == 'average'")
    assert (list(frame.columns), list(frame.percent)) == (list(CURVE_COLUMNS), [10])


def test_checkpoints_with_different_questions_are_refused(tmp_path: Path) -> None:
    (first,) = folders(tmp_path, {10: 0.2})
    second = write_run(tmp_path / "20", "lab/model-20p", replies(0.5)[:100])
    runs = placed([load_run(first), load_run(second)])["model"]
    with pytest.raises(DataError, match=r"asked 100 questions and lab/model-10p 300, 100 of them"):
        measure("model", runs, OFFICIAL)


def test_thinking_replies_are_counted_as_direct_or_via_thoughts(
    tmp_path: Path,
) -> None:
    thinking = [50, 99]
    for percent, thoughts in zip((50, 100), thinking, strict=True):
        rows = [
            {
                **row,
                "response": ("think\nso\nfinal\n" if n <= thoughts else "") + row["ground_truth"],
            }
            for n, row in enumerate(rows_about(12))
        ]
        rows[0]["response"] = "why not"
        write_run(tmp_path / f"{percent}", f"lab/t-{percent}p", rows)
    runs = [load_run(tmp_path / name) for name in ("50", "100")]
    exported = thinking_rows([measure("t", placed(runs)["t"], find_protocol("extracted"))])
    counts = [(r["valid_outputs"], r["direct_answers"], r["via_thoughts"]) for r in exported]
    assert counts == [(119, 69, 50), (119, 20, 99)]
