"""Logs of the benchmark authors' harness get the scores that are printed in them."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support import Vicabench, read_jsonl, refuses
from vicabench.rubric import VSI

FIXTURES = Path(__file__).parent.parent / "fixtures" / "official"


def config_of(run: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]
    return config


@pytest.mark.parametrize("log", ["run", "made"])
def test_scores_equal_those_printed_beside_the_log(
    vicabench: Vicabench, tmp_path: Path, log: str
) -> None:
    folder = FIXTURES / log
    done = vicabench("import", "official", folder, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "are those of official" in done.stderr
    scored = vicabench("score", "run", "--format", "csv")
    row = next(csv.DictReader(io.StringIO(scored.stdout)))
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))["results"]
    printed = results["vsibench"]["vsibench_score,none"]
    assert float(row["average"]) == pytest.approx(printed["overall"], abs=1e-4)
    for task in VSI.tasks:
        key = f"{task.name}_{'MRA:.5:.95:.05' if task.unit else 'accuracy'}"
        if key in printed:
            assert float(row[task.name]) == pytest.approx(printed[key], abs=1e-4)
    assert row["unanswered"] == "0"  # empty replies are replies
    lines = read_jsonl(tmp_path / "run" / "predictions.jsonl")
    assert row["empty"] == str(sum(line["response"] == "" for line in lines))


def test_model_frames_and_settings_come_from_the_log(vicabench: Vicabench, tmp_path: Path) -> None:
    file = FIXTURES / "run" / "vsibench.json"
    assert vicabench("import", "official", file, "--out", "run").returncode == 0
    config = config_of(tmp_path / "run")
    assert (config["model"], config["frames"]) == ("qwen3.6-27b", 32)
    assert (config["benchmark"], config["subset"]) == ("vsi-bench", "full")
    adapter = config["adapter"]
    assert (adapter["imported_from"], adapter["commit"]) == ("official", "51e089c")
    assert adapter["generation"]["max_new_tokens"] == 16
    assert adapter["prompts"]["na_post_prompt"].startswith("Do not response anything")


def test_settings_of_another_type_are_no_model(vicabench: Vicabench, tmp_path: Path) -> None:
    log = json.loads((FIXTURES / "run" / "vsibench.json").read_text(encoding="utf-8"))
    log["args"]["model"] = []
    (tmp_path / "log.json").write_text(json.dumps(log), encoding="utf-8")
    done = vicabench("import", "official", "log.json", "--out", "run", "--model", "lab/model")
    assert done.returncode == 0, done.stderr
    prompts = config_of(tmp_path / "run")["adapter"]["prompts"]
    assert prompts["na_post_prompt"].startswith("Please answer")


def test_an_api_key_in_the_settings_is_not_copied(vicabench: Vicabench, tmp_path: Path) -> None:
    vicabench("import", "official", FIXTURES / "made", "--out", "run")
    assert config_of(tmp_path / "run")["model"] == "example/Tiny-VL-1B"
    written = (tmp_path / "run" / "config.json").read_text(encoding="utf-8")
    assert "api_key=***" in written
    assert "secret" not in written


def test_a_log_without_samples_explains_how_to_write_them(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        shutil.copytree(FIXTURES / "run", tmp_path / name)
    refuses(vicabench("import", "official", ".", "--out", "r"), "vsibench.json", "Name the file")
    (tmp_path / "a" / "vsibench.json").unlink()
    refuses(vicabench("import", "official", "a", "--out", "r"), "--log_samples")
    refuses(vicabench("import", "official", "a/results.json", "--out", "r"), "--log_samples")
    torn = (tmp_path / "b" / "vsibench.json").read_text(encoding="utf-8")[:3000]
    (tmp_path / "torn.json").write_text(torn, encoding="utf-8")
    refuses(vicabench("import", "official", "torn.json", "--out", "r"), "torn.json", "not JSON")
