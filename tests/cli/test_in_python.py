"""What a command does, its function in Python does: the same numbers, tables and files.

A command without a line in `CASES` fails.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner
from vica.tiny import write_tiny_checkpoint
from vica.video import read_frames

import vicabench as vb
from tests import chats
from tests import hub as hubs
from tests.benchmarks import toy
from tests.runs import write_run
from tests.support import Row, read_jsonl, rows_about, write_jsonl
from vicabench.cli.commands import Loaded, entries
from vicabench.cli.main import app
from vicabench.errors import UserError
from vicabench.reporting.comparison import comparison_csv
from vicabench.reporting.explained import explained_csv
from vicabench.rooms.build import build
from vicabench.screen import PIPE_WIDTH

# Describes, is asked about a video, and answers both ways, without a model.
MODEL = """
from vicabench.types import Agreement
from vicabench.types import Answer

class Echo:
    needs_video, accepts_options = True, ("max_new_tokens",)
    def __init__(self, context):
        self.settings = {"device": "cpu", "dtype": "float32", "attention": "sdpa"}
    def answer(self, video, questions):
        return [Answer(question_id=q.id, response=f"{video.name}: {q.text}") for q in questions]
    def about(self, video):
        return lambda texts: [Answer(question_id=t, response=t.upper()) for t in texts]
    def both_ways(self, video, questions):
        return [Agreement(question_id=q.id, shared="a", alone="a", difference=0.5)
                for q in questions]
