"""Defaults from `VICABENCH_*` variables and `run --config`, and the `run.yaml` of a run."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.support import Vicabench, refuses, rows_about, write_jsonl
from vicabench.cli.main import app
from vicabench.errors import UserError

RUN = ("run", "--benchmark", "q.jsonl", "--no-video")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "q.jsonl", rows_about(3))
    return tmp_path


def options(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8"))
    return loaded


def run(*words: str, **env: str) -> str:
    done = CliRunner().invoke(app, ["run", *words], env=env)
    if isinstance(done.exception, UserError):
        return str(done.exception)
    assert done.exit_code in (0, 2), done.output
    return " ".join(done.output.replace("│", " ").split())


def test_typed_wins_over_file_wins_over_variables(place: Path) -> None:
    env = {"VICABENCH_MODEL": "baseline:oracle", "VICABENCH_RUN_SEED": "1", "VICABENCH_LIMIT": "9"}
    env |= {"VICABENCH_RUN_BENCHMARK": "q.jsonl", "VICABENCH_RUN_NO_VIDEO": "true"}
    env |= {"VICABENCH_BENCHMARK": "rooms"}  # the variable of the command wins
    run("--out", "a", **env)
    (place / "c.yaml").write_text("seed: 2\nlimit: 2\nmodel: [baseline:random]\nout:\n")
    run("--out", "b", "--limit", "1", "--config", "c.yaml", **env)
    (place / "c.yaml").write_text("no-video: true\ntasks: [route_planning]\nmax-new-tokens: 1024")
    run("-o", "c", **env, VICABENCH_RUN_CONFIG="c.yaml")
    names = ("model", "seed", "limit", "tasks")
    found = [
        {n: options(place / run)[n] for n in names if n in options(place / run)} for run in "abc"
    ]
    assert found == [
        {"model": "baseline:oracle", "seed": 1},
        {"model": "baseline:random", "seed": 2, "limit": 1},
        {"model": "baseline:oracle", "seed": 1, "tasks": ["route_planning"]},
    ]


def test_run_yaml_of_a_run_repeats_and_continues_it(place: Path, vicabench: Vicabench) -> None:
    secret = {"OPENAI_API_KEY": "sk-secret", "HF_TOKEN": "hf_secret"}
    first = ("--model", "baseline:random", "--seed", "3", "--tasks", "route_planning", "--out", "r")
    assert vicabench(*RUN, *first, "--limit", "2", **secret).returncode == 0
    assert "secret" not in (place / "r" / "run.yaml").read_text()
    digest = json.loads((place / "r" / "config.json").read_text())["digest"]
    again = vicabench("run", "--config", "r/run.yaml")
    assert "2 answers are there already" in again.stderr
    more = vicabench("run", "--config", "r/run.yaml", "--limit", "3", "--out", "s")
    assert more.returncode == 0
    assert json.loads((place / "s" / "config.json").read_text())["digest"] == digest
    assert options(place / "s") == {**options(place / "r"), "limit": 3, "out": "s"}
    part = vicabench("run", "--config", "r/run.yaml", "--shard", "1/2", "--out", "t")
    assert part.returncode == 0
    (folder,) = place.glob("t*")
    assert options(folder)["out"] == "t"
    assert options(folder)["shard"] == "1/2"


BAD = {
    "frams: 3": ("c.yaml", "'frams' is not an option", "Did you mean frames?"),
    "config: c.yaml": ("'config' is not an option",),
    "7: x": ("7 is not an option",),
    "frames: many": ("c.yaml: frames must be a whole number, not 'many'",),
    "frames: 2.5": ("frames must be a whole number, not 2.5",),
    "frames: true": ("frames must be a whole number, not True",),
    "blind: 1": ("blind must be true or false, not 1",),
    "max_cost: {}": ("max_cost must be a number, not an object",),
    "out: [a]": ("out must be a text, not a list",),
    "protocol: no": ("protocol must be a text, not False", "quotes"),
    "frames: 0": ("--frames 0 is from c.yaml",),
    "protocol: offical": ("'offical'", "--protocol offical is from c.yaml"),
    "frames: 8": ("--no-video", "--frames 8 is from c.yaml"),
    "- frames": ("c.yaml has no options",),
    "a: [": ("c.yaml is not valid YAML",),
    "a: &a [*a, 0x" + "f" * 9000 + "]": ("'a' is not an option",),
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_file_of_options_is_refused_by_key(text: str, place: Path) -> None:
    (place / "c.yaml").write_text(text)
    said = run(*RUN[1:], "--model", "baseline:random", "--config", "c.yaml")
    for words in BAD[text]:
        assert words in said
    assert not (place / "runs").exists()


def test_a_file_of_options_must_be_there_and_small(place: Path, vicabench: Vicabench) -> None:
    refuses(vicabench("run", "--config", "none.yaml"), "--config none.yaml cannot be read")
    (place / "large.yaml").write_text("#" * (1 << 20) + "\n")
    refuses(vicabench("run", "--config", "large.yaml"), "large.yaml is too large")


def test_variables_are_checked_and_named_in_errors(vicabench: Vicabench) -> None:
    done = vicabench("run", VICABENCH_RUN_FRAMSE="8")
    refuses(done, "VICABENCH_RUN_FRAMSE", "Did you mean VICABENCH_RUN_FRAMES?")
    done = vicabench("run", "--model", "baseline:random", "--no-video", VICABENCH_FRAMES="8")
    refuses(done, "--frames 8 is from VICABENCH_FRAMES")
    assert vicabench("published", VICABENCH_MODEL="nothing").stdout.count("ViCA") > 3
    shown = vicabench("run", "--help", VICABENCH_FRAMES="8", VICABENCH_CACHE="/nowhere").stdout
    assert "[default: 8]" in shown
