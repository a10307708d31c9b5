"""`import vicabench`: what notebooks and training loops use, beside what the commands print."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, get_type_hints

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nbclient import NotebookClient

import vicabench as vb
from tests.support import Vicabench, read_jsonl, rows_about, write_jsonl
from tests.videos import write_clip
from vicabench.cli.run import command
from vicabench.errors import ConfigError, DataError, RunFolderError
from vicabench.harnesses.protocols import find_protocol
from vicabench.judging.judge import COLUMNS, FIELDS, Judged, means_of
from vicabench.options import BOUNDS
from vicabench.reference import model_zoo
from vicabench.results.disagreement import disagreement

VIDEOS = 6


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Questions of every type about six clips, which are there."""
    for video in range(VIDEOS):
        write_clip(tmp_path / f"clip{video}.mp4", frames=8)
    return write_jsonl(tmp_path / "mine.jsonl", rows_about(VIDEOS))


def says_two(video: vb.Video, questions: Sequence[vb.Question]) -> list[str]:
    assert video.frames_THWC.shape[0] == 4
    return ["A" if question.options else "2" for question in questions]


def predictions() -> list[dict[str, object]]:
    return [{**row, "response": "2"} for row in rows_about(VIDEOS)]


def test_import_loads_nothing_heavy() -> None:
    script = "import sys, vicabench; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "torch", "transformers", "matplotlib", "scipy", "typer", "rich"}
    assert not heavy & set(done.stdout.split())


def test_every_name_of_the_front_door_exists() -> None:
    for name in vb.__all__:
        assert getattr(vb, name) is not None
    assert set(vb.__all__) <= set(dir(vb))
    modules = {module.name for module in iter_modules(vb.__path__)}
    assert not modules & set(vb.__all__)  # importing a module would replace the name
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = vb.scores


def test_rows_frame_and_file_score_as_the_command(tmp_path: Path, vicabench: Vicabench) -> None:
    rows = predictions()
    file = write_jsonl(tmp_path / "p.jsonl", rows)
    done = vicabench("score", file, "--json", tmp_path / "scores.json")
    assert done.returncode == 0, done.stderr
    (printed,) = json.loads((tmp_path / "scores.json").read_text())["runs"]
    for given in (rows, pd.DataFrame(rows), file, str(file), vb.load(file)):
        found = vb.score(given)
        assert found.overall.mean == printed["overall"]["mean"]
        assert found.overall.low == printed["overall"]["low"]
        assert found.to_dict()["object_counting"] == printed["tasks"]["object_counting"]["mean"]
    assert "Avg." in found.table()
    assert found.table("csv").startswith("model,")
    assert "<td" in found._repr_html_()


def test_to_dict_is_flat_and_finite() -> None:
    flat = vb.score(predictions()[:3]).to_dict()  # one video: there are no intervals
    assert "overall_low" not in flat
    assert all(math.isfinite(value) for value in flat.values())
    json.dumps(flat, allow_nan=False)


def test_bad_rows_are_refused_by_number() -> None:
    with pytest.raises(DataError, match="rows, row 1: a prediction needs ground_truth"):
        vb.score([predictions()[0], {"id": 2, "question_type": "x", "response": ""}])
    with pytest.raises(ConfigError, match="not an int"):
        vb.score(3)
    with pytest.raises(DataError, match="holds no predictions"):
        vb.score([])


def test_a_callable_is_evaluated_like_any_run(questions: Path, tmp_path: Path) -> None:
    bench = vb.benchmark(questions, limit=VIDEOS)
    run = vb.evaluate(says_two, bench, frames=4, out=tmp_path / "run")
    assert len(run.predictions) == len(bench.questions)
    assert {p.response for p in run.predictions} == {"A", "2"}
    assert (tmp_path / "run" / "predictions.jsonl").exists()
    again = vb.evaluate(says_two, bench, frames=4, out=str(tmp_path / "run"))
    assert again.identity == run.identity
    frame = run.frame()
    assert list(frame.columns[:4]) == ["id", "video", "dataset", "task"]
    assert frame.score.mean() * 100 == pytest.approx(vb.score(run).micro.mean)


