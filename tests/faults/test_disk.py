"""On a full or read-only disk, what was written before is not damaged."""

import subprocess
import sys

import pytest

from tests.faults.bench import QUESTIONS, VIDEOS, Bench, Done, quiet
from tests.support import refuses

ALLOWED = sys.platform == "linux" and not subprocess.call(
    ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
needs_mounts = pytest.mark.skipif(not ALLOWED, reason="needs a mount namespace (unshare)")


def mounted(bench: Bench, script: str, **extra: str) -> Done:
    """Run a shell script in its own mount namespace; `$VICABENCH` is the `run` command."""
    command = " ".join(f"'{word}'" for word in bench.command())
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=bench.folder,
        env=bench.env(VICABENCH=command, **extra),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("kilobytes", [0, 4, 16, 24, 40])
@needs_mounts
def test_a_run_ends_cleanly_on_a_full_disk_and_continues(bench: Bench, kilobytes: int) -> None:
    (bench.folder / "run").mkdir()
    # A file takes up the disk of 64 KiB, except for `kilobytes`.
    script = f"""
        mkdir small && mount -t tmpfs -o size=64k none small && mkdir small/run
        head -c {64 - kilobytes}k /dev/zero > small/filler
        cd small && eval "$VICABENCH"; code=$?
        cp run/*.json* ../run/; exit $code
    """
    done = mounted(bench, script)
    quiet(done)
    assert "No space left on device" in done.stderr
    assert done.returncode == 2
    assert bench.whole.startswith(bench.written)
    assert bench.written == bench.whole_lines()
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


@pytest.mark.parametrize("kilobytes", [1, 8, 20])
def test_a_file_size_limit_inside_a_line_tears_no_line(bench: Bench, kilobytes: int) -> None:
    limit = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({kilobytes << 10},) * 2);"
    script = f"{limit} from vicabench.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *bench.command()[3:]],
        cwd=bench.folder,
        env=bench.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    quiet(done)
    refuses(done, "File too large")
    assert bench.whole.startswith(bench.written)
    assert bench.written == bench.whole_lines()
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


@needs_mounts
def test_a_folder_that_becomes_read_only_loses_nothing(bench: Bench) -> None:
    half = bench.run("--limit", "8")
    assert half.returncode == 0
    before = bench.written
    done = mounted(bench, 'mount --bind run run && mount -o remount,ro,bind run; eval "$VICABENCH"')
    quiet(done)
    refuses(done, "cannot be written", "Read-only file system")
    assert bench.written == before

    while_running = """
        cd run && mount --bind predictions.jsonl predictions.jsonl && cd ..
        eval "$VICABENCH" & child=$!
        while [ $(wc -c < run/predictions.jsonl) = SIZE ]; do sleep 0.02; done
        until mount -o remount,ro,bind run/predictions.jsonl 2> tries; do sleep 0.02; done
        wait $child
    """.replace("SIZE", str(len(before)))
    done = mounted(bench, while_running, PAUSE="1")
    quiet(done)
    refuses(done, "predictions.jsonl cannot be written", "Read-only file system")
    assert len(before) < len(bench.written) < len(bench.whole)
    assert bench.whole.startswith(bench.written)
    assert bench.run().returncode == 0
    assert bench.written == bench.whole


def test_an_invalid_run_folder_is_refused_before_asking(bench: Bench) -> None:
    (bench.folder / "run").write_text("mine", encoding="utf-8")
    done = bench.run()
    quiet(done)
    refuses(done, "The run folder run cannot be written", "--out")
    assert (bench.folder / "run").read_text(encoding="utf-8") == "mine"
    assert f"{QUESTIONS}/" not in done.stderr


@pytest.mark.parametrize("name", ["predictions.jsonl", "config.json", "timing.jsonl", "errors.log"])
def test_a_folder_in_place_of_a_file_costs_no_answer(bench: Bench, name: str) -> None:
    place = bench.folder / "run" / name
    place.mkdir(parents=True)
    done = bench.run(faults={"clip3": "raises"})
    quiet(done)
    if name in ("predictions.jsonl", "config.json"):
        refuses(done, name)
    else:  # these files are not results
        assert done.returncode == 1
        assert name in done.stderr
        assert len(bench.errors()) == VIDEOS
    place.rmdir()
    assert bench.run("--retry-errors").returncode == 0
    assert bench.answers() == bench.answers_of_whole()
