"""Final answers are read by a language model that never sees the truth, into a derived run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import chats
from tests.runs import write_run
from tests.support import Row, Vicabench, read_jsonl, refuses, rows_about, write_jsonl
from vicabench.curves.series import placed
from vicabench.metrics import NUMERIC
from vicabench.results.run import load_run
from vicabench.rubric import VSI

READ = {"about two": "2", "in all 150 centimetres": "1.5", "the one on the left": "A. left"}
SECRET = 7358.125  # a truth that stands in no question, no reply and no option
TOLD = "derived: final answers made numbers and letters by reader, prompt 2"


class Derived(NamedTuple):
    folder: Path  # holds `run` and `run-canonical`
    bodies: list[bytes]
    said: str


def thinking(final: str) -> str:
    return f"think\nI saw much.\nresponse\nWell.\nfinal\n\\[\\boxed{{\\text{{{final}}}}}\\]"


def rows_replied(truth: object = SECRET, letter: str = "B") -> list[Row]:
    """Three videos: thought replies, one that never ends, one that failed, one without answer."""
    rows = rows_about(3)
    for row in rows:
        numeric = VSI.of_type[row["question_type"]].kind == NUMERIC
        row["response"] = thinking("about two" if numeric else "the one on the left")
        row["ground_truth"] = truth if numeric else letter
    rows[0]["response"] = thinking("in all 150 centimetres")
    rows[1] |= {"response": "think\nI saw", "stop": "length"}
    rows[2] |= {"response": None, "error": "video: torn"}
    rows[3]["response"] = thinking("the video shows no chair")
    return rows


def reader(prompt: str) -> str:
    return next((answer for final, answer in READ.items() if final in prompt), "NULL")


def canonicalize(
    folder: Path, server: chats.Chats, *more: str, run: str = "run", cache: str = "cache"
) -> str:
    """Run the command in a folder; what it says. One question had no answer: exit code 1."""
    model = ("--model", "openai:reader", "--base-url", server.url, "--retry-wait", "0")
    done = subprocess.run(
        [sys.executable, "-m", "vicabench", "canonicalize", run, *model, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "VICABENCH_CACHE": cache},
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def answers(folder: Path) -> dict[str, Row]:
    return {row["id"]: row for row in read_jsonl(folder / "predictions.jsonl")}


def printed(vicabench: Vicabench, *arguments: str | Path) -> str:
    """What a command prints, without the breaks of its lines."""
    done = vicabench(*arguments)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.replace("\\", "").split())


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Derived:
    folder = tmp_path_factory.mktemp("derived")
    write_run(folder / "run", "lab/thinking-15p", rows_replied())
    with chats.serve(reader) as server:
        said = canonicalize(folder, server)
        return Derived(folder, server.bodies, said)


def test_each_of_several_replies_is_canonicalized(tmp_path: Path) -> None:
    asked, finals = rows_replied()[4:6], ["the one on the left", "neither", "the one on the left"]
    rows = [
        {**row, "repeat": n, "response": thinking(final)}
        for row in asked
        for n, final in enumerate(finals)
    ]
    write_jsonl(tmp_path / "run.jsonl", [*rows, {**rows_replied()[2], "id": "gone"}])
    with chats.serve(reader) as server:
        for _ in range(2):  # the second time, nothing is left to do
            canonicalize(tmp_path, server, run="run.jsonl")
    found = read_jsonl(tmp_path / "run-canonical" / "predictions.jsonl")
    assert len(found) == 7
    read = {(row["id"], row.get("repeat", 0)): row["response"] for row in found}
    expected = {
        (row["id"], n): answer for row in asked for n, answer in enumerate(["A", "NULL", "A"])
    }
    assert read == {**expected, ("gone", 0): None}
    assert load_run(tmp_path / "run-canonical").incomplete is None


def test_final_answers_are_canonicalized_in_a_separate_run(derived: Derived) -> None:
    assert (
        "27 were turned into a number or a letter, 1 hold no answer (NULL), 1 have no final"
        in derived.said
    )
    found = answers(derived.folder / "run-canonical")
    replies = [found[key]["response"] for key in ("0-0", "0-1", "0-2", "0-3", "0-4")]
    assert replies == ["1.5", "", None, "NULL", "A"]
    assert found["0-2"]["error"] == "video: torn"
    assert found["0-4"]["parts"] == {
        "thoughts": "I saw much.",
        "final": "\\[\\boxed{\\text{the one on the left}}\\]",
        "canonicalizer": "A. left",
    }
    before, after = (
        json.loads((derived.folder / name / "config.json").read_text(encoding="utf-8"))
        for name in ("run", "run-canonical")
    )
    made_by = after["config"]["adapter"]
    assert after["config"]["model"] == "lab/thinking-15p"
    assert made_by["canonicalized_from"]["config_digest"] == before["digest"]
    assert made_by["canonicalizer"]["model"] == "reader"
    assert len(made_by["canonicalizer_prompt"]["sha256"]) == 64
    series = placed([load_run(derived.folder / name) for name in ("run", "run-canonical")])
    assert {name: list(by) for name, by in series.items()} == {
        "thinking": [15],
        "thinking (canonicalized)": [15],
    }


def test_the_truth_is_never_sent(derived: Derived, tmp_path: Path) -> None:
    sent = b"".join(derived.bodies).decode()
    assert "What about object_counting?" in sent
    assert str(SECRET) not in sent
    # Letters are in every prompt: with other truths the same must be sent, byte for byte.
    write_run(tmp_path / "run", "lab/thinking-15p", rows_replied(truth=3, letter="C"))
    with chats.serve(reader) as server:
        canonicalize(tmp_path, server)
    assert sorted(server.bodies) == sorted(derived.bodies)


def test_score_compare_and_report_mark_derived_runs(vicabench: Vicabench, derived: Derived) -> None:
    run, made = derived.folder / "run", derived.folder / "run-canonical"
    scored = printed(vicabench, "score", run, made)
    assert "lab/thinking-15p (canonicalized)" in scored
    assert TOLD in scored
    assert TOLD in printed(vicabench, "compare", run, made)
    assert TOLD in printed(vicabench, "report", made, "--format", "markdown")
    refuses(vicabench("canonicalize", made, "--model", "openai:reader"), "already")


@pytest.mark.parametrize(("setting", "mark"), [("blind", "blind"), ("text_only", "text only")])
def test_a_derived_run_keeps_the_mark_of_what_was_not_seen(
    vicabench: Vicabench, tmp_path: Path, setting: str, mark: str
) -> None:
    write_run(tmp_path / "run", "lab/thinking-15p", rows_replied(), adapter={setting: True})
    with chats.serve(reader) as server:
        canonicalize(tmp_path, server)
    scored = printed(vicabench, "score", "run-canonical")
    assert f"lab/thinking-15p ({mark}) (canonicalized)" in scored


def test_replies_are_cached_and_failures_can_be_retried(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    def confused(prompt: str) -> str | int:
        if "150 centimetres" in prompt:
            return "It is 150 centimetres, I think."
        return 400 if "no chair" in prompt else reader(prompt)

    write_run(tmp_path / "run", "lab/thinking-15p", rows_replied())
    with chats.serve(confused) as server:
        said = canonicalize(tmp_path, server, "--max-requests", "3")
        assert len(server.prompts) == 3
        assert "3 requests sent" in said
        said = canonicalize(tmp_path, server, "--retry-errors")
        asked = len(server.prompts)
        assert f"{asked - 3} requests sent, 0 of them again; 1 call failed" in said
        assert "2 are errors:" in said
        canonicalize(tmp_path, server, "--out", "twin")  # all but the failure is in the cache
        assert len(server.prompts) == asked + 1
        server.reply = reader
        canonicalize(tmp_path, server)  # all is there, failures too
        assert len(server.prompts) == asked + 1
        canonicalize(tmp_path, server, "--retry-errors", "--out", "twin")
        assert len(server.prompts) == asked + 3
    found = answers(tmp_path / "run-canonical")
    assert "neither a number nor NULL" in found["0-0"]["error"]
    assert found["0-0"]["parts"]["canonicalizer"] == "It is 150 centimetres, I think."
    assert found["0-3"]["error"].startswith("canonicalizer: http: 400")
    scored = printed(vicabench, "score", "run-canonical")
    assert "2 of the unanswered are failures of reader" in scored
    assert answers(tmp_path / "twin")["0-0"]["response"] == "1.5"


def test_links_and_pipes_in_the_cache_of_replies_are_refused(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_run(tmp_path / "run", "lab/thinking-15p", rows_replied())
    with chats.serve(reader) as server:
        model = ("--model", "openai:reader", "--base-url", server.url)
        canonicalize(tmp_path, server)
        kept = sorted((tmp_path / "cache").rglob("*.json"))
        for number, file in enumerate(kept):
            file.rename(tmp_path / f"mine{number}")
            file.symlink_to(tmp_path / f"mine{number}")
        mine = {path: path.read_bytes() for path in tmp_path.glob("mine*")}
        for kind in ("link", "pipe"):
            asked = len(server.prompts)
            shutil.rmtree(tmp_path / "run-canonical")
            refuses(
                vicabench("canonicalize", "run", *model, VICABENCH_CACHE="cache"),
                f"it is a {kind}",
            )
            assert len(server.prompts) > asked
            for file in kept:
                file.unlink(missing_ok=True)
                os.mkfifo(file)
    assert mine == {path: path.read_bytes() for path in tmp_path.glob("mine*")}


def test_contradictory_options_are_explained(vicabench: Vicabench, derived: Derived) -> None:
    command = ("canonicalize", derived.folder / "run", "--base-url", "http://127.0.0.1:9/v1")
    other = vicabench(*command, "--model", "openai:another")
    refuses(other, "adapter.canonicalizer", "--out")
    refuses(vicabench(*command, "--model", "hf:./none"), "--base-url", "leave it out")
