"""Imported files name the version of the harness that graded them, and how that is known."""

import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

import vicabench as vb
from tests.harnesses.test_import import SAMPLES
from tests.support import read_jsonl, write_jsonl
from vicabench.results.run import load_run

OLDER = next(SAMPLES.parent.parent.glob("lmms_eval_0.7.2/*_samples_vsibench.jsonl"))
KIT = SAMPLES.parent.parent / "vlmevalkit" / "Tiny-VL_VSI-Bench_32frame.json"


def imported(harness: str, file: Path, out: Path) -> tuple[str, str]:
    """The protocol that the run folder records, and the note about it."""
    vb.import_results(harness, file, out, model="m")
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    origin = config["starts"][0]["imported"]["graded_by"]
    assert config["config"]["adapter"]["protocol"] == origin["protocol"]
    return origin["protocol"], origin["note"]


def alone(file: Path, folder: Path, **changes: Any) -> Path:
    """The samples without results beside them, each row changed; None removes a field."""
    rows = [{**row, **changes} for row in read_jsonl(file)]
    kept = [{k: v for k, v in row.items() if v is not None} for row in rows]
    return write_jsonl(folder / file.name, kept)


def test_two_releases_that_graded_the_same_replies_are_told_apart(tmp_path: Path) -> None:
    older, newer = (read_jsonl(file) for file in (OLDER, SAMPLES))
    assert [r["filtered_resps"] for r in older] == [r["filtered_resps"] for r in newer]
    protocol, note = imported("lmms-eval", OLDER, tmp_path / "old")
    assert protocol == "lmms-eval@0.7.2"
    assert "lack model_backend" in note
    assert imported("lmms-eval", SAMPLES, tmp_path / "new")[0] == "lmms-eval@0.7.3"
    # The score that each release printed comes from the file of the other by its own protocol.
    for folder, name, overall in (("old", "0.7.3", 57.3611), ("new", "0.7.2", 40.2778)):
        score = vb.score(tmp_path / folder, f"lmms-eval@{name}")
        assert score.overall.mean == pytest.approx(overall)


@pytest.mark.parametrize(("file", "version"), [(OLDER, "0.7.2"), (SAMPLES, "0.7.3")])
def test_scores_alone_tell_the_version(tmp_path: Path, file: Path, version: str) -> None:
    protocol, note = imported("lmms-eval", alone(file, tmp_path), tmp_path / "run")
    assert protocol == f"lmms-eval@{version}"
    assert "scores are of that version alone" in note
    run = load_run(tmp_path / "run")
    assert any(f"graded there by lmms-eval@{version}" in one for one in run.notes)


def test_a_file_that_fits_two_versions_says_so(tmp_path: Path) -> None:
    plain = [row for row in read_jsonl(OLDER) if row["filtered_resps"] in ("1", "A", "B")]
    file = write_jsonl(tmp_path / "plain_samples_vsibench.jsonl", plain)
    protocol, note = imported("lmms-eval", file, tmp_path / "run")
    assert protocol == "lmms-eval@0.7.3"
    assert "also fit lmms-eval@0.7.2" in note


def test_the_metric_of_an_older_release_is_recognized(tmp_path: Path) -> None:
    rows = read_jsonl(OLDER)
    for row in rows:
        row["vsibench_score"] = row.pop("vsibench_overall")
    file = write_jsonl(tmp_path / OLDER.name, rows)
    protocol, note = imported("lmms-eval", file, tmp_path / "run")
    assert protocol in ("lmms-eval@0.7.1", "lmms-eval@0.6")
    assert "before 0.7.2" in note
    commit = {"git_hash": "e643525cd3a6a1b6f5d9f4c87c2ff6a0b9f11111"}
    results = file.with_name(file.name.replace("samples_vsibench.jsonl", "results.json"))
    results.write_text(json.dumps(commit), encoding="utf-8")
    assert imported("lmms-eval", file, tmp_path / "named")[0] == "lmms-eval@0.6"


def test_the_data_set_of_vlmevalkit_tells_its_version(tmp_path: Path) -> None:
    protocol, note = imported("vlmevalkit", KIT, tmp_path / "new")
    assert (protocol, "VSI-Bench_32frame" in note) == ("vlmevalkit@VsiBench", True)
    book = Workbook()
    assert book.active is not None
    columns = ("id", "prefix", "video", "type", "question", "answer", "candidates", "prediction")
    book.active.append([*columns, "score"])
    book.active.append([0, "scannet", "s", "route_planning", "?", "B", "['A. x', 'B. y']", "B.", 1])
    book.active.append([1, "scannet", "s", "object_counting", "?", 4, None, "3", 0.5])
    for name in ("Tiny_vsibench_64frame.xlsx", "mine.xlsx"):
        book.save(tmp_path / name)
        protocol, _ = imported("vlmevalkit", tmp_path / name, tmp_path / name.partition(".")[0])
        assert protocol == "vlmevalkit@VSIBench"
    # 3 for 4 has an error of exactly 0.25, which only the first version counts as too large.
    run = load_run(tmp_path / "mine")
    assert vb.score(run, "vlmevalkit@VSIBench").overall.mean == 75
    assert vb.score(run, "vlmevalkit").overall.mean == 80
    assert "its own scores (2) are those of vlmevalkit@VSIBench" in " ".join(run.notes)
