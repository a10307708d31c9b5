"""A run in parts: who asks what, and how the parts become one run again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import Vicabench, read_jsonl, refuses, rows_about, write_jsonl
from vicabench.engine.shards import Shard, own_gpu
from vicabench.results.plan import by_video
from vicabench.types import Question

OPTIONS = ("run", "--benchmark", "q.jsonl", "--model", "baseline:random", "--no-video")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the questions, `whole`, a run in one piece, and the three parts of `run`."""
    folder = tmp_path_factory.mktemp("runs")
    write_jsonl(folder / "q.jsonl", rows_about(7))
    starts = [("--out", "whole"), *(("--out", "run", "--shard", f"{n}/3") for n in (1, 2, 3))]
    for more in starts:
        subprocess.run(
            [sys.executable, "-m", "vicabench", *OPTIONS, *more],
            cwd=folder,
            capture_output=True,
            env={**os.environ, "NO_COLOR": "1"},
            check=True,
        )
    return folder


@pytest.fixture
def here(runs: Path, tmp_path: Path) -> Path:
    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    return tmp_path


def part(number: int) -> str:
    return f"run-shard-{number}-of-3"


def lines(folder: Path) -> list[str]:
    return sorted((folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines())


def test_merged_parts_are_the_run_in_one_piece(vicabench: Vicabench, here: Path) -> None:
    done = vicabench("merge", *map(part, (3, 1, 2)), "--out", "run")
    assert done.returncode == 0, done.stderr
    assert lines(here / "run") == lines(here / "whole")
    merged, whole = (
        json.loads((here / name / "config.json").read_text()) for name in ("run", "whole")
    )
    assert (merged["plan"], merged["digest"]) == (whole["plan"], whole["digest"])
    assert [origin["part"] for origin in merged["starts"][0]["merged"]] == ["3/3", "1/3", "2/3"]
    assert len(read_jsonl(here / "run" / "timing.jsonl")) == 3
    assert vicabench("score", "run").stdout == vicabench("score", "whole").stdout

    before = (here / "run" / "predictions.jsonl").read_bytes()
    assert vicabench("merge", *map(part, (1, 2, 3)), "--out", "run").returncode == 0
    assert "70 answers are there already" in vicabench(*OPTIONS, "--out", "run").stderr
    assert (here / "run" / "predictions.jsonl").read_bytes() == before


def test_part_of_a_run_is_scored_as_a_part(vicabench: Vicabench, here: Path) -> None:
    assert "part 1 of 3 only: 30 of 70 questions" in vicabench("score", here / part(1)).stdout


def test_missing_parts_are_named_and_can_follow_later(vicabench: Vicabench, here: Path) -> None:
    unfinished = here / part(2) / "predictions.jsonl"
    whole = unfinished.read_text(encoding="utf-8").splitlines(keepends=True)
    unfinished.write_text("".join(whole[:13]) + whole[13][:40], encoding="utf-8")
    log = here / part(2) / "errors.log"
    log.write_text("first\n", encoding="utf-8")
    refuses(
        vicabench("merge", part(1), part(2), "--out", "run"),
        "part 3/3 is missing", "part 2/3", "7 questions not asked yet", "--partial",
    )  # fmt: skip
    assert not (here / "run" / "predictions.jsonl").exists()

    done = vicabench("merge", part(1), part(2), "--out", "run", "--partial")
    assert done.returncode == 1
    assert "43 of 70 answers" in done.stderr
    assert "parts 1, 2 of 3 only: 50 of 70 questions" in vicabench("score", "run").stdout

    refuses(vicabench("merge", part(3), "--out", "run"), "part 1, 2/3 in run: 7 questions")
    unfinished.write_text("".join(whole), encoding="utf-8")
    log.write_text("first\nsecond\n", encoding="utf-8")
    assert vicabench("merge", part(2), part(3), "--out", "run").returncode == 0
    assert lines(here / "run") == lines(here / "whole")
    # Of part 2 as of the others, and each of its errors once.
    assert len(read_jsonl(here / "run" / "timing.jsonl")) == 3
    errors = (here / "run" / "errors.log").read_text(encoding="utf-8").splitlines()
    assert errors == ["part 2/3:", "first", "part 2/3:", "second"]


def test_part_can_be_run_in_the_current_folder(vicabench: Vicabench, here: Path) -> None:
    assert vicabench(*OPTIONS, "--out", ".", "--shard", "1/3").returncode == 0
    assert lines(Path(f"{here}-shard-1-of-3")) == lines(here / part(1))


def test_parts_of_different_runs_or_splits_are_refused(vicabench: Vicabench, here: Path) -> None:
    vicabench(*OPTIONS, "--seed", "1", "--out", "other", "--shard", "2/3")
    vicabench(*OPTIONS, "--out", "other", "--shard", "2/4")
    vicabench(*OPTIONS, "--out", "other", "--shard", "3/3", "--limit", "5")
    merge = ("merge", part(1), "--out", "m")
    refuses(vicabench(*merge, "other-shard-2-of-3"), "seed: 0 there, 1 here")
    refuses(vicabench(*merge, "other-shard-2-of-4"), "different splits", "1/3", "2/4")
    refuses(vicabench(*merge, "other-shard-3-of-3"), "different splits", "of 70 questions", "of 50")
    refuses(vicabench(*merge, "whole"), "whole", "not a part")
    refuses(vicabench("merge", part(1), "--partial", "--out", "whole"), "already holds a whole run")
    refuses(vicabench("merge", part(1), "--partial", "--out", part(1)), "one of the parts")
    assert not (here / "m" / "predictions.jsonl").exists()


def test_duplicate_part_counts_once_unless_it_differs(vicabench: Vicabench, here: Path) -> None:
    shutil.copytree(here / part(1), here / "copy")
    assert vicabench("merge", *map(part, (1, 2, 3)), "copy", "--out", "run").returncode == 0
    assert lines(here / "run") == lines(here / "whole")

    records = read_jsonl(here / "copy" / "predictions.jsonl")
    records[0]["response"] = "something else"
    write_jsonl(here / "copy" / "predictions.jsonl", records)
    done = vicabench("merge", *map(part, (1, 2, 3)), "copy", "--out", "again")
    refuses(done, f"question {records[0]['id']}", "copy", "differently")


def test_failed_questions_of_merged_runs_can_be_retried(vicabench: Vicabench, here: Path) -> None:
    records = read_jsonl(here / part(1) / "predictions.jsonl")
    records[0] |= {"response": None, "error": "adapter: ValueError: no luck"}
    write_jsonl(here / part(1) / "predictions.jsonl", records)
    done = vicabench("merge", *map(part, (1, 2, 3)), "--out", "run")
    assert done.returncode == 1
    assert "69 of 70 answers" in done.stderr
    assert "Questions that failed: 1" in done.stderr
    assert vicabench(*OPTIONS, "--out", "run", "--retry-errors").returncode == 0


def test_a_folder_continues_only_its_own_part(vicabench: Vicabench, here: Path) -> None:
    (here / part(1)).rename(here / part(2).replace("run", "r"))
    refuses(vicabench(*OPTIONS, "--out", "r", "--shard", "2/3"), "part 1/3", "not 2/3")
    done = vicabench(*OPTIONS, "--out", "run", "--shard", "2/3", "--limit", "5")
    refuses(done, "of 70 questions", "splits 50 questions", "--limit")


def test_every_process_of_slurm_or_torchrun_takes_its_own_part(
    vicabench: Vicabench, here: Path
) -> None:
    slurm = {"SLURM_PROCID": "1", "SLURM_NTASKS": "3"}
    for path in here.glob("run-*"):
        shutil.rmtree(path)
    assert vicabench(*OPTIONS, "--out", "run", "--shard", "auto", **slurm).returncode == 0
    assert [path.name for path in here.glob("run-*")] == [part(2)]
    torchrun = {"RANK": "0", "WORLD_SIZE": "3"}
    assert vicabench(*OPTIONS, "--out", "run", "--shard", "auto", **torchrun).returncode == 0
    assert (here / part(1)).exists()
    refuses(vicabench(*OPTIONS, "--shard", "auto"), "SLURM_PROCID", "--shard 1/8")
    refuses(vicabench(*OPTIONS, "--shard", "0/3"), "--shard 0/3")
    refuses(vicabench(*OPTIONS, "--shard", "1/8"), "7 videos", "8 parts")


def test_parts_are_disjoint_whole_and_of_nearly_the_same_size() -> None:
    selected = [
        Question(id=f"{v}-{n}", video=f"v{v}", task="object_counting", text="", answer="1")
        for v in range(40)
        for n in range(1 + v * v % 23)
    ]
    parts = [Shard(index=n, count=6).of(selected) for n in range(1, 7)]
    assert sorted(q.id for asked in parts for q in asked) == sorted(q.id for q in selected)
    assert sum(len(by_video(asked)) for asked in parts) == 40  # no video is in two of them
    sizes = [len(asked) for asked in parts]
    assert max(sizes) - min(sizes) <= max(map(len, by_video(selected).values()))


@pytest.mark.parametrize(
    ("environment", "visible"),
    [
        ({"LOCAL_RANK": "2"}, "2"),
        ({"LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "4,6"}, "6"),
        ({"SLURM_LOCALID": "3", "CUDA_VISIBLE_DEVICES": "5"}, None),  # bound by srun already
        ({}, None),
    ],
)
def test_processes_on_one_machine_take_a_gpu_each(
    environment: dict[str, str], visible: str | None
) -> None:
    assert own_gpu(environment) == visible
