"""No name, wherever it comes from, commands the terminal that it is shown in."""

from pathlib import Path

import pytest

from tests import hub as hubs
from tests.support import Vicabench, rows_about, write_jsonl

TITLE = "\x1b]0;owned\x07\x1b[31m\x9b2J"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--model", f"nothing{TITLE}", "--benchmark", "q.jsonl", "--out", "r"),
        (
            "run",
            "--model",
            "baseline:random",
            "--benchmark",
            f"{TITLE}.jsonl",
            "--out",
            f"r{TITLE}",
        ),
        ("run", "--model", "baseline:random", "--benchmark", "q.jsonl", "--frames", TITLE),
        ("run", f"--{TITLE}"),
        (TITLE,),
        ("score", f"p{TITLE}.jsonl"),
        ("score", f"p{TITLE}.jsonl", "--format", "csv"),
        ("data", "rooms", "--scenes", "1", "--out", f"rooms{TITLE}"),
        ("doctor", TITLE),
    ],
)
def test_names_that_are_typed_or_found_are_shown_harmless(
    vicabench: Vicabench, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    rows = [{**row, "video": f"clip{TITLE}"} for row in rows_about(1)]
    write_jsonl(tmp_path / f"{TITLE}.jsonl", rows)
    write_jsonl(tmp_path / f"p{TITLE}.jsonl", [{**row, "response": "2"} for row in rows])
    done = vicabench(*arguments, FORCE_COLOR="1")
    said = done.stdout + done.stderr
    assert said
    assert not {"\x07", "\x9b"} & set(said)
    assert "\x1b]" not in said


def test_hub_names_are_shown_without_control_characters(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    name = "model\x1b]0;owned\x07.safetensors"
    files = {"config.json": b"{}", name: b"weights"}
    with hubs.serve({"models/lab/evil": files}) as hub:
        hub.corrupt = {name}
        done = vicabench("models", "fetch", "lab/evil", **hub.environment(tmp_path))
    assert "model?]0;owned?.safetensors" in done.stderr
    assert "\x1b" not in done.stderr