def test_an_evaluation_asks_only_what_is_owed(questions: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(_: vb.Video, questions: Sequence[vb.Question]) -> list[str]:
        asked.extend(q.id for q in questions)
        return ["1"] * len(questions)

    for limit in (2, VIDEOS):
        bench = vb.benchmark(questions, limit=limit)
        vb.evaluate(respond, bench, frames=2, out=tmp_path / "run")
    assert sorted(asked) == sorted(q.id for q in bench.questions)


def test_failures_of_a_callable_are_records(questions: Path, tmp_path: Path) -> None:
    def respond(video: vb.Video, questions: Sequence[vb.Question]) -> list[str]:
        if video.name == "clip1":
            raise ValueError("out of luck")
        return ["1"] * (len(questions) - (video.name == "clip2"))

    run = vb.evaluate(respond, questions, frames=2, out=tmp_path / "run")
    errors = run.frame().dropna(subset="error").groupby("video").error.agg(["count", "first"])
    assert errors.loc["clip1", "first"] == "adapter: ValueError: out of luck"
    assert errors.loc["clip2", "count"] == 1
    assert vb.score(run).overall.failed == len(rows_about(1)) + 1


def test_a_new_folder_is_made_where_none_is_named(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [vb.evaluate(says_two, questions, frames=4) for _ in range(2)]
    assert runs[0].path != runs[1].path
    assert {run.path.parent for run in runs} == {Path("runs/mine.jsonl")}
    assert len(vb.load_all("runs")) == 2


def test_run_gives_what_the_command_writes(
    questions: Path, tmp_path: Path, vicabench: Vicabench
) -> None:
    shown = ("run", "--benchmark", questions, "--model", "baseline:random", "--seed", "3")
    done = vicabench(*shown, "--no-video", "--out", tmp_path / "typed")
    assert done.returncode == 0, done.stderr
    run = vb.run("baseline:random", questions, seed=3, no_video=True, out=tmp_path / "called")
    typed = vb.load(tmp_path / "typed")
    assert run.identity == typed.identity
    assert vb.compare(run, typed).result.overall.estimate.mean == 0
    # The folder of the one continues by the other.
    vb.run("baseline:random", questions, seed=3, no_video=True, out=tmp_path / "typed")
    with pytest.raises(RunFolderError, match="seed"):
        vb.run("baseline:random", questions, seed=4, no_video=True, out=tmp_path / "typed")


def test_misspelt_options_name_the_nearest(questions: Path) -> None:
    with pytest.raises(TypeError, match="Did you mean max_new_tokens"):
        vb.run("baseline:random", questions, max_new_token=3)
    with pytest.raises(ConfigError, match="does not accept --max-new-tokens"):
        vb.evaluate(says_two, questions, max_new_tokens=3)
    with pytest.raises(ConfigError, match="type int cannot answer"):
        vb.evaluate(3, questions)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frames": 0}, "frames=0: give a whole number from 1 on"),
        ({"frames": 2.5}, "frames=2.5: give a whole number"),
        ({"limit": -1}, "limit=-1: give a whole number from 1 on"),
        ({"seed": "a"}, "seed='a': give a whole number"),
        ({"video_timeout": "9"}, "video_timeout='9': give a number from 0.1"),
        ({"devices": "0,1"}, "devices: a model in memory runs only in this process"),
        ({"replicas": 2}, "replicas: a model in memory runs only in this process"),
    ],
)
def test_arguments_out_of_bounds_are_refused(
    questions: Path, tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(ConfigError, match=said):
        vb.evaluate(says_two, questions, out=out, **{"frames": 4, "progress": False} | wrong)
    assert not out.exists()


def test_bounds_are_those_of_the_command() -> None:
    hints = get_type_hints(command, include_extras=True)
    options = {
        name: option
        for name, hint in hints.items()
        for option in getattr(hint, "__metadata__", ())
        if option.min is not None
    }
    assert options.keys() == BOUNDS.keys()
    for name, option in options.items():
        most = math.inf if option.max is None else option.max
        assert (option.min, most) == BOUNDS[name], name
        assert isinstance(BOUNDS[name][0], float) == ("float" in str(hints[name].__origin__)), name


def test_benchmark_refuses_arguments_that_it_would_ignore(questions: Path) -> None:
    bench = vb.benchmark(questions, tasks="object_counting")
    assert {question.task for question in bench.questions} == {"object_counting"}
    ignored: list[tuple[Any, dict[str, Any]]] = [
        (bench, {"videos": "elsewhere"}),
        (read_jsonl(questions), {"subset": "debiased"}),
        (str(questions), {"name": "mine"}),
    ]
    for source, given in ignored:
        with pytest.raises(ConfigError, match=f"{next(iter(given))} would have no effect"):
            vb.benchmark(source, **given)


def test_a_benchmark_of_rows_is_that_of_their_file(questions: Path, tmp_path: Path) -> None:
    rows = read_jsonl(questions)
    frame = vb.benchmark(pd.DataFrame(rows), videos=tmp_path, name="mine")
    plain = vb.benchmark(rows, videos=tmp_path, name="mine")
    assert frame.questions == plain.questions == vb.benchmark(questions).questions
    assert frame.benchmark.revision == plain.benchmark.revision
    assert repr(plain) == "<mine: 60 of 60 questions, 6 videos>"
    assert list(plain.frame().truth) == [str(row["ground_truth"]) for row in rows]
    with pytest.raises(DataError, match=r"mine, row 1: the ground_truth must be"):
        vb.benchmark([rows[0], {**rows[1], "ground_truth": "much"}], name="mine")


def test_compare_has_a_frame_and_refuses_strangers(tmp_path: Path) -> None:
    rows = predictions()
    a = write_jsonl(tmp_path / "a.jsonl", rows)
    b = write_jsonl(tmp_path / "b.jsonl", [{**row, "response": "1"} for row in rows])
    found = vb.compare(a, vb.load(b))
    (row,) = found.frame().query("score_of == 'overall'").to_dict("records")
    assert row["difference"] == pytest.approx(row["b"] - row["a"])
    assert "<td>" in found._repr_html_()
    with pytest.raises(ConfigError, match="not asked the same questions"):
        vb.compare(a, vb.score(rows[:5]).run)


def test_figures_are_drawn_alone_or_into_axes(tmp_path: Path) -> None:
    rows = predictions()
    runs = [vb.score(rows, name="a").run, vb.score(rows[::-1], name="b").run]
    with mpl.rc_context({"backend": "agg"}):
        import matplotlib.pyplot as plt

        whole, axes = plt.subplots(1, 3, figsize=(12, 4))
        assert isinstance(vb.plot.tasks(runs, ax=axes[0]), Axes)
        assert isinstance(vb.plot.differences(runs, ax=axes[1]), Axes)
        panels = vb.plot.errors(runs, ax=axes[2])
        assert isinstance(panels, list)
        whole.savefig(tmp_path / "all.png")
        plt.close(whole)
    for kind in (vb.plot.averages, vb.plot.radar, vb.plot.letters, vb.plot.rooms):
        alone: Any = kind(runs)
        assert alone._repr_png_().startswith(b"\x89PNG")  # a notebook shows it
        assert isinstance(alone, Figure)
    with pytest.raises(ConfigError, match=r"\[run\]"):
        vb.plot.tasks(runs[0])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="None of these runs holds replies of a Thinking model"):
        vb.plot.adoption(runs[:1])
    wrong: tuple[Any, ...] = ([], [vb.score(rows)])
    for nothing in wrong:
        for taking in (vb.plot.averages, vb.plot.curve, vb.plot.letters, vb.shared):
            with pytest.raises(ConfigError, match=r"Give runs or paths .* not (none|Score)\."):
                taking(nothing)


