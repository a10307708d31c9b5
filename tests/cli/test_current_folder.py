"""No process that a command starts runs a module of the current folder."""

import json
from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests.hostile import set_traps
from tests.support import Vicabench

QUESTIONS = "{clips}/questions.jsonl"
TRAIN = ("--data", "data.json", "--media", ".", "--set", "base=base", "--devices", "2")
TRAIN += ("--set", "hardware.device=cpu", "--set", "hardware.precision=fp32", "--out", "out")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--benchmark", QUESTIONS, "--limit", "1", "--model", "vica2-rooms")
        + ("--devices", "cpu", "--max-new-tokens", "1", "--out", "r"),
        ("doctor",),
        ("data", "rooms", "--scenes", "2", "--workers", "2", "--out", "r"),
        ("train", "vica2-stage3", *TRAIN),
    ],
    ids=lambda arguments: arguments[0],
)
def test_modules_of_the_current_folder_are_not_run(
    vicabench: Vicabench, clips: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    sprung = tmp_path / "sprung"
    if arguments[0] == "train":
        write_tiny_checkpoint(tmp_path / "base")
        turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "4"}]
        records = [{"conversations": turns}] * 4
        (tmp_path / "data.json").write_text(json.dumps(records), encoding="utf-8")
    set_traps(tmp_path, sprung)
    done = vicabench(*(each.format(clips=clips) for each in arguments))
    assert not sprung.exists(), sprung.read_text()
    assert done.returncode in (0, 1), done.stderr
