"""`vicabench explain`: where the difference of two scores of one model is from."""

import json
from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from tests.harnesses.generated import cases
from tests.harnesses.test_import import SAMPLES
from tests.harnesses.test_import_versions import OLDER
from tests.harnesses.test_versions import row
from tests.runs import write_run
from tests.support import Vicabench, refuses, write_jsonl
from vicabench.errors import ConfigError

ROWS = [row(place, case) for place, case in enumerate(cases()[:400])]
PROMPTS: tuple[dict[str, Any], ...] = (
    {"prompt": {"wording": "vsi-bench"}, "frame_options": {"max_pixels": 100}},
    {"prompt": {"wording": "float"}, "frame_options": {"max_pixels": 200}},
)


def pair(folder: Path, *changes: dict[str, Any]) -> tuple[Path, Path]:
    """Two runs of one model; B has the right answer in place of every fourth reply."""
    better = [
        r | ({"response": r["ground_truth"]} if i % 4 == 0 else {}) for i, r in enumerate(ROWS)
    ]
    a, b = changes or ({}, {})
    return (
        write_run(folder / "a", "lab/m", ROWS, adapter=a),
        write_run(folder / "b", "lab/m", better, adapter=b),
    )


def test_two_presets_differ_and_all_of_it_is_explained(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    readings = ("lmms-eval@0.7.2", "vlmevalkit@VSIBench")
    pair(tmp_path, *({**p, "protocol": r} for p, r in zip(PROMPTS, readings, strict=True)))
    done = vicabench("explain", "a", "b", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    whole = found["scores"][0]
    assert (whole["reference_protocol"], whole["model_protocol"]) == readings
    for place, side in enumerate(("reference", "model")):
        score = vb.score(tmp_path / "ab"[place], readings[place])
        assert whole[f"{side}_score"] == pytest.approx(score.overall.mean)
    parts = [whole[name] for name in ("asking", "reading", "aggregating")]
    assert all(parts)
    assert sum(parts) == pytest.approx(whole["model_score"] - whole["reference_score"], abs=1e-9)
    assert whole["asking_low"] < whole["asking"] < whole["asking_high"]
    assert [(s["kind"], s["name"]) for s in found["settings"]] == [
        ("prompt", "prompt.wording"),
        ("pixels", "frame_options.max_pixels"),
    ]
    assert "prompt, pixels at once" in found["again"][0]
    assert len(found["again"]) == 3


def test_the_table_shows_scores_parts_and_settings(vicabench: Vicabench, tmp_path: Path) -> None:
    pair(tmp_path, *PROMPTS)
    named = ("--protocol", "official,vlmevalkit@VSIBench")
    done = vicabench("explain", "a", "b", *named, COLUMNS="80")
    words = " ".join(done.stdout.split())
    for said in ("Avg. → Micro", "aggregating", "prompt.wording", "vsi-bench", "95% intervals"):
        assert said in words
    assert "A is read and aggregated by official@51e089c, B by vlmevalkit@VSIBench." in words
    assert "of 400. Read differently by the two protocols:" in words
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_one_run_under_two_protocols_differs_in_no_asking(tmp_path: Path) -> None:
    run, _ = pair(tmp_path)
    found = vb.explain(run, run, protocol=["official", "vlmevalkit@VSIBench"])
    assert found.overall.parts["asking"].mean == 0
    assert found.overall.parts["reading"].mean < 0
    assert found.result.again == ()
    score = {name: vb.score(run, name).overall.mean for name in ("official", "vlmevalkit@VSIBench")}
    assert [found.overall.score_a, found.overall.score_b] == pytest.approx(list(score.values()))


def test_imported_files_are_read_as_their_harness_did(tmp_path: Path) -> None:
    for name, file in (("old", OLDER), ("new", SAMPLES)):
        vb.import_results("lmms-eval", file, tmp_path / name, model="m")
    found = vb.explain(tmp_path / "old", tmp_path / "new")
    names = [rule.name for rule in found.result.protocols]
    assert names == ["lmms-eval@0.7.2", "lmms-eval@0.7.3"]
    # The shares that both releases printed of the same replies.
    printed = [100 * results(file)["vsibench_overall,none"] for file in (OLDER, SAMPLES)]
    assert [found.overall.score_a, found.overall.score_b] == pytest.approx(printed)
    assert found.overall.parts["asking"].mean == pytest.approx(0)
    assert found.overall.parts["reading"].mean == pytest.approx(printed[1] - printed[0], abs=1e-4)


def results(samples: Path) -> dict[str, Any]:
    file = samples.with_name(samples.name.replace("samples_vsibench.jsonl", "results.json"))
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["results"]["vsibench"]
    return found


def test_one_difference_of_the_asking_has_all_of_its_part(tmp_path: Path) -> None:
    found = vb.explain(*pair(tmp_path, {"generation": {"top_k": 1}}, {"generation": {"top_k": 9}}))
    assert found.result.again == (
        "The asking differs in its generation alone: all of its part is that.",
    )


def test_what_is_not_recorded_is_said(tmp_path: Path) -> None:
    (said,) = vb.explain(*pair(tmp_path)).result.again
    assert "name no difference" in said


def test_runs_that_cannot_be_explained_are_refused(vicabench: Vicabench, tmp_path: Path) -> None:
    a, _ = pair(tmp_path)
    write_run(tmp_path / "part", "lab/m", ROWS[:200])
    refuses(vicabench("explain", "a", "part"), "same questions", "--shared")
    assert vicabench("explain", "a", "part", "--shared").returncode == 0
    refuses(vicabench("explain", "a", "b", "--protocol", "official,vlm@x"), "vlm@x", "vlmevalkit")
    with pytest.raises(ConfigError, match="one protocol for both"):
        vb.explain(a, a, protocol=["official"] * 3)
    write_jsonl(tmp_path / "a" / "predictions.jsonl", ROWS[:10])
    refuses(vicabench("explain", "a", "b"), "incomplete")