def test_runs_with_equal_names_are_distinguished(tmp_path: Path) -> None:
    rows = predictions()
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    few = [{**row, "video": f"clip{n % 2}"} for n, row in enumerate(rows)]
    found = vb.compare(vb.score(few).run, vb.score(few).run)
    assert repr(found).startswith("<rows (2) minus rows (1): 0.0 [n/a], p = 1.0000")
    assert {"rows (1)", "rows (2)"} <= set(found.frame().columns)
    assert [run.name for run in vb.shared([vb.score(rows).run, file])] == [
        "rows (rows)",
        f"rows ({file})",
    ]


ADAPTER = """
from vicabench.types import Answer

def always(video, questions):
    return ["2"] * len(questions)

class Mine:
    needs_video = False

    def __init__(self, argument, context):
        self.settings = {"seed": context.seed}

    def answer(self, video, questions):
        for question in questions:
            yield Answer(question_id=question.id, response="3")
"""


def test_an_adapter_in_a_file_runs_by_its_name(
    questions: Path, tmp_path: Path, vicabench: Vicabench
) -> None:
    (tmp_path / "my.py").write_text(ADAPTER)
    for name, said in {"always": "2", "Mine": "3"}.items():
        out = tmp_path / name
        shown = ("run", "--benchmark", questions, "--frames", "2", "--out", out)
        done = vicabench(*shown, "--model", f"./my.py:{name}")
        assert done.returncode == 0, done.stderr
        assert {row["response"] for row in read_jsonl(out / "predictions.jsonl")} == {said}
    (tmp_path / "my.py").write_text(ADAPTER.replace('"2"', '"4"'))
    done = vicabench(*shown, "--model", "./my.py:always", "--out", tmp_path / "always")
    assert done.returncode == 2
    assert "adapter" in done.stderr
    done = vicabench(*shown, "--model", "./my.py:nobody")
    assert done.returncode == 2
    assert "my.py has no 'nobody'" in done.stderr
    (tmp_path / "my.py").write_text("1/0")
    done = vicabench(*shown, "--model", "./my.py:always")
    assert done.returncode == 2
    assert "cannot be run: ZeroDivisionError" in done.stderr


