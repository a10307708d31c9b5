"""Samples of lmms-eval: their subset, and samples without scores or documents."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harnesses.test_import import SAMPLES
from tests.support import Row, Vicabench, read_jsonl, refuses, write_jsonl

DATE = SAMPLES.name.partition("_samples_")[0]


def samples(folder: Path, task: str, **columns: Any) -> Path:
    """The fixture as another task would have written it, with columns of its documents set."""
    rows = read_jsonl(SAMPLES)
    for row in rows:
        for document in row.values():
            if isinstance(document, dict) and "question_type" in document:
                document.update({k: v(document) for k, v in columns.items()})
    return write_jsonl(folder / f"{DATE}_samples_{task}.jsonl", rows)


def subset_of(run: Path) -> str:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]
    return str(config["subset"])


@pytest.mark.parametrize(
    ("task", "subset"),
    [
        ("vsibench_multiimage", "full"),
        ("vsibench_debiased_multiimage", "debiased"),
        ("vsibench_pruned", "full"),  # as it really loads the questions
    ],
)
def test_the_task_determines_the_subset(
    vicabench: Vicabench, tmp_path: Path, task: str, subset: str
) -> None:
    file = samples(tmp_path, task)
    assert vicabench("import", "lmms-eval", file, "--out", "run", "--model", "m").returncode == 0
    assert subset_of(tmp_path / "run") == subset


@pytest.mark.parametrize(
    ("pruned", "subset"),
    [
        ([True] * 30, "pruned"),
        ([False] * 30, "full"),
        ([True, False] * 15, "full"),
        (None, "full"),  # by the published ids: 0 to 29 are of both kinds
    ],
)
def test_questions_reveal_whether_a_task_was_pruned(
    vicabench: Vicabench, tmp_path: Path, pruned: list[bool] | None, subset: str
) -> None:
    file = samples(tmp_path, "vsibench_pruned", pruned=lambda d: pruned and pruned[d["id"]])
    assert vicabench("import", "lmms-eval", file, "--out", "run", "--model", "m").returncode == 0
    assert subset_of(tmp_path / "run") == subset


def test_samples_of_another_subset_are_refused(vicabench: Vicabench, tmp_path: Path) -> None:
    row = read_jsonl(SAMPLES)[0]["vsibench_overall"]
    rows = [{**row, "id": place, "pruned": place < 2768} for place in range(5130)]
    write_jsonl(tmp_path / "test.jsonl", rows)
    ours = ("--out", "r", "--model", "m", "--benchmark", "vsi-bench", "--data", ".")
    file = samples(tmp_path, "vsibench_debiased_multiimage")
    refuses(vicabench("import", "lmms-eval", file, *ours), "debiased", "by its name")
    file = samples(tmp_path, "vsibench_pruned")
    asked = vicabench("import", "lmms-eval", file, *ours, "--subset", "pruned")
    refuses(asked, "full", "by its questions", "--subset full")


def own_questions(folder: Path) -> list[Row]:
    """The fixture's questions as a benchmark."""
    documents = [row["vsibench_overall"] for row in read_jsonl(SAMPLES)]
    columns = ("id", "dataset", "scene_name", "question_type", "question", "options")
    rows = [{k: d[k] for k in (*columns, "ground_truth")} for d in documents]
    write_jsonl(folder / "questions.jsonl", rows)
    return rows


def without_documents(folder: Path) -> Path:
    """Samples that have only a number, a prompt, a truth and a reply."""
    columns = ("doc_id", "target", "resps", "filtered_resps", "doc_hash", "input")
    rows = [{k: row[k] for k in columns if k in row} for row in read_jsonl(SAMPLES)]
    return write_jsonl(folder / f"{DATE}_samples_vsibench.jsonl", rows)


def test_samples_without_documents_match_by_position_and_prompt(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = own_questions(tmp_path)
    file = without_documents(tmp_path)
    theirs = ("import", "lmms-eval", file, "--model", "m")
    refuses(vicabench(*theirs, "--out", "r"), "no question", "--benchmark vsi-bench")
    done = vicabench(*theirs, "--out", "run", "--benchmark", "questions.jsonl")
    assert done.returncode == 0, done.stderr
    lines = read_jsonl(tmp_path / "run" / "predictions.jsonl")
    assert [line["video"] for line in lines] == [f"{r['dataset']}/{r['scene_name']}" for r in rows]
    write_jsonl(tmp_path / "questions.jsonl", [*rows[1:], rows[0]])
    other = vicabench(*theirs, "--out", "r", "--benchmark", "questions.jsonl")
    refuses(other, "line 1", "in its order", "revision")


def test_samples_without_scores_are_graded(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = read_jsonl(SAMPLES)
    for row in rows:
        document = row.pop("vsibench_overall")
        metrics = [key for key, value in row.items() if isinstance(value, dict)]
        for key in metrics:
            del row[key]
        keep = {"accuracy", "MRA:.5:.95:.05", "prediction"}
        row["doc"] = {k: v for k, v in document.items() if k not in keep}
        row["bypass"] = None
    write_jsonl(tmp_path / SAMPLES.name, rows)
    done = vicabench("import", "lmms-eval", SAMPLES.name, "--out", "run", "--model", "m")
    assert done.returncode == 0, done.stderr
    assert "Regraded" not in done.stderr
    assert "30 answers" in done.stderr


def test_scores_in_the_file_are_compared_with_ours(vicabench: Vicabench, tmp_path: Path) -> None:
    done = vicabench("import", "lmms-eval", SAMPLES, "--out", "run")
    assert "its own scores (30) are those of lmms-eval@0.7.3." in done.stderr
    assert "its own scores (30) are those of lmms-eval@0.7.3" in vicabench("score", "run").stdout
    file = samples(tmp_path, "vsibench", **{"MRA:.5:.95:.05": lambda _: 0.5})
    done = vicabench("import", "lmms-eval", file, "--out", "other", "--model", "m")
    assert "no protocol reproduces its own scores (30): official@51e089c differs in" in done.stderr
