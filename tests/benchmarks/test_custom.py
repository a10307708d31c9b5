"""Benchmarks of your own: from `vicabench init` to tables, in every form of questions."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from vica.tiny import write_tiny_checkpoint

import vicabench as vb
from tests import chats, warm
from tests import hub as hubs
from tests.benchmarks.toy import jsonl, parquet, vicabench
from tests.support import Row, read_jsonl, refuses, write_jsonl
from vicabench.errors import DataError
from vicabench.front.init import DESCRIPTION
from vicabench.types import Question

TASKS = """\
tasks:
  - {name: camera_displacement, title: Moved, unit: m, metric: {name: mra, zero: exact}}
  - {name: yes_no, title: Seen, kind: yes/no, beside: [chance-corrected]}
  - {name: colour, title: Colour}
"""
COLOURS = ["red", "green", "blue", "black", "white", "grey"]
TITLES = ["Avg.", "Moved", "Seen", "Colour"]
MINE = "my-bench"


def rows() -> list[Row]:
    """Three questions about each of six clips; the camera of the first does not move."""
    asked = [
        (f"videos/clip{v}.mp4", f"clip {v}", *question)
        for v in range(6)
        for question in (
            ("camera_displacement", f"{v / 2} m"),
            ("yes_no", "yes" if v % 2 else "no"),
            ("colour", COLOURS[v]),
        )
    ]
    return [
        {"video": video, "question_type": kind, "question": f"What of {about}?"}
        | {"ground_truth": truth}
        | ({"options": COLOURS} if kind == "colour" else {})
        for video, about, kind, truth in asked
    ]


def started(place: Path, clips: Path) -> Path:
    """A folder made by `vicabench init`, changed to other tasks and questions."""
    done = warm.vicabench(place, "init", MINE)
    assert "vicabench data check my-bench" in done.stdout
    folder = place / MINE
    text = (folder / "benchmark.yaml").read_text("utf-8")
    before, _, after = text.partition("tasks:\n")
    _, _, after = after.partition("overall:")
    (folder / "benchmark.yaml").write_text(f"{before}{TASKS}overall:{after}", "utf-8")
    write_jsonl(folder / "questions.jsonl", rows())
    for v in range(6):
        shutil.copy(clips / f"clip{v}.mp4", folder / "videos")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """A folder with the runs of two baselines and a model, whose benchmark is deleted."""
    place = tmp_path_factory.mktemp("own")
    folder = started(place, clips)
    checked = warm.vicabench(place, "data", "check", MINE)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "my-bench: 18 questions about 6 videos, no problems." in checked.stdout
    models = ("baseline:random", "baseline:oracle", write_tiny_checkpoint(place / "tiny"))
    asked = [word for model in models for word in ("--model", model)]
    how = ("--frames", "2", "--max-new-tokens", "3", "--device", "cpu")
    done = warm.vicabench(place, "run", "--benchmark", MINE, *asked[:4], "--out", "runs")
    assert done.returncode == 0, done.stderr
    assert all(title in done.stdout for title in TITLES)
    done = warm.vicabench(place, "run", "--benchmark", MINE, *asked[4:], *how, "--out", "runs/tiny")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(folder)
    return place


RUNS = ("runs/baseline-random", "runs/baseline-oracle", "runs/tiny")


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_run_is_scored_without_its_benchmark(place: Path) -> None:
    done = warm.vicabench(place, "score", *RUNS, "--format", "csv", "--json", "scores.json")
    _, oracle, tiny = cells(done.stdout)
    for name in ("camera_displacement", "yes_no", "colour", "average", "micro"):
        assert (oracle[name], tiny["camera_displacement_questions"]) == ("100.0000", "6")
    shown = warm.vicabench(place, "score", RUNS[1]).stdout
    assert all(title in shown for title in [*TITLES, "Micro"])
    assert "Seen, chance-corrected accuracy: +100.0 [" in shown
    assert "Rel. Dir." not in shown + (place / "scores.json").read_text("utf-8")
    assert vb.score(place / RUNS[1]).tasks["yes_no"].mean == 100


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("score", *RUNS, "--format", "latex"), ""),
        (("score", RUNS[0], "--format", "latex", "--width", "column"), ""),
        (("compare", *RUNS[:2]), ""),
        (("figures", *RUNS, "--kind", "tasks", "--format", "svg", "--out", "f"), "f/tasks.svg"),
        (("report", *RUNS, "--out", "page.html"), "page.html"),
    ],
)
def test_what_is_made_of_runs_has_their_tasks(
    place: Path, command: tuple[str, ...], file: str
) -> None:
    done = warm.vicabench(place, *command)
    assert done.returncode == 0, done.stderr
    text = (place / file).read_text("utf-8") if file else done.stdout
    assert all(title in text for title in TITLES[1:]), text
    assert "Rel. Dir." not in text


def test_own_questions_are_resumed_merged_and_imported(tmp_path: Path, clips: Path) -> None:
    started(tmp_path, clips)
    how = ("run", "--benchmark", MINE, "--model", "baseline:oracle", "--out")
    for shard in ("1/2", "2/2"):
        warm.vicabench(tmp_path, *how, "part", "--shard", shard)
    done = warm.vicabench(tmp_path, "merge", "part-shard-1-of-2", "part-shard-2-of-2", "--out", "a")
    assert done.returncode == 0, done.stderr
    answers = tmp_path / "a/predictions.jsonl"
    kept = answers.read_text("utf-8").splitlines(keepends=True)
    answers.write_text("".join(kept[:-1]), "utf-8")
    assert warm.vicabench(tmp_path, *how, "a").returncode == 0
    assert vb.score(tmp_path / "a").overall.mean == 100
    said = [{"id": row["id"], "said": row["response"]} for row in read_jsonl(answers)]
    write_jsonl(tmp_path / "said.jsonl", said)
    imported = ("import", "jsonl", "said.jsonl", "--column", "response=said", "--model", "m")
    done = warm.vicabench(tmp_path, *imported, "--benchmark", MINE, "--out", "b")
    assert done.returncode == 0, done.stderr
    assert vb.score(tmp_path / "b").to_dict()["yes_no"] == 100


def test_rows_with_tasks_are_a_benchmark_in_python(tmp_path: Path, clips: Path) -> None:
    asked = [{**row, "video": row["video"].removeprefix("videos/")} for row in rows()]
    tasks = {
        "camera_displacement": {"unit": "m", "metric": {"name": "mra", "zero": "exact"}},
        "yes_no": {"kind": "yes/no"},
        "colour": {},
    }
    mine = vb.benchmark(asked, tasks=tasks, videos=clips, name="mine")
    run = vb.run("baseline:oracle", mine, out=tmp_path / "run")
    assert vb.score(tmp_path / "run").to_dict() == vb.score(run).to_dict()
    assert list(vb.score(run).tasks) == list(tasks)
    assert vb.score(run).overall.mean == 100


ASKING = """\
frames: {frames: 2, fixed: true, why: questions name frames}
wording:
  templates:
    numeric: "{question} In {unit}, after {frames} frames."
    choice: "{question}\\n{options}"
    yes_no: "{question} Say yes or no."
