"""A damaged run folder is never misread, and never damaged further."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.bench import QUESTIONS, Bench, quiet
from tests.support import refuses
from vicabench.results.store import RunConfig, RunFolder, read_config


@pytest.fixture
def half(undisturbed: Bench, bench: Bench) -> Bench:
    """The first half of the run."""
    if not (undisturbed.folder / "half").exists():
        assert undisturbed.run("--limit", "8", "--out", "half").returncode == 0
    shutil.copytree(undisturbed.folder / "half", bench.folder / "run")
    return bench


def test_a_file_cut_at_any_byte_loses_only_its_last_line(half: Bench) -> None:
    config = read_config(half.folder / "run")
    assert config is not None
    *_, last = lines = half.written.splitlines(keepends=True)
    for size in range(len(last)):
        half.file.write_bytes(b"".join(lines[:-1]) + last[:size])
        with RunFolder(half.folder / "run", RunConfig(**config["config"])) as folder:
            whole = size == len(last) - 1  # all but its newline
            assert len(folder.predictions()) == len(lines) - (not whole)
        assert half.written == b"".join(lines if whole else lines[:-1])
    copies = (half.folder / "run" / "predictions.torn").read_bytes()
    assert copies.splitlines() == [last[:size] for size in range(1, len(last) - 1)]


def test_a_last_line_lost_to_a_power_cut_is_asked_again(half: Bench) -> None:
    half.file.write_bytes(half.whole_lines() + bytes(4096))
    done = half.run()
    assert done.returncode == 0
    assert "a torn last line of 4,096 bytes was cut off" in done.stderr
    assert (half.folder / "run" / "predictions.torn").read_bytes() == bytes(4096) + b"\n"
    assert half.written == half.whole


def in_line(number: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        lines[number - 1] = change(lines[number - 1])
        return b"".join(lines)

    return damage


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        config = json.loads(content)
        change(config)
        return json.dumps(config).encode()

    return damage


P, C = "predictions.jsonl", "config.json"
DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a line twice": (
        P,
        in_line(5, lambda line: line + line),
        "line 6: id 0-4 was already answered",
    ),
    "garbage": (P, in_line(5, lambda line: os.urandom(64).replace(b"\n", b"?") + line), "line 5"),
    "zeros": (P, in_line(5, lambda line: bytes(len(line) - 1) + b"\n"), "line 5 is not JSON"),
    "half a line": (P, in_line(5, lambda line: line[:60] + b"\n"), "line 5 is not JSON"),
    "not Unicode": (P, in_line(5, lambda line: line.replace(b"What", b"\xff")), "line 5"),
    "a stranger": (P, in_line(5, lambda line: line.replace(b"0-4", b"x-4")), "1 question that"),
    "a bottomless line": (P, in_line(5, lambda _: b"[" * 100_000 + b"\n"), "line 5"),
    "a broken line and a torn one": (
        P,
        lambda content: in_line(4, lambda line: line[9:])(content) + b'{"id": "8-',
        "line 4 is not JSON",
    ),
    "an old Mac's line ends": (
        P,
        lambda content: content.replace(b"\n", b"\r"),
        "line 1 is not JSON",
    ),
    "another digest": (C, edited(lambda c: c.update(digest="0" * 64)), "damaged or edited?"),
    "another seed": (C, edited(lambda c: c["config"].update(seed=1)), "damaged or edited?"),
    "a shorter plan": (C, edited(lambda c: shorten(c["plan"])), "damaged or edited?"),
    "half a config": (C, lambda content: content[: len(content) // 2], "damaged or edited?"),
    "an empty config": (C, lambda _: b"", "damaged or edited?"),
}


def shorten(plan: object) -> None:
    """Remove a video from the plan consistently, so that the run seems to be finished."""
    assert isinstance(plan, dict)
    plan["questions"] -= len(plan["videos"].popitem()[1])


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_reported_and_not_changed(half: Bench, name: str) -> None:
    which, damage, words = DAMAGES[name]
    file = half.folder / "run" / which
    file.write_bytes(damage(file.read_bytes()))
    damaged = file.read_bytes()
    done = half.run()
    quiet(done)
    refuses(done, words)
    assert file.read_bytes() == damaged
    if name != "a stranger":  # an answer to a question of another run
        refuses(half.vicabench("score", "run"), words)


def test_two_runs_do_not_write_to_one_folder(bench: Bench) -> None:
    with bench.start(PAUSE="0.3") as first:
        while not bench.written:
            assert first.poll() is None
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGSTOP)
        refuses(bench.run(), "Another process", "--out")
        (bench.folder / "run" / ".lock").unlink()
        refuses(bench.run(), "Another process", "--out")
        os.kill(first.pid, signal.SIGCONT)
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert bench.written == bench.whole


def test_a_folder_moved_during_a_run_keeps_its_answers(bench: Bench) -> None:
    moved = bench.folder / "moved"
    with bench.start(faults={"clip4": "takes a second"}) as process:
        while not (bench.folder / "taking").exists():
            assert process.poll() is None
            time.sleep(0.005)
        (bench.folder / "run").rename(moved)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "was moved or deleted while it was written" in err
    assert str(moved) in err
    assert not (bench.folder / "run").exists()
    there = (moved / P).read_bytes()
    assert bench.whole.startswith(there)
    assert there.count(b"\n") >= 50  # with the answers of the interrupted video
    moved.rename(bench.folder / "run")
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


def test_two_runs_do_not_mix_without_working_locks(bench: Bench) -> None:
    refuses(bench.run(FLOCK="void"), "Locks have no effect")
    assert not bench.written
    (bench.folder / "run" / ".lock").unlink()
    with bench.start(PAUSE="0.3", FLOCK="missing") as first:
        while not bench.written:
            assert first.poll() is None
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGSTOP)
        refuses(bench.run(FLOCK="missing"), "Another process", "--out")
        os.kill(first.pid, signal.SIGCONT)
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert bench.written == bench.whole


RESULTS = (P, C, ".lock", "predictions.torn")
NAMES = ("timing.jsonl", "errors.log", "config.json.partial", *RESULTS)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_in_a_run_folder_are_not_followed(half: Bench, kind: str) -> None:
    victim = half.folder / "victim"
    config = read_config(half.folder / "run")
    assert config is not None
    for name in NAMES if kind == "link" else (P, C, "timing.jsonl"):
        place = half.folder / "run" / name
        content = place.read_bytes() if place.exists() else b""
        place.unlink(missing_ok=True)
        victim.write_bytes(content + b'{"id')  # torn, so that it would be cut
        if kind == "link":
            place.symlink_to(victim)
        else:
            os.mkfifo(place)
        if name == "predictions.torn":
            half.file.write_bytes(half.written + b'{"id')
        done = half.run("--limit", "9", "--retry-errors", faults={"clip8": "nothing"})
        quiet(done)
        assert victim.read_bytes() == content + b'{"id', name
        assert done.returncode == (2 if name in RESULTS else 1), done.stderr
        if name != "config.json.partial":  # is replaced
            assert name in done.stderr or "cannot be written" in done.stderr
        if name in (P, C):
            refuses(half.vicabench("score", "run"), name)
        place.unlink(missing_ok=True)
        place.write_bytes(content)


def test_wrong_clocks_and_file_times_do_not_matter(bench: Bench) -> None:
    assert bench.run("--limit", "8", CLOCK="backwards").returncode == 0
    for file in (bench.folder / "run").iterdir():
        os.utime(file, (4e9, 4e9))  # in 2096
    config = bench.folder / "run" / C
    late = json.loads(config.read_text(encoding="utf-8"))
    late["starts"][0]["started"] = "2100-01-01T00:00:00+00:00"
    config.write_text(json.dumps(late), encoding="utf-8")
    assert bench.run(CLOCK="backwards").returncode == 0
    assert bench.written == bench.whole
    assert f"{QUESTIONS}" in bench.vicabench("score", "run").stdout
