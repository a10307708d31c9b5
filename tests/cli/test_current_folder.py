"""No process that a command starts runs a module of the current folder."""

from pathlib import Path

import pytest

from tests.hostile import set_traps
from tests.support import Vicabench

ASK = ("--limit", "1", "--model", "baseline:random", "--devices", "cpu", "--out", "r")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--benchmark", "{clips}/questions.jsonl", *ASK),  # a process that answers
        ("doctor",),  # one that decodes, one that asks torch
        ("data", "rooms", "--scenes", "2", "--workers", "2", "--out", "r"),  # multiprocessing's
    ],
    ids=lambda arguments: arguments[0],
)
def test_modules_of_the_current_folder_are_not_run(
    vicabench: Vicabench, clips: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    set_traps(tmp_path, tmp_path / "sprung")
    done = vicabench(*(each.format(clips=clips) for each in arguments))
    assert not (tmp_path / "sprung").exists()
    assert done.returncode in (0, 1), done.stderr
