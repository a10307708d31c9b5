"""A fault of the adapter affects only its video; all answers are kept and shown."""

import pytest

from tests.faults.bench import QUESTIONS, Bench, quiet
from tests.support import read_jsonl, refuses

# Of ten questions, the number without an answer, and the start of their errors.
SURVIVED = {
    "raises": (7, "adapter: RuntimeError: out of luck"),
    "raises much": (7, "adapter: RuntimeError: xxx"),
    "raises what cannot be encoded": (7, "adapter: RuntimeError: \ud800"),
    "raises without words": (7, "adapter: WordlessError"),
    "panics": (7, "adapter: PanicError: index out of bounds"),
    "exits": (7, "adapter: SystemExit: 0"),
    "has no memory": (7, "adapter: MemoryError: nothing left"),
    "too few": (7, "adapter: no answer"),
    "nothing": (10, "adapter: TypeError"),
    "no answers": (10, "adapter: AttributeError"),
    "too many": (0, ""),
    "10 MB": (0, ""),
    "control characters": (0, ""),
    "not Unicode": (0, ""),
    "bytes": (1, "adapter: the response is bytes, not a text"),
    "no number of tokens": (1, "adapter: a field of its answer cannot be kept: a number of tokens"),
    "an error of 4 MB": (1, "\x1b[2J"),
}
READERS = (
    ("score", "run", "--protocol", "official,lmms-eval,vlmevalkit,extracted"),
    ("report", "run", "--out", "report.html"),
)
FAILED = sum(count for count, _ in SURVIVED.values())


def test_malformed_answers_are_kept_counted_and_shown(bench: Bench) -> None:
    faults = {f"clip{v}": name for v, name in enumerate(SURVIVED)}
    done = bench.run(faults=faults)
    quiet(done)
    assert done.returncode == 1
    assert len(done.stdout + done.stderr) < 50_000
    assert f"{FAILED} of {QUESTIONS} questions unanswered, counted as wrong" in done.stdout
    assert "10 answers to questions that were not asked" in done.stderr
    assert "10 answers to questions that it had answered" in done.stderr

    assert len(read_jsonl(bench.file)) == QUESTIONS
    for (count, words), errors in zip(SURVIVED.values(), bench.errors().values(), strict=True):
        texts = [error for error in errors if error is not None]
        assert len(texts) == count
        assert all(error.startswith(words) for error in texts)

    for command in READERS:
        read = bench.vicabench(*command)
        quiet(read)
        assert read.returncode == 0, read.stderr

    mended = bench.run("--retry-errors")
    assert mended.returncode == 0
    odd = {"10 MB", "control characters", "not Unicode"}  # odd replies, which are kept
    changed = {f"{v}-0" for v, name in enumerate(SURVIVED) if name in odd}
    whole, now = bench.answers_of_whole(), bench.answers()
    assert {key for key, reply in whole.items() if now[key] != reply} == changed


@pytest.mark.parametrize("fault", ["dies", "crashes"])
def test_an_adapter_that_crashes_loses_no_written_answer(bench: Bench, fault: str) -> None:
    done = bench.run(faults={"clip5": fault})
    assert bench.written == bench.whole[: bench.whole.index(b'{"id": "5-0"')]
    assert done.returncode == {"dies": 0, "crashes": -6}[fault]
    scored = bench.vicabench("score", "run").stdout
    assert f"50 of {QUESTIONS} questions answered; {QUESTIONS - 50} questions not asked" in scored
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


def test_a_hanging_adapter_ends_the_run_and_loses_nothing(
    bench: Bench,
) -> None:
    done = bench.run("--answer-timeout", "3", faults={"clip5": "hangs"})
    quiet(done)
    refuses(done, "longer than --answer-timeout over clip5", "--retry-errors")
    assert bench.written.startswith(bench.whole[: bench.whole.index(b'{"id": "5-3"')])
    assert bench.errors()["clip5"] == 3 * [None] + 7 * ["adapter: took longer than 3 seconds"]
    assert len(read_jsonl(bench.file)) == 60

    done = bench.run("--answer-timeout", "60")  # the adapter works again
    assert done.returncode == 1
    assert f"7 of {QUESTIONS} questions unanswered" in done.stdout
    assert bench.run("--retry-errors").returncode == 0
    assert bench.answers() == bench.answers_of_whole()


def test_a_hanging_adapter_in_a_worker_fails_only_its_video(
    bench: Bench,
) -> None:
    command = ("--answer-timeout", "3", "--devices", "cpu,cpu")
    done = bench.run(*command, faults={"clip5": "hangs"})
    quiet(done)
    assert done.returncode == 1
    errors = bench.errors()
    (error,) = set(errors.pop("clip5"))
    assert str(error).startswith(
        "worker: its process ended (exit code 75): took longer than 3 seconds"
    )
    assert len(read_jsonl(bench.file)) == QUESTIONS
    assert all(each == 10 * [None] for each in errors.values())
    assert bench.run(*command, "--retry-errors").returncode == 0  # the adapter works again
    assert bench.answers() == bench.answers_of_whole()