def test_every_table_has_a_frame(tmp_path: Path) -> None:
    run = vb.load(write_jsonl(tmp_path / "a.jsonl", predictions()))
    told = disagreement(run, [find_protocol("official"), find_protocol("vlmevalkit")]).frame()
    assert set(told.protocol) == {"vlmevalkit@VsiBench"}
    parts = told[~told.score_of.isin(["overall", "micro"])]
    assert list(told.read_differently[told.score_of == "micro"]) == [parts.read_differently.sum()]
    scored = {f"v{n}": dict.fromkeys(COLUMNS, float(n)) for n in range(9)}
    judged = Judged(
        model="m", scores=scored, means=means_of(scored), undescribed=0, unjudged=0, cut=0
    ).frame()
    assert list(judged.columns) == list(FIELDS)
    assert judged.set_index("criterion")["mean"]["mean"] == 4.0
    scores = vb.published().frame()
    assert {"model", "average", "source", "citation", "object_counting"} <= set(scores.columns)
    assert len(vb.published("zoo").frame()) == len(model_zoo())
    with pytest.raises(ConfigError, match="scores, thinking, curves, zoo"):
        vb.published("news")


def test_a_notebook_draws_one_bar_that_moves(clips: Path, tmp_path: Path) -> None:
    code = nbformat.v4.new_code_cell(BAR.format(clips=clips))  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=[code])  # type: ignore[no-untyped-call]
    drawn: list[str] = []

    class Client(NotebookClient):
        def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] in ("display_data", "update_display_data"):
                drawn.append(msg["content"]["data"]["text/plain"])
            return super().process_message(msg, cell, cell_index)

    there = {"metadata": {"path": str(tmp_path)}}
    Client(notebook, kernel_name="python3", resources=there).execute()
    assert len(drawn) > 2
    assert all(line.startswith("slow ") for line in drawn)
    assert "6/6 videos  60/60 questions" in drawn[-1]
    # What stays is one output, in its last state.
    (bar,) = [out for out in notebook.cells[0].outputs if out.output_type == "display_data"]
    assert bar.data["text/plain"] == drawn[-1]


BAR = """
import time
import vicabench as vb

def slow(video, questions):
    time.sleep(0.3)
    return ["4" for _ in questions]

vb.evaluate(slow, vb.benchmark("{clips}/questions.jsonl"), frames=2, out="run")
"""
