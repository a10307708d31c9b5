"""A video that crashes its decoder, or short memory, affects no other question."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests.faults.bench import Bench, quiet
from tests.processes import decoding_processes
from tests.support import install_adapter, read_jsonl, rows_about, write_jsonl
from tests.videos import write_clip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture
def filmed(bench: Bench) -> Bench:
    """Four clips: the second is a pipe on which decoders block, the third is cut off."""
    for v in (0, 3):
        write_clip(bench.folder / f"clip{v}.mp4", frames=12)
    os.mkfifo(bench.folder / "clip1.mp4")
    whole = (bench.folder / "clip0.mp4").read_bytes()
    (bench.folder / "clip2.mp4").write_bytes(whole[: len(whole) // 2])
    return replace(
        bench, questions=write_jsonl(bench.folder / "questions.jsonl", rows_about(4)), seeing=True
    )


def test_a_video_that_crashes_its_decoder_is_one_error(
    filmed: Bench,
) -> None:
    options = ("--frames", "4", "--decoder", "pyav", "--frame-cache", "frames", "--workers", "1")
    with filmed.start(*options) as process:
        with (filmed.folder / "clip1.mp4").open("wb"):  # once the decoder has opened it too
            (decoder,) = decoding_processes(process.pid)
            os.kill(decoder, signal.SIGSEGV)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "20 of 40 questions unanswered, counted as wrong" in out
    errors = filmed.errors()
    assert "signal 11, Segmentation fault" in str(errors["clip1"][0])
    assert str(errors["clip2"][0]).startswith("video: ")
    assert errors["clip0"] == errors["clip3"] == 10 * [None]

    (filmed.folder / "clip1.mp4").unlink()
    for v in (1, 2):
        write_clip(filmed.folder / f"clip{v}.mp4", frames=12 + v)
    for entry in (filmed.folder / "frames").iterdir():
        os.utime(entry, (4e9, 4e9))  # according to the cache, written in 2096
    done = filmed.run(*options, "--retry-errors", CLOCK="backwards")
    quiet(done)
    assert done.returncode == 0
    assert len(filmed.answers()) == 40


def test_a_group_too_large_for_memory_is_split_and_answered(bench: Bench, tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "tiny")
    write_clip(tmp_path / "clip0.mp4", frames=12, size=(32, 32))
    words = "long " * 60
    rows = [{**rows_about(1)[0], "id": f"q{n}", "question": f"{n} {words}"} for n in range(48)]
    questions = write_jsonl(tmp_path / "questions.jsonl", rows)
    code = (Path(__file__).parent / "short.py").read_text(encoding="utf-8")
    installed = replace(bench, environment=install_adapter(tmp_path / "s", "short", code, "Short"))
    done = installed.vicabench(
        "run", "--benchmark", str(questions), "--model", "short:tiny", "--frames", "2",
        "--device", "cpu", "--max-new-tokens", "2", "--out", "run",
    )  # fmt: skip
    quiet(done)
    assert done.returncode == 0, done.stderr
    assert "Memory is short for 48 questions at once: trying 24" in done.stderr
    assert len(installed.answers()) == len(read_jsonl(installed.file)) == 48
