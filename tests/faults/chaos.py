"""Send signals at seeded random moments to commands that write answers: nothing is lost.

`python -m tests.faults.chaos` tries fifty seeds, `python -m tests.faults.chaos 7 8` tries two.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.apis import Api, serve
from tests.faults.bench import VIDEOS, Bench
from tests.support import install_adapter, read_jsonl, rows_about, write_jsonl
from tests.videos import write_clip

SEEDS = range(6)
"""The seeds of the tests: each command and each signal occurs at least once."""
COMMANDS = ("run", "workers", "api", "canonicalize", "merge", "import")
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGTSTP)
DISTURBANCES = 3
ENDS = {"import": {0, 2}, "canonicalize": {1}}
"""Exit codes: existing predictions are not imported again, and no reply is canonical."""
PACE = {"api": 0.3, "canonicalize": 0.1}
"""Seconds per reply, so that signals arrive while replies are under way."""
UNDER_WAY, OF_A_VIDEO = 8, 10
"""The most replies under way at a time, and the replies of one video."""


def chaos(bench: Bench, seed: int) -> str:
    """Disturb a command three times, then let it end, and assert that every answer exists once.

    Returns:
        A description of the signals.
    """
    chance = random.Random(seed)
    command = COMMANDS[seed % len(COMMANDS)]
    done = [command]
    ends, losses = ENDS.get(command, {0}), 0
    with commanded(bench, command) as (words, environment, out, api):
        for _ in range(DISTURBANCES):
            number, moment = chance.choice(SIGNALS), chance.uniform(0, 1.5)
            before, growth = whole_lines(out), chance.random() < 0.7  # else from its start on
            with started(bench, words, environment) as process:
                while growth and process.poll() is None and whole_lines(out) == before:
                    time.sleep(0.01)
                time.sleep(moment)
                code = disturb(process, number)
            done.append(f"{number.name} {moment:.2f} s after {'growth' * growth}: {code}")
            # Before our handlers are installed, and at its exit, Python handles signals itself. It
            # ends with SIGINT, 130 for a shell, if an interrupt hits code in a string.
            assert code in ends | {130, -number, -signal.SIGHUP, -signal.SIGINT}, done
            assert whole_lines(out).startswith(before), done
            losses += UNDER_WAY + OF_A_VIDEO * (number == signal.SIGKILL)
        if api is not None:
            lost_nothing(api, out, losses)
        last = subprocess.run(
            words, cwd=bench.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert last.returncode in ends, last
    rows = read_jsonl(out)
    assert len({row["id"] for row in rows}) == len(rows) == (30 if command == "api" else 170), done
    if command == "api":
        assert [row["error"] for row in rows if row["error"]] == [], done
    elif command != "canonicalize":
        assert sorted(out.read_bytes().splitlines()) == sorted(bench.whole.splitlines()), done
    return ", ".join(done)


def lost_nothing(api: Api, out: Path, losses: int) -> None:
    """Every delivered reply was written, except for `losses` under way when signals came."""
    delivered = {hit.question for hit in api.log if hit.delivered}
    assert len(whole_lines(out).splitlines()) >= len(delivered) - losses


def started(
    bench: Bench, words: list[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the command in its own process group, as a shell does."""
    return subprocess.Popen(
        words, cwd=bench.folder, env=environment, process_group=0,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def disturb(process: subprocess.Popen[bytes], number: int) -> int:
    """Send a signal and return the exit code; a stopped process is continued and hung up."""
    process.send_signal(number)
    if number == signal.SIGTSTP:
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        process.send_signal(signal.SIGHUP)
    return process.wait(timeout=600)


@contextmanager
def commanded(
    bench: Bench, command: str
) -> Iterator[tuple[list[str], Mapping[str, str], Path, Api | None]]:
    """Yield a command, its environment, its predictions file, and the server that it asks."""
    vicabench = [sys.executable, "-m", "vicabench"]
    calm = bench.env(
        FAULTS="{}", OPENAI_API_KEY="sk-chaos", VICABENCH_CACHE=str(bench.folder / "c")
    )
    out = bench.file
    if command == "run":
        yield bench.command(), {**calm, "PAUSE": "0.1"}, out, None
    elif command == "workers":
        yield bench.command("--devices", "cpu,cpu"), {**calm, "PAUSE": "0.1"}, out, None
    elif command == "import":
        (bench.folder / "theirs.jsonl").write_bytes(bench.whole)
        words = ["import", "jsonl", "theirs.jsonl", "--model", "m", "--out", "run"]
        yield [*vicabench, *words], calm, out, None
    elif command == "merge":
        for part in ("1/2", "2/2"):
            assert bench.run("--shard", part).returncode == 0
        parts = [f"run-shard-{part}-of-2" for part in "12"]
        yield [*vicabench, "merge", *parts, "--out", "run"], calm, out, None
    else:
        with serve() as api:
            api.pace = PACE[command]
            yield [*vicabench, *asking(bench, command, api)], calm, out, api


def asking(bench: Bench, command: str, api: Api) -> list[str]:
    """The arguments of a command that asks a server."""
    server = ["--base-url", api.address, "--out", "run", "--concurrency", "8"]
    if command == "api":
        rows = [{**row, "question": f"No. {n}"} for n, row in enumerate(rows_about(3))]
        write_jsonl(bench.folder / "filmed.jsonl", rows)
        for video in range(3):
            write_clip(bench.folder / f"clip{video}.mp4", frames=12)
        frames = ["--frames", "2", "--benchmark", "filmed.jsonl"]
        return ["run", "--model", "openai:tiny", *frames, *server]
    (bench.folder / "replies.jsonl").write_bytes(bench.whole)
    return ["canonicalize", "replies.jsonl", "--model", "openai:tiny", *server]


def whole_lines(file: Path) -> bytes:
    content = file.read_bytes() if file.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def main(seeds: list[int]) -> None:
    """Try these seeds and print what each did; exit code 1 if an answer was lost."""
    lost = False
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = (here / "faulty.py").read_text(encoding="utf-8")
        environment = install_adapter(folder / "site", "faulty", code, "Faulty")
        questions = write_jsonl(folder / "questions.jsonl", rows_about(VIDEOS))
        bench = Bench(folder=folder, questions=questions, environment=environment)
        assert bench.run().returncode == 0
        for seed in seeds:
            place = folder / f"seed{seed}"
            place.mkdir()
            try:
                done = chaos(replace(bench, folder=place, whole=bench.written), seed)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                lost, done = True, f"LOST {error!r}"
            sys.stdout.write(f"{seed}: {done}\n")
    if lost:
        raise SystemExit(1)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(range(50)))
