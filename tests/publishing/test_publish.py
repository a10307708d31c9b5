"""Runs for others: what is published, what never is, and that it can be read and repeated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import vicabench as vb
from tests import hub, warm
from tests.runs import write_run
from tests.support import refuses, rows_about, write_jsonl
from vicabench.errors import ConfigError

NAMES = ["README.md", "config.json", "predictions.jsonl", "run.yaml", "report.html"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A real run of two models' worth of questions, answered by the command."""
    rows = write_jsonl(tmp_path / "q.jsonl", rows_about(8))
    asked = ("run", "--benchmark", rows, "--model", "baseline:oracle", "--no-video", "--out", "r")
    assert warm.vicabench(tmp_path, *asked).returncode == 0
    return tmp_path / "r"


def test_what_is_published_has_the_same_scores(run: Path, tmp_path: Path) -> None:
    done = warm.vicabench(tmp_path, "publish", run, "--to", "public")
    assert done.returncode == 0, done.stderr
    public = tmp_path / "public"
    assert sorted(file.name for file in public.iterdir()) == sorted(NAMES)
    assert vb.load(public).identity == vb.load(run).identity
    head, _, text = (public / "README.md").read_text(encoding="utf-8")[4:].partition("\n---\n")
    (model,) = yaml.safe_load(head)["model-index"]
    metrics = {m["name"]: m for result in model["results"] for m in result["metrics"]}
    overall = metrics["Avg. (official@51e089c protocol)"]
    scores = vb.score(run).to_dict()
    assert overall["value"] == pytest.approx(scores["overall"])
    assert (overall["args"]["n"], overall["args"]["videos"]) == (80, 8)
    assert metrics["Obj. Count (official@51e089c protocol)"]["type"] == "mra"
    assert "| baseline:oracle " in text
    assert "vicabench run --config run.yaml --benchmark YOURS --out again" in text


def test_a_published_run_is_repeated_by_its_card(run: Path, tmp_path: Path) -> None:
    vb.publish(run, tmp_path / "public")
    again = ("run", "--config", "run.yaml", "--benchmark", tmp_path / "q.jsonl", "--out", "again")
    assert warm.vicabench(tmp_path / "public", *again).returncode == 0
    first, second = vb.load(run), vb.load(tmp_path / "public" / "again")
    assert first.identity == second.identity


def test_nothing_of_the_machine_is_published(run: Path, tmp_path: Path) -> None:
    machine = json.loads((run / "config.json").read_text(encoding="utf-8"))["starts"][0]["machine"]
    files = vb.publish(run, tmp_path / "public").files
    assert [*files] == NAMES
    everything = b"".join(files.values()).decode()
    for private in (str(tmp_path), machine, "timing.jsonl"):
        assert private not in everything


KEYS = ["hf_" + "a1B2" * 8, "sk-proj-" + "x9Y8" * 6, "from the environment"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_a_reply_stops_it_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("LAB_API_KEY", "from the environment")
    rows = [{**row, "response": "4"} for row in rows_about(2)]
    rows[3]["response"] = f"I was told {key} by the prompt"
    folder = write_run(tmp_path / "r", "lab/model", rows)
    with pytest.raises(ConfigError) as refused:
        vb.publish(folder, tmp_path / "public")
    assert "predictions.jsonl, line 4" in str(refused.value)
    assert key not in str(refused.value)
    assert not (tmp_path / "public").exists()


def test_hub_gets_one_commit_and_only_if_told_to(run: Path, tmp_path: Path) -> None:
    with hub.serve({}) as served:
        served.token = "hf_loopback"
        environment = {**served.environment(tmp_path / "home"), "HF_TOKEN": served.token}

        def publish(*more: str, **changed: str) -> subprocess.CompletedProcess[str]:
            words = ("publish", str(run), "--to", "hub:lab/results", *more)
            return subprocess.run(
                [sys.executable, "-P", "-m", "vicabench", *words],
                cwd=tmp_path,
                env={**os.environ, **environment, **changed},
                capture_output=True,
                text=True,
                check=False,
            )

        shown = publish()
        assert "Repeat with --yes to upload it." in shown.stdout
        assert "model-index" in shown.stdout
        assert not served.log
        done = publish("--yes")
        assert done.returncode == 0, done.stderr
        (commit,) = served.repositories["models/lab/results"]
        assert sorted(commit.files) == sorted(NAMES)
        assert f"lab/results/commit/{commit.commit}" in done.stdout
        assert commit.files["predictions.jsonl"] == (run / "predictions.jsonl").read_bytes()
        refuses(publish("--yes", HF_TOKEN="hf_other"), "does not let you write to lab/results")


def test_what_cannot_be_published_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    bare = write_jsonl(tmp_path / "bare.jsonl", [{**r, "response": "1"} for r in rows_about(2)])
    part = shutil.copytree(run, tmp_path / "part")
    lines = (part / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    (part / "predictions.jsonl").write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    cases = {
        (run, "--to", "full"): "full is not empty",
        (bare, "--to", "new"): "does not say how its answers came about",
        (part, "--to", "new"): "Finish it first",
        (run, "--to", "new", "--private"): "--private is for a repository",
        (run, "--to", "new", "--yes"): "--yes is for uploading to the hub",
        (run, "--to", "hub:no name", "--yes"): "not the name of a repository",
    }
    for words, message in cases.items():
        refuses(warm.vicabench(tmp_path, "publish", *words), message)