"""


def test_own_wording_and_frames_reach_the_model(tmp_path: Path, clips: Path) -> None:
    (tmp_path / "benchmark.yaml").write_text(ASKING + TASKS, "utf-8")
    asked = [{**row, "video": row["video"].removeprefix("videos/")} for row in rows()[:3]]
    write_jsonl(tmp_path / "questions.jsonl", asked)
    how = ("run", "--benchmark", ".", "--videos", clips, "--model", "openai:any", "--out", "r")
    with chats.serve(lambda prompt: "yes" if "yes or no" in prompt else "0") as server:
        where = ("--base-url", server.url)
        done = warm.vicabench(tmp_path, *how, *where, OPENAI_API_KEY="none")
        assert done.returncode == 0, done.stderr
        refused = warm.vicabench(tmp_path, *how, *where, "--frames", "3", OPENAI_API_KEY="none")
    listed = [f"{letter}. {colour}" for letter, colour in zip("ABCDEF", COLOURS, strict=True)]
    assert set(server.prompts) == {
        "What of clip 0? In m, after 2 frames.",
        "What of clip 0? Say yes or no.",
        "\n".join(["What of clip 0?", *listed]),
    }
    assert {body.count(b'"type":"image_url"') for body in server.bodies} == {2}
    refuses(refused, "2 frames", "questions name frames")
    assert vb.score(tmp_path / "r").tasks["camera_displacement"].mean == 100


ROWS: list[Row] = [
    {"video": "a.mp4", "kind": "far", "q": "How far?", "a": "0"},
    {"video": "a.mp4", "kind": "far", "q": "And now?", "a": "-1.50"},
    {"video": "b.mp4", "kind": "far", "q": "How far?", "a": "2 m"},
    {"video": "b.mp4", "kind": "which", "q": "Which?", "a": "north", "choices": ["south", "north"]},
    {"video": "007", "kind": "seen", "q": "Is it there?", "a": "True"},
]
PLAIN = [{"uid": f"0{n}", **row} for n, row in enumerate(ROWS, start=1)]
READ = [
    Question(id="01", video="a.mp4", task="far", text="How far?", answer="0"),
    Question(id="02", video="a.mp4", task="far", text="And now?", answer="-1.50"),
    Question(id="03", video="b.mp4", task="far", text="How far?", answer="2"),
    Question(
        id="04",
        video="b.mp4",
        task="which",
        text="Which?",
        answer="B",
        options=("A. south", "B. north"),
    ),
    Question(id="05", video="007", task="seen", text="Is it there?", answer="yes"),
]
MAP = {
    "id": "uid",
    "question_type": "kind",
    "question": "q",
    "ground_truth": "a",
    "options": "choices",
}
KINDS: dict[str, Any] = {
    "far": {"unit": "m", "metric": {"name": "mra", "zero": 0.5}},
    "seen": {"kind": "yes/no"},
    "which": None,
}


def written(suffix: str) -> bytes:
    whole = [{"choices": None, **row} for row in PLAIN]
    if suffix in ("csv", "tsv"):
        flat = [{**row, "choices": json.dumps(row.get("choices") or "")[:99]} for row in PLAIN]
        flat = [{**row, "choices": row["choices"].strip('"')} for row in flat]
        return pd.DataFrame(flat).to_csv(index=False, sep=",\t"[suffix == "tsv"]).encode()
    if suffix == "json":
        return json.dumps(whole).encode()
    return parquet(whole) if suffix == "parquet" else jsonl(PLAIN)


def described(folder: Path, questions: str, **more: Any) -> Path:
    """A folder with a description, which is JSON here, as YAML may be."""
    folder.mkdir(exist_ok=True)
    content = {"tasks": KINDS, "questions": questions, "columns": MAP} | more
    (folder / "benchmark.yaml").write_text(json.dumps(content), "utf-8")
    return folder


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_every_format_reads_the_same(tmp_path: Path, suffix: str) -> None:
    described(tmp_path, f"q.{suffix}")
    (tmp_path / f"q.{suffix}").write_bytes(written(suffix))
    assert list(vb.benchmark(tmp_path, videos_needed=False).questions) == READ


def test_a_data_frame_reads_the_same() -> None:
    frame = pd.DataFrame(PLAIN)
    found = vb.benchmark(frame, tasks=KINDS, columns=MAP, videos_needed=False)
    assert list(found.questions) == READ


def test_a_data_set_on_the_hub_may_have_other_columns(tmp_path: Path) -> None:
    described(tmp_path / "mine", "lab/mine")
    with hubs.serve({"datasets/lab/mine": {"test.csv": written("csv")}}) as hub:
        where = hub.environment(tmp_path / "home")
        how = ("--benchmark", str(tmp_path / "mine"), "--model", "baseline:oracle", "--no-video")
        done = vicabench("run", *how, "--out", str(tmp_path / "run"), environment=where)
    assert done.returncode == 0, done.stderr
    found = vb.load(tmp_path / "run")
    assert list(found.questions) == READ
    assert vb.score(found).overall.mean == 100


BAD = [
    ("", "it is empty"),
    ("- far", "expected keys and values, found a list"),
    ("tasks: [", "is not YAML"),
    ("name: x", "tasks must be a list"),
    ("tasks: {far: 5}", "the task far is an object with unit, kind ..., not 5"),
    ("tasks: {far: , far: }", "line 1: the key 'far' is there twice"),
    ("tasks: [&a {name: far}, *a]", "line 1 has an alias"),
    ("tasks: [{name: far, colour: red}]", "a task has no key 'colour'"),
    ("tasks: [{name: far, kind: no}]", "the kind of the task far must be a text"),
    ("tasks: [{name: far, kind: number}]", "must be numeric, choice, yes/no, free, not 'number'"),
    ("tasks: [{name: far, unit: m, kind: choice}]", "has a unit (m) but is choice"),
    ("tasks: [{name: far, types: near}]", "`types` of the task far must be a list"),
    ("tasks: [{name: far, metric: mra}]", "mra is for numeric; the task far is choice"),
    ("tasks: [{name: far, unit: m, metric: mae}]", "Name it under `beside`"),
    ("tasks: [{name: far, unit: m, metric: best}]", "there is no metric 'best'"),
    ("tasks: [{name: far, unit: m, metric: {name: mra, zero: any}}]", "zero rule of mra must be"),
    ("tasks: [far, far]", "the task 'far' is there twice"),
    ("colour: red", "there is no key 'colour'"),
    ("overall: best", "must be one of macro, micro, weighted, variants, not 'best'"),
    ("overall: {how: weighted, weights: {far: .nan}}", "needs weights above 0"),
    ("overall: {how: weighted, weights: {near: 1}}", "names near, which is not a task"),
    ("overall: {how: micro, groups: [[far]]}", "belong to a macro score"),
    ("overall: {groups: [[[far]]]}", "a task in a group of an overall score must be a text"),
    ("overall: {how: variants}", "`at_least`, from 1 on"),
    ("questions: ../q.jsonl", "are not a file in the folder of benchmark.yaml"),
    ("columns: {answer: a}", "columns names 'answer'. Our names are id, video"),
    ("index_from: 2", "index_from must be 0 or 1, not 2"),
    ("frames: {frames: true}", "frames must be a number, or an object"),
    ("frames: {fps: .nan}", "frames needs a number of frames, or fps, above 0"),
    ("errata: 5", "errata must be a list of texts"),
    ("wording: {templates: {numeric: how}}", "the template of numeric does not name {question}"),
    ("wording: {system: short}", "a wording has no key 'system'"),
    ("wording: {templates: {choice: '{question}'}}", "has no template for far (numeric)"),
    ("wording: {templates: {number: '{question}'}}", "for 'number', which is neither"),
]


@pytest.mark.parametrize(("text", "complaint"), BAD)
def test_a_bad_description_names_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    whole = text if not text or text.startswith(("tasks", "-", "name")) else f"{text}\n{FAR}"
    (tmp_path / "benchmark.yaml").write_text(whole, "utf-8")
    write_jsonl(tmp_path / "questions.jsonl", [])
    with pytest.raises(DataError) as error:
        vb.data.check(tmp_path)
    said = str(error.value)
    assert said.startswith(str(tmp_path / "benchmark.yaml"))
    assert complaint in said
    assert "\n" not in said


FAR = "tasks: [{name: far, unit: m}]"


def test_every_key_of_the_started_file_is_valid(tmp_path: Path) -> None:
    text = DESCRIPTION.format(name="mine")
    whole = re.sub(r"(?m)^# ( *[\w-]+[:/])", r"\1", text)
    assert len(re.findall("(?m)^(columns|index_from|wording|frames|errata):", whole)) == 5
    (tmp_path / "benchmark.yaml").write_text(whole, "utf-8")
    row = {"type": "is_there", "video": "v", "question": "?", "answer": "no"}
    write_jsonl(tmp_path / "questions.jsonl", [row])
    found = vb.benchmark(tmp_path, videos_needed=False).benchmark
    assert found.frame_rule is not None
    assert found.wording is not None
    assert (found.frame_rule.frames, found.errata[0][:4]) == (32, "2026")


def test_a_bad_description_or_row_ends_a_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "benchmark.yaml").write_text("tasks: [{name: far, colour: red}]", "utf-8")
    how = ("run", "--benchmark", ".", "--model", "baseline:random", "--no-video")
    refuses(warm.vicabench(tmp_path, *how), "benchmark.yaml: a task has no key 'colour'")
    described(tmp_path, "q.jsonl")
    row = {k: v for k, v in PLAIN[0].items() if k != "a"}
    write_jsonl(tmp_path / "q.jsonl", [PLAIN[1], row])
    missing = "q.jsonl, line 2: the key 'a', which `columns` names ground_truth, is missing"
    refuses(warm.vicabench(tmp_path, *how), missing)
    refuses(warm.vicabench(tmp_path, "init", "."), "is not empty: name a new folder")
