"""`vicabench audit`: tables of 80 columns, files that other commands read, and refusals."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from tests.audits.synthetic import at_random, choices, longest
from tests.support import Vicabench, read_jsonl, refuses, write_jsonl
from vicabench.types import Question

FAST = ("--trees", "5", "--folds", "3")


def row(question: Question) -> dict[str, object]:
    kept = asdict(question)
    return {
        "id": kept["id"],
        "video": kept["video"],
        "question_type": "object_rel_distance",
        "question": kept["text"],
        "options": list(kept["options"]),
        "ground_truth": kept["answer"],
    }


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """Eighty questions whose longest option is right."""
    questions = choices(1, scenes=20, right=longest)
    return write_jsonl(tmp_path / "own.jsonl", [row(q) for q in questions])


def test_the_tables_fit_eighty_columns_and_name_the_shortcut(
    vicabench: Vicabench, benchmark: Path
) -> None:
    done = vicabench("audit", benchmark.name, *FAST, "--top", "3", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = done.stdout.split("The most guessable questions")
    assert "its length" in said[0]
    assert said[1].count("object_rel_distance") == 3
    assert "chance   frequent" in said[0]
    assert "80 / 20" in said[0]


def test_the_folder_has_a_row_per_question_and_a_run_of_the_guesses(
    vicabench: Vicabench, benchmark: Path, tmp_path: Path
) -> None:
    out = ("--out", "a", "--prune", "40", "--batch", "20")
    done = vicabench("audit", benchmark.name, *FAST, *out, "--format", "json")
    record = json.loads(done.stdout)
    assert record == json.loads((tmp_path / "a/audit.json").read_text("utf-8"))
    lines = (tmp_path / "a/questions.csv").read_text("utf-8").splitlines()
    assert len(lines) == 81
    with Image.open(tmp_path / "a/chance.png") as image:
        assert image.width > 900
    scored = vicabench("score", "a/guesses.jsonl", "--format", "json")
    mean = json.loads(scored.stdout)["runs"][0]["overall"]["mean"]
    assert mean == pytest.approx(record["scores"]["scene"]["overall"]["mean"])
    kept, removed = (
        (tmp_path / f"a/{name}.txt").read_text("utf-8") for name in ("kept", "removed")
    )
    assert kept.split() == record["pruned"]["kept"]
    assert len(kept.split()) == len(removed.split()) == 40
    curve = record["pruned"]["curve"]
    assert [point["questions"] for point in curve] == [80, 60, 40]
    drawn = vicabench("figures", "a/guesses.jsonl", "--kind", "chance", "--format", "svg")
    assert drawn.returncode == 0, drawn.stderr
    assert "level of chance" in (tmp_path / "figures/chance.svg").read_text("utf-8")


def test_a_text_only_run_stands_beside_the_forest(
    vicabench: Vicabench, benchmark: Path, tmp_path: Path
) -> None:
    rows = [{**r, "response": "A"} for r in read_jsonl(benchmark)]
    write_jsonl(tmp_path / "blind.jsonl", rows)
    done = vicabench("audit", "own.jsonl", *FAST, "--with", "blind.jsonl", "--format", "json")
    record = json.loads(done.stdout)
    right = 100 * sum(r["ground_truth"] == "A" for r in rows) / len(rows)
    assert record["run"]["scores"]["overall"]["mean"] == pytest.approx(right)
    forest = record["scores"]["scene"]["overall"]["mean"]
    assert record["run"]["minus_forest"]["overall"]["mean"] == pytest.approx(right - forest)
    assert {q["run"] for q in record["questions"][: int(len(rows) * right / 100)]} == {1.0}


def test_a_run_on_other_questions_is_refused(
    vicabench: Vicabench, benchmark: Path, tmp_path: Path
) -> None:
    del benchmark
    rows = [{**row(q), "response": "A"} for q in choices(1, scenes=2, right=at_random)]
    write_jsonl(tmp_path / "part.jsonl", rows)
    done = vicabench("audit", "own.jsonl", *FAST, "--with", "part.jsonl")
    refuses(done, "part.jsonl has 8 questions", "72 of those are not in the run")


def test_without_scikit_learn_it_says_what_to_install(
    vicabench: Vicabench, benchmark: Path, tmp_path: Path
) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError(name='sklearn')")
    done = vicabench("audit", benchmark.name, *FAST, PYTHONPATH=str(tmp_path))
    refuses(done, 'Audits need the package sklearn: pip install "vicabench[audit]"')


def test_a_score_without_what_was_pruned_stands_beside_the_whole(
    vicabench: Vicabench, benchmark: Path, tmp_path: Path
) -> None:
    rows = [
        {**r, "response": r["ground_truth"] if n % 2 else "A"}
        for n, r in enumerate(read_jsonl(benchmark))
    ]
    write_jsonl(tmp_path / "run.jsonl", rows)
    right = [r for r in rows if r["response"] == r["ground_truth"]]
    (tmp_path / "ids.txt").write_text("".join(f"{r['id']}\n" for r in right[:30]), encoding="utf-8")
    done = vicabench("score", "run.jsonl", "--without", "ids.txt", "--format", "json")
    whole, part = json.loads(done.stdout)["runs"]
    assert whole["micro"]["mean"] == pytest.approx(100 * len(right) / 80)
    assert part["micro"]["mean"] == pytest.approx(100 * (len(right) - 30) / 50)
    assert part["model"] == "run (without 30 questions)"
    assert "without 30 questions of 80 that ids.txt names" in part["notes"]
    shown = " ".join(vicabench("score", "run.jsonl", "--without", "ids.txt").stdout.split())
    assert "without 30 questions of 80 that ids.txt names" in shown


def test_a_run_in_place_of_a_benchmark_is_refused(vicabench: Vicabench, benchmark: Path) -> None:
    done = vicabench("audit", benchmark.name, "other.jsonl", "--labels")
    refuses(done, "own.jsonl, other.jsonl are not runs", "name one")
