"""The baselines on the answer statistics of VSI-Bench itself."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support import Row, Vicabench, is_numeric, write_jsonl

ANSWERS = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "vsi_bench_answers.json").read_text("utf-8")
)
TYPES = [name for name in ANSWERS if name != "source"]


def questions() -> list[Row]:
    """Questions with the ground truths of VSI-Bench; videos do not matter to a baseline."""
    return [
        {
            "id": f"{kind}/{answer}/{copy}",
            "video": f"video{copy % 50}",
            "question_type": kind,
            "question": "?",
            "options": None if is_numeric(kind) else ["A. a", "B. b", "C. c", "D. d"],
            "ground_truth": answer,
        }
        for kind in TYPES
        for answer, count in ANSWERS[kind]["answers"].items()
        for copy in range(count)
    ]


@pytest.fixture
def scores(vicabench: Vicabench, tmp_path: Path) -> dict[str, dict[str, float]]:
    """Percent by model and question type."""
    write_jsonl(tmp_path / "q.jsonl", questions())
    done = vicabench(
        "run", "--benchmark", "q.jsonl", "--no-video", "--format", "csv",
        "--model", "baseline:frequency", "--model", "baseline:best-constant",
        "--model", "baseline:constant:2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = csv.DictReader(io.StringIO(done.stdout))
    return {row["model"]: {kind: float(row[kind]) for kind in TYPES} for row in rows}


def test_chance_levels_on_the_answers_of_vsi_bench(scores: dict[str, dict[str, float]]) -> None:
    frequency, best = scores["baseline:frequency"], scores["baseline:best-constant"]
    # 302 counts of 2 are exact, 104 of 3 score 0.4, 58 of 4 score 0.1, of 565.
    assert frequency["object_counting"] == pytest.approx(100 * (302 + 41.6 + 5.8) / 565, abs=1e-3)
    assert scores["baseline:constant:2"]["object_counting"] == frequency["object_counting"]
    assert frequency["route_planning"] == pytest.approx(100 * 57 / 194, abs=1e-3)
    assert frequency["obj_appearance_order"] == pytest.approx(100 * 156 / 618, abs=1e-3)
    # The revision that the paper's row was printed from had a few questions more.
    for kind in ("object_counting", "route_planning", "obj_appearance_order"):
        assert frequency[kind] == pytest.approx(ANSWERS[kind]["printed_frequency_row"], abs=1.0)
    # Of distances the most frequent answer, 1.0, scores 24.2; what was printed is what the best
    # constant scores.
    assert frequency["object_abs_distance"] == pytest.approx(24.2, abs=0.05)
    printed = ANSWERS["object_abs_distance"]["printed_frequency_row"]
    assert best["object_abs_distance"] == pytest.approx(printed, abs=0.5)
