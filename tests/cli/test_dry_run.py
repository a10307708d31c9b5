"""`vicabench run --dry-run`: what a run would ask and take, without asking or loading anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import chats
from tests.support import Vicabench, refuses, rows_about, write_jsonl

Plan = dict[str, Any]


def plans(vicabench: Vicabench, *words: str | Path, **env: str) -> dict[str, Plan]:
    done = vicabench("run", *words, "--dry-run", "--format", "json", **env)
    assert done.returncode == 0, done.stderr
    return {plan["model"]: plan for plan in json.loads(done.stdout)}


def test_a_dry_run_says_what_is_left_and_how_long(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(6))
    how = ("--benchmark", "q.jsonl", "--model", "baseline:oracle")
    before = plans(vicabench, *how)["baseline:oracle"]
    assert not (tmp_path / "runs").exists()
    assert (before["owed"], before["owed_videos"], before["hours"]) == (60, 6, None)
    assert vicabench("run", *how, "--limit", "2").returncode == 0

    folder = tmp_path / "runs" / "q.jsonl" / "baseline-oracle"
    file = folder / "predictions.jsonl"
    first, *others = file.read_text().splitlines()
    failed = json.dumps({**json.loads(first), "response": None, "error": "adapter: no answer"})
    file.write_text("\n".join([failed, *others, ""]))
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    (timing,) = map(json.loads, (folder / "timing.jsonl").read_text().splitlines())
    plan = plans(vicabench, *how)["baseline:oracle"]
    assert {path: path.read_bytes() for path in folder.iterdir()} == kept
    assert (plan["answered"], plan["failed"], plan["owed"]) == (19, 1, 40)
    assert plan["seconds_a_video"] == pytest.approx(timing["wall"] / 2)
    assert plan["hours"] == pytest.approx(4 * timing["wall"] / 2 / 3600)
    assert plan["measured_in"] == "2 videos of runs/q.jsonl/baseline-oracle"
    assert (plan["video_tokens"], plan["frames"], plan["memory"], plan["cost"]) == (0, 0, None, 0)
    assert plans(vicabench, *how, "--retry-errors")["baseline:oracle"]["owed"] == 41

    config = folder / "config.json"
    content = json.loads(config.read_text())
    content["starts"][0]["machine"] = "another"
    config.write_text(json.dumps(content))
    elsewhere = plans(vicabench, *how)["baseline:oracle"]
    assert elsewhere["hours"] is None
    assert "on this machine" in elsewhere["unknown"]["hours"]


def test_a_dry_run_warns_of_a_run_folder_that_refuses(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(3))
    how = ("--benchmark", "q.jsonl", "--model", "baseline:random", "--out", "r")
    assert vicabench("run", *how).returncode == 0
    plan = plans(vicabench, *how, "--seed", "3")["baseline:random"]
    assert plan["conflict"] == "seed is 0 there, 3 now"
    fewer = vicabench("run", *how, "--limit", "1", "--dry-run")
    assert "would refuse" in fewer.stdout
    refuses(vicabench("run", *how, "--dry-run", "--published"), "--published")


def test_a_dry_run_knows_the_size_of_a_model(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    several = ("vica2-rooms", "nkkbr/ViCA2", "hf:lab/none", "gemini:any")
    models = [word for spec in several for word in ("--model", spec)]
    env = {"HF_HUB_CACHE": str(tmp_path / "empty"), "HF_HUB_OFFLINE": "1"}
    asked: list[str | Path] = ["--benchmark", clips / "questions.jsonl"]
    how = [*asked, "--dtype", "bfloat16", *models]
    found = plans(vicabench, *how, **env)
    assert [found[spec]["video_tokens"] for spec in several] == [960, 22_144, None, None]
    memory = found["nkkbr/ViCA2"]["memory"]
    assert memory["weights"] == 2 * memory["parameters"] == 16_230_176_064
    # Keys and values of 28 layers with 4 heads of 128 numbers.
    assert memory["prefix"] == 22_144 * 2 * 28 * 4 * 128 * 2
    assert set(found["hf:lab/none"]["unknown"]) == {"video_tokens", "memory", "hours"}
    assert set(found["gemini:any"]["unknown"]) == {"video_tokens", "cost", "hours"}
    shown = vicabench("run", *how, "--dry-run", COLUMNS="80", **env).stdout
    assert "22,144" in shown
    assert "8,115.1 million parameters" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_the_cost_is_that_of_the_tokens_counted_so_far(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text('{"any": {"input": 1000, "output": 1000}}')
    with chats.serve(lambda _: "2") as server:
        asked_of = ("--benchmark", clips / "questions.jsonl", "--model", "openai:any")
        how = (*asked_of, "--base-url", server.url, "--frames", "1", "--out", "r")
        done = vicabench("run", *how, "--limit", "2", OPENAI_API_KEY="key")
        assert done.returncode == 0, done.stderr
        asked = len(server.bodies)
        assert "--prices" in plans(vicabench, *how)["openai:any"]["unknown"]["cost"]
        plan = plans(vicabench, *how, "--prices", "p.json")["openai:any"]
        assert len(server.bodies) == asked
    (timing,) = map(json.loads, (tmp_path / "r" / "timing.jsonl").read_text().splitlines())
    tokens = timing["calls"]["prompt_tokens"] + timing["calls"]["new_tokens"]
    assert plan["owed"] == 40
    assert plan["cost"] == pytest.approx(40 * tokens / 20 / 1000, rel=0.01)