"""
ECHO = "./echo.py:Echo"


class Place:
    """The current folder, with questions, videos, runs and adapters; `cli` types a command."""

    def __init__(self, folder: Path, clips: Path, server: chats.Chats) -> None:
        self.folder, self.server = folder, server
        self.api: dict[str, Any] = {"base_url": server.url, "retry_wait": 0.0}
        for file in clips.iterdir():
            shutil.copy(file, folder)
        (folder / "echo.py").write_text(MODEL, encoding="utf-8")
        for share, name in ((10, "lab/mine-10p"), (100, "lab/mine")):
            replied = [{**row, "response": self._reply(row, share)} for row in rows_about(6)]
            write_run(folder / "runs" / name, name, replied)

    def _reply(self, row: Row, share: int) -> str:
        return str(row["ground_truth"]) if len(row["id"]) * 7 % 100 < share else "final\n2"

    def cli(self, *words: str | Path, code: int = 0) -> str:
        """What a command prints on standard output."""
        wide = {"COLUMNS": str(PIPE_WIDTH)}
        done = CliRunner().invoke(app, [str(word) for word in words], env=wide)
        assert done.exit_code == code, (done.exception, done.output)
        return done.stdout

    def refusal(self, *words: str | Path) -> str:
        """The message of the UserError that a command ends with."""
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert isinstance(done.exception, UserError), done.output
        return str(done.exception)


RUNS = ("runs/lab/mine", "runs/lab/mine-10p")


def same_text(one: str, other: str) -> None:
    lines = [[line.rstrip() for line in text.strip().splitlines()] for text in (one, other)]
    assert lines[0] == lines[1]


def same_files(one: Path, other: Path, *, but: tuple[str, ...] = ()) -> None:
    """Two folders with the same files in them."""
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file() and p.name not in but)
    assert names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def same_answers(one: str, other: str) -> None:
    """Two run folders with the same predictions, but for the time they took."""
    found = [read_jsonl(Path(folder, "predictions.jsonl")) for folder in (one, other)]
    kept = [[row | {"seconds": None} for row in rows] for rows in found]
    assert sorted(kept[0], key=by_id) == sorted(kept[1], key=by_id)


def by_id(row: Row) -> str:
    return str(row["id"])


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        call()
    return str(error.value)


def with_hub(hub: hubs.Hub, *words: str) -> str:
    """What a command prints, in a process that has this hub."""
    done = toy.vicabench(*words, environment=hub.environment(Path("home").absolute()))
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_python(hub: hubs.Hub, code: str) -> str:
    """What a line of Python prints, in a process that has this hub."""
    command = [sys.executable, "-P", "-c", f"import vicabench as vb; {code}"]
    env = hub.environment(Path("home").absolute())
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def run(place: Place) -> None:
    how = ("--benchmark", "questions.jsonl", "--model", "baseline:frequency", "--no-video")
    printed = place.cli("run", *how, "--out", "a", "--format", "csv")
    found = vb.run("baseline:frequency", "questions.jsonl", out="b", no_video=True)
    same_answers("a", "b")
    same_text(printed, vb.score(found).table("csv"))
    (plan,) = json.loads(place.cli("run", *how, "--out", "a", "--dry-run", "--format", "json"))
    assert plan == vb.run_plan("baseline:frequency", "questions.jsonl", out="a").record()


def runs(place: Place) -> None:
    found = vb.runs("runs")
    assert json.loads(place.cli("runs", "--format", "json")) == found.records()
    assert list(found.frame()["path"]) == ["runs/lab/mine", "runs/lab/mine-10p"]
    assert repr(found) == "<2 runs in runs, 0 unfinished>"


def score(place: Place) -> None:
    for name in RUNS:
        same_text(place.cli("score", name), vb.score(name).table())


def ask(place: Place) -> None:
    how = ("--model", ECHO, "--frames", "2", "--json")
    printed = place.cli("ask", "clip0.mp4", "what?", "where?", *how)
    said = [json.loads(line)["response"] for line in printed.splitlines()]
    found = vb.ask("clip0.mp4", ["what?", "where?"], model=ECHO, frames=2)
    assert said == [answer.response for answer in found] == ["WHAT?", "WHERE?"]


def canonicalize(place: Place) -> None:
    where = ("--base-url", place.server.url, "--retry-wait", "0", "--out", "a")
    place.cli("canonicalize", RUNS[1], "--model", "openai:reader", *where, code=1)
    found = vb.canonicalize(Path(RUNS[1]), "openai:reader", out="b", **place.api)
    assert found.path == Path("b")
    same_answers("a", "b")


def describe(place: Place) -> None:
    how = ("--benchmark", "questions.jsonl", "--frames", "2", "--limit", "2")
    place.cli("describe", *how, "--model", ECHO, "--out", "a")
    found = vb.describe(ECHO, "questions.jsonl", frames=2, limit=2, out="b")
    assert len(found.predictions) == 2
    same_answers("a", "b")


def maps(place: Place) -> None:
    text = "which of these objects (bed, sofa) is the closest to the lamp?"
    asked = [
        {**row, "question": text, "question_type": "object_rel_distance"}
        for row in rows_about(2)
        if row["options"]
    ]
    write_jsonl(place.folder / "distances.jsonl", asked)
    how = ("--benchmark", "distances.jsonl", "--frames", "2")
    printed = place.cli("maps", *how, "--model", ECHO, "--out", "a")
    found = vb.maps(ECHO, "distances.jsonl", frames=2, out="b")
    assert [each.unread for each in found.drawn] == ["not JSON"] * 2
    same_answers("a", "b")
    same_text(printed, found.text())


def judge(place: Place) -> None:
    vb.describe(ECHO, "questions.jsonl", frames=2, limit=2, out="d")
    where = ("--base-url", place.server.url, "--retry-wait", "0", "--format", "svg")
    place.cli("judge", "d", "--model", "openai:reader", *where, "--out", "a")
    found = vb.judge(["d"], "openai:reader", out="b", formats="svg", **place.api)
    same_files(Path("a"), Path("b"), but=("judged.json",))
    assert list(found.frame().informativeness) == [5.0, 5.0]


def verify(place: Place) -> None:
    how = ("--benchmark", "questions.jsonl", "--limit", "2", "--frames", "2")
    printed = place.cli("verify", "--model", ECHO, *how, "--json")
    found = vb.verify(ECHO, "questions.jsonl", limit=2, frames=2)
    assert json.loads(printed) == found.to_dict()
    assert found.good
    same_text(place.cli("verify", "--model", ECHO, *how), found.text())


def merge(place: Place) -> None:
    for shard in ("1/2", "2/2"):
        vb.run("baseline:random", "questions.jsonl", out="r", no_video=True, shard=shard)
    parts = ("r-shard-1-of-2", "r-shard-2-of-2")
    place.cli("merge", *parts, "--out", "a")
    assert vb.merge(parts, "b").answers == len(read_jsonl(Path("questions.jsonl")))
    same_answers("a", "b")


def import_(place: Place) -> None:
    rows = [{**row, "said": row.pop("response")} for row in read_jsonl(Path(RUNS[0], FILE))]
    write_jsonl(Path("other.jsonl"), rows)
    how = ("--column", "response=said", "--model", "m")
    place.cli("import", "jsonl", "other.jsonl", *how, "--out", "a")
    found = vb.import_results("jsonl", "other.jsonl", "b", model="m", columns=["response=said"])
    same_answers("a", "b")
    assert not found.problems


FILE = "predictions.jsonl"


def compare(place: Place) -> None:
    found = vb.compare(*RUNS)
    printed = place.cli("compare", *RUNS, "--format", "csv")
    same_text(printed, comparison_csv([found.result]))


def rank(place: Place) -> None:
    assert place.cli("rank", *RUNS) == vb.rank(RUNS).table()


def leaderboard(place: Place) -> None:
    printed = place.cli("leaderboard", *RUNS, "--out", "a.html")
    assert not printed
    typed = shlex.join(["vicabench", *sys.argv[1:]])
    assert Path("a.html").read_text(encoding="utf-8") == vb.leaderboard(
        RUNS, out="b.html", command=typed
    )


def publish(place: Place) -> None:
    place.cli("publish", RUNS[0], "--to", "a")
    vb.publish(RUNS[0], "b")
    same_files(Path("a"), Path("b"))


def power(place: Place) -> None:
    found = vb.power(*RUNS[:2], simulations=20)
    assert place.cli("power", *RUNS[:2], "--simulations", "20") == found.table()


def explain(place: Place) -> None:
    found = vb.explain(*RUNS, protocol=["official", "vlmevalkit"])
    words = ("--protocol", "official,vlmevalkit", "--format", "csv", "--out", "e.csv")
    same_text(place.cli("explain", *RUNS, *words), explained_csv(found.result))
    found.save("f.csv")
    assert Path("e.csv").read_bytes() == Path("f.csv").read_bytes()
    assert list(found.frame().score)[:2] == ["average", "object_counting"]


def published(place: Place) -> None:
    for kind in ("scores", "curves", "thinking", "zoo"):
        more = () if kind == "scores" else (f"--{kind}",)
        printed = place.cli("published", *more, "--format", "csv")
        same_text(printed, vb.published(kind).table("csv"))
        assert len(pd.read_csv(io.StringIO(printed))) == len(vb.published(kind).frame())
    same_text(place.cli("published"), vb.published().table())


def figures(place: Place) -> None:
    how = ("--kind", "tasks,averages", "--format", "svg")
    place.cli("figures", *RUNS, *how, "--out", "a")
    assert len(vb.figures(RUNS, out="b", kinds=["tasks", "averages"], formats="svg")) == 2
    same_files(Path("a"), Path("b"))


def scaling_curve(place: Place) -> None:
    svg = ("--format", "svg")
    printed = place.cli("scaling-curve", "--runs", "runs", *svg, "--out", "a")
    found = vb.scaling_curve(runs="runs", formats=["svg"], out="b")
    same_files(Path("a"), Path("b"))
    same_text(printed, found.summary())
    assert set(found.frame().percent) == {10.0, 100.0}
    place.cli("scaling-curve", "--published-only", "--series", "ViCA2-7B", *svg, "--out", "c")
    vb.published_curves("d", series="ViCA2-7B", formats="svg")
    same_files(Path("c"), Path("d"))


def report(place: Place) -> None:
    printed = place.cli("report", *RUNS, "--format", "markdown", "--compare", RUNS[0])
    typed = shlex.join(["vicabench", *sys.argv[1:]])
    found = vb.report(RUNS, style="markdown", compare=RUNS[0], command=typed)
    same_text(printed, found)
    place.cli("report", *RUNS, "--frames", "0")
    pages = [Path("report.html").read_text("utf-8"), vb.report(RUNS, frames=0, command=typed)]
    same_text(*(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "now", page) for page in pages))


def demo(place: Place) -> None:
    Path("taken").write_text("", encoding="utf-8")  # all of it takes minutes: tests/cli/test_demo
    assert place.refusal("demo", "--out", "taken") == refused(lambda: vb.demo("taken"))


def doctor(place: Place) -> None:
    printed = json.loads(place.cli("doctor", "--json"))
    found = vb.examine_machine()
    assert printed["healthy"] == found.healthy
    assert [each["name"] for each in printed["findings"]] == list(found.frame().name)


def train(place: Place) -> None:
    printed = place.cli("train", "vica2-stage3", "--dry-run", "--pack", "4")
    plan = vb.training_plan("vica2-stage3", settings={"batch.pack": 4})
    same_text(printed, plan.table())
    listed = place.cli("train", "--list")
    assert all(name in listed for name in vb.recipes().recipe)
    asked = ("train", "vica2-rooms", "--out", "t")  # what trains is tested in tests/vica
    assert place.refusal(*asked) == refused(lambda: vb.train("vica2-rooms"))


def data_fetch(place: Place) -> None:
    with hubs.serve({f"datasets/{toy.REPO}": toy.repository(place.folder)}) as hub:
        with_hub(hub, "data", "fetch", "vsi-bench", "--data", "a", "--repo", toy.REPO)
        in_python(hub, f"vb.data.fetch('vsi-bench', data='b', repo={toy.REPO!r})")
    assert len(list(Path("b").rglob("*.mp4"))) > 1
    same_files(Path("a"), Path("b"), but=("fetched.json",))


def data_unpack(place: Place) -> None:
    for folder in ("a", "b"):
        toy.write(Path(folder), toy.repository(place.folder))
    place.cli("data", "unpack", "vsi-bench", "--data", "a", "--repo", toy.REPO)
    assert len(vb.data.unpack(data="b", repo=toy.REPO).videos) == len(toy.rows())
    same_files(Path("a"), Path("b"), but=("fetched.json",))


def audit(place: Place) -> None:
    how = ("audit", "questions.jsonl", "--trees", "2", "--folds", "2", "--prune", "50")
    printed = place.cli(*how, "--out", "a")
    made = vb.audit("questions.jsonl", trees=2, folds=2, prune_to=50, progress=False)
    same_text(printed, made.table())
    made.save("b")
    assert len(made.frame()) == len(made.kept) == 60  # six of each type, of which ten stay
    assert made.figure().get_axes()
    printed = place.cli("audit", *RUNS, "--labels", "--out", "a")
    doubted = vb.audit_labels(RUNS)
    same_text(printed, doubted.table())
    doubted.save("b")
    write_jsonl(
        Path("t.jsonl"),
        [
            {
                "id": 1,
                "conversations": [
                    {"from": "human", "value": "What about route_planning?"},
                    {"from": "gpt", "value": "A"},
                ],
            }
        ],
    )
    printed = place.cli("audit", "questions.jsonl", "--against", "t.jsonl", "--out", "a")
    leaks = vb.audit_against("questions.jsonl", ["t.jsonl"], progress=False)
    same_text(printed, leaks.table())
    leaks.save("b")
    same_files(Path("a"), Path("b"))
    said = place.refusal("audit", "questions.jsonl", "--batch", "2")
    assert said == refused(lambda: vb.audit("questions.jsonl", batch=2))


def data_rooms(place: Place) -> None:
    build(Path("a"), scenes=1, seed=0, width=64, height=48, fps=1, workers=1)
    said = place.refusal("data", "rooms", "--out", "a")  # films are tested in tests/rooms
    assert said == refused(lambda: vb.data.rooms("a"))
    assert "a holds" in said


def data_training_rooms(place: Place) -> None:
    place.cli("data", "training-rooms", "--scenes", "1", "--grey", "--out", "a")
    vb.data.training_rooms("b", scenes=1, grey=True)
    same_files(Path("a"), Path("b"))


def data_list(place: Place) -> None:
    printed = place.cli("data", "list")
    assert all(name in printed for name in vb.data.inventory().name)


def data_check(place: Place) -> None:
    assert "questions.jsonl: 60 questions about 6 videos, no problems." in place.cli(
        "data", "check", "questions.jsonl"
    )
    write_jsonl(Path("bad.jsonl"), [{"id": 1}])
    printed = place.cli("data", "check", "bad.jsonl", code=1)
    assert printed.startswith(f"{vb.data.check('bad.jsonl').problems[0]}\n")


def data_answerable(place: Place) -> None:
    build(Path("r"), scenes=1, seed=0, fps=1, workers=1, films=False)
    place.cli("data", "answerable", "r", "--out", "a.jsonl")
    assert vb.data.answerable("r", out="b.jsonl") == Path("b.jsonl")
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()
    said = place.refusal("data", "answerable", "runs", "--out", "c.jsonl")
    assert said == refused(lambda: vb.data.answerable("runs", out="c.jsonl"))


def data_dummy(place: Place) -> None:
    clip = next(Path().glob("*.mp4")).name
    row = {"id": 1, "video": clip, "question_type": "object_counting", "ground_truth": 2}
    write_jsonl(Path("counts.jsonl"), [row | {"question": "How many?"}])
    total = read_frames(clip, 1).total
    write_jsonl(Path("seen.jsonl"), [{"id": 1, "frames": total, "seen": {"a": [0]}}])
    how = ("data", "dummy", "counts.jsonl", "--seen", "seen.jsonl", "--frames", "2", "--out")
    place.cli(*how, "d1")
    made = vb.data.dummy("counts.jsonl", "seen.jsonl", out="d2", frames=2)
    same_files(Path("d1"), made.folder)
    said = place.refusal(*how, "d1")
    assert said == refused(lambda: vb.data.dummy("counts.jsonl", "seen.jsonl", out="d1", frames=2))


def init(place: Place) -> None:
    place.cli("init", "a")
    assert vb.init("b") == Path("b")
    same_files(Path("a"), Path("b"), but=("benchmark.yaml", "README.md"))  # which have its name
    assert place.refusal("init", "a") == refused(lambda: vb.init("a"))


def models_list(place: Place) -> None:
    printed = place.cli("models", "list")
    assert all(name in printed for name in vb.models.inventory().checkpoint)


def models_fetch(place: Place) -> None:
    tiny = write_tiny_checkpoint(place.folder / "tiny")
    files = {file.name: file.read_bytes() for file in tiny.iterdir()}
    with hubs.serve({"models/lab/tiny": files}) as hub:
        printed = with_hub(hub, "models", "fetch", "lab/tiny")
        fetched = in_python(hub, "print(vb.models.fetch('lab/tiny'))").strip()
    assert f"is in {fetched}." in printed
    same_files(tiny, Path(fetched))


def models_show(place: Place) -> None:
    same_text(place.cli("models", "show", "tiny"), vb.models.show("tiny"))


def models_init(place: Place) -> None:
    place.cli("models", "init", "--out", "a", "--seed", "3")
    assert vb.models.init("b", seed=3) == Path("b")
    same_files(Path("a"), Path("b"))


CASES: dict[str, Callable[[Place], None]] = {
    "run": run,
    "runs": runs,
    "score": score,
    "ask": ask,
    "canonicalize": canonicalize,
    "describe": describe,
    "maps": maps,
    "judge": judge,
    "verify": verify,
    "merge": merge,
    "import": import_,
    "compare": compare,
    "leaderboard": leaderboard,
    "power": power,
    "publish": publish,
    "rank": rank,
    "explain": explain,
    "audit": audit,
    "published": published,
    "figures": figures,
    "scaling-curve": scaling_curve,
    "report": report,
    "demo": demo,
    "doctor": doctor,
    "train": train,
    "data fetch": data_fetch,
    "data unpack": data_unpack,
    "data rooms": data_rooms,
    "data training-rooms": data_training_rooms,
    "data list": data_list,
    "data check": data_check,
    "data answerable": data_answerable,
    "data dummy": data_dummy,
    "init": init,
    "models list": models_list,
    "models fetch": models_fetch,
    "models show": models_show,
    "models init": models_init,
}


def commands() -> Iterator[str]:
    """Every command, those of groups by both words."""
    for entry in entries():
        within = getattr(Loaded()[entry.name], "commands", {})
        yield from (f"{entry.name} {name}" for name in within) if within else [entry.name]


def reply(prompt: str) -> str:
    if "informativeness" in prompt:
        return '{"informativeness": 5, "fluency": 4, "spatial_relevance": 1}'
    return "2"


@pytest.fixture(scope="module")
def server() -> Iterator[chats.Chats]:
    with chats.serve(reply) as found:
        yield found


@pytest.mark.parametrize("name", [*commands()])
def test_a_command_does_what_its_function_does(
    name: str,
    tmp_path: Path,
    clips: Path,
    server: chats.Chats,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICABENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    CASES[name](Place(tmp_path, clips, server))
