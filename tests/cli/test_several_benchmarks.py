"""One command for several benchmarks: a model is loaded once, and each has its own tasks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from vica.tiny import write_tiny_checkpoint

from tests.adapters.calling import LOOPBACK
from tests.apis import KEY, Api, serve
from tests.support import Vicabench, read_jsonl, refuses, rows_about, write_jsonl
from tests.videos import write_clip

BEFORE = "These are frames.\n{question}\n{options}\n{frames} frames of {seconds} s."
YES_NO = "These are frames.\n{question} Answer yes or no."


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ViCA2, and benchmarks `seen` (yes or no) and `speed` (text before the frames)."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny_checkpoint(folder / "tiny", family="vica2", seed=0)
    for name, task, row in (
        ("seen", {"kind": "yes/no"}, {"question": "Is it red?", "ground_truth": True}),
        ("speed", {"kind": "choice"}, {"question": "How fast?", "ground_truth": "slow"}),
    ):
        (folder / name).mkdir()
        for clip in range(2):
            write_clip(folder / name / f"clip{clip}.mp4", frames=8 + clip)
        rows = [{**row, "video": f"clip{n % 2}", "options": None} for n in range(4)]
        if name == "speed":
            rows = [{**row, "options": ["slow", "fast"]} for row in rows]
        write_jsonl(folder / name / "questions.jsonl", rows)
        before = name == "speed"
        template = {"choice": BEFORE} if before else {"yes/no": YES_NO}
        described = {
            "tasks": [{"name": name, **task}],
            "overall": ["micro"],
            "wording": {"templates": template, "before_frames": before},
            "frames": {"frames": 3, "fixed": True, "why": "questions name frames by number"},
        }
        (folder / name / "benchmark.yaml").write_text(yaml.safe_dump(described))
    return folder


COUNTED = """
class Once:
    needs_video, settings = False, {}

    def __init__(self, context):
        open("built", "a").write("x")

    def answer(self, video, questions):
        from vicabench import Answer
        return [Answer(question_id=q.id, response=q.answer) for q in questions]


class Reused(Once):
    def for_context(self, context):
        return self
"""


@pytest.mark.parametrize(("name", "built"), [("Once", 2), ("Reused", 1)])
def test_a_model_is_loaded_once_if_it_can_be_reused(
    place: Path, vicabench: Vicabench, tmp_path: Path, name: str, built: int
) -> None:
    (tmp_path / "my.py").write_text(COUNTED)
    both = ("run", "-b", place / "seen", "-b", place / "speed", "-o", "runs")
    done = vicabench(*both, "-m", f"./my.py:{name}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "built").read_text() == "x" * built
    over = done.stdout.split("Over the benchmarks")[1]
    heads, row = (
        line for line in over.split("\n") if line.split()[:1] in (["model"], [f"./my.py:{name}"])
    )
    assert heads.split() == ["model", "seen", "speed"]
    assert row.split()[1:] == ["100.0", "100.0"]


def test_a_tiny_vica2_answers_several_benchmarks(place: Path, warm: Vicabench) -> None:
    both = ("run", "-b", place / "seen", "-b", place / "speed", "-m", place / "tiny")
    done = warm(*both, "--max-new-tokens", "4", "-o", "runs")
    assert done.returncode == 0, done.stderr
    assert "speed: Micro, the mean over questions" in done.stdout


@pytest.fixture
def api() -> Iterator[Api]:
    with serve() as api:
        yield api


def test_the_benchmark_says_what_is_asked_and_of_how_many_frames(
    place: Path, api: Api, vicabench: Vicabench, tmp_path: Path
) -> None:
    command = (
        "run", "--model", "openai:tiny", "--base-url", f"{api.address}/v1", "--out", "r",
        "--benchmark", place / "speed",
    )  # fmt: skip
    environment = {**LOOPBACK, "OPENAI_API_KEY": KEY}
    refuses(vicabench(*command, "--frames", "4", **environment), "3 frames", "by number")
    done = vicabench(*command, **environment)
    assert done.returncode == 0, done.stderr
    (message,) = json.loads(api.log[0].body)["messages"]
    text, *frames = message["content"]
    assert text["text"] == "These are frames.\nHow fast?\nA. slow\nB. fast\n3 frames of 0.33 s."
    assert [part["type"] for part in frames] == ["image_url"] * 3
    config = json.loads((tmp_path / "r/config.json").read_text())
    assert config["config"]["frames"] == 3
    assert config["config"]["adapter"]["prompt"]["before_frames"] is True
    vicabench(*command[:-2], "--benchmark", place / "speed", "--wording", "vsi-bench",
              "--out", "other", **environment)  # fmt: skip
    (message,) = json.loads(api.log[-1].body)["messages"]
    assert message["content"][-1]["text"].startswith("These are frames of a video.\nHow fast?")


def test_runs_on_several_benchmarks_share_one_page(
    place: Path, vicabench: Vicabench, tmp_path: Path
) -> None:
    models = ("-m", "baseline:oracle", "-m", "baseline:random")
    both = ("-b", place / "seen", "-b", place / "speed")
    assert vicabench("run", *both, *models, "-o", "runs").returncode == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["seen", "speed"]
    done = vicabench("report", "runs", "--out", "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "2 models on 2 benchmarks" in page
    assert vicabench("report", "runs", "--format", "latex").stdout.count(r"\toprule") == 3
    refuses(
        vicabench("report", "runs", "--compare", "runs/seen/baseline-oracle", "--out", "x.html"),
        "several benchmarks",
    )
    refuses(vicabench("run", *both, *models, "--subset", "x"), "--subset is about one benchmark")
    twice = ("-b", place / "seen", "-b", place / "seen")
    refuses(vicabench("run", *twice, *models), "seen is named twice")
    replies = [
        row["response"]
        for row in read_jsonl(tmp_path / "runs/seen/baseline-oracle/predictions.jsonl")
    ]
    assert replies == ["yes"] * 4


def test_imports_of_the_same_questions_are_runs_on_one_benchmark(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        rows = [{**row, "response": "A"} for row in rows_about(2)]
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
        vicabench("import", "jsonl", f"{name}.jsonl", "--model", name, "--out", f"runs/{name}")
    done = vicabench("report", "runs", "--compare", "runs/a", "--out", "page.html")
    assert done.returncode == 0, done.stderr
    assert "Compared with a" in (tmp_path / "page.html").read_text()
