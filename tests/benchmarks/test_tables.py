"""Questions of a data set on a hub, and in parquet, JSON and CSV files, through `datasets`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from tests import hub as hubs
from tests.benchmarks.toy import choice, jsonl, parquet, row, vicabench
from vicabench.benchmarks import Source, load_benchmark, tables
from vicabench.errors import DataError

REPO = "lab/questions"
CARD = """---
configs:
- config_name: hard
  data_files:
  - {split: test, path: hard/*.parquet}
  - {split: extra, path: more.parquet}
- config_name: easy
  data_files: easy.parquet
---
# Questions
"""
SCRIPT = """
import sys, json, vicabench as vb
from vicabench.errors import UserError
for options in json.loads(sys.argv[1]):
    try:
        found = vb.benchmark(videos_needed=False, **options)
        first = found.questions[0]
        known = [getattr(found.benchmark, name) for name in ("name", "subset", "revision")]
        print(json.dumps([*known, len(found.questions), first.id, first.answer]))
    except UserError as error:
        print(json.dumps(str(error)))
"""


def csv(rows: list[dict[str, Any]], separator: str = ",") -> bytes:
    written = [{**r, "options": json.dumps(r["options"]) if r.get("options") else ""} for r in rows]
    return pd.DataFrame(written).to_csv(index=False, sep=separator).encode()


def content() -> dict[str, bytes]:
    return {
        "README.md": CARD.encode(),
        "hard/a.parquet": parquet([row(1), choice(2)]),
        "hard/b.parquet": parquet([row(3)]),
        "more.parquet": parquet([row(4), choice(5)]),
        "easy.parquet": parquet([row(6)]),
        "film.mp4": b"a film",
    }


@pytest.fixture
def hub() -> Iterator[hubs.Hub]:
    card = CARD.replace("easy.parquet", "../../secret.json")
    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 400), ["x" * 1_000_000])
    bomb = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"question": texts}), bomb)
    repositories = {
        f"datasets/{REPO}": content(),
        "datasets/lab/csv": {"test.csv": csv([row(7, id="007", ground_truth="2.50"), choice(8)])},
        "datasets/lab/leaves": {"a.jsonl": b"{}", "README.md": card.encode()},
        "datasets/lab/endless": {"mine.jsonl": jsonl([row(1)])},
        "datasets/lab/huge": {"a.json": b"[]"},
        "datasets/lab/bomb": {"a.parquet": bomb.getvalue().to_pybytes()},
        "datasets/lab/bad": {"b.json": json.dumps([row(1, ground_truth="?")]).encode()},
        "datasets/lab/film": {"film.mp4": b"a film"},
    }
    with hubs.serve(repositories) as hub:
        yield hub


def benchmarks(hub: hubs.Hub, folder: Path, *options: dict[str, Any], **env: str) -> list[Any]:
    """What `vicabench.benchmark` says of each, in one process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, json.dumps(options)],
        env={**hub.environment(folder), "VICABENCH_CACHE": str(folder / "cache"), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_hub_id_with_revision_and_configuration(hub: hubs.Hub, tmp_path: Path) -> None:
    first = hub.repositories[f"datasets/{REPO}"][0].commit
    hub.publish(f"datasets/{REPO}", {**content(), "hard/b.parquet": parquet([row(9), row(10)])})
    second = hub.repositories[f"datasets/{REPO}"][1].commit
    asked: list[dict[str, Any]] = [
        {"source": REPO, "config": "hard", "revision": first},
        {"source": REPO, "config": "hard"},
        {"source": f"{REPO}@{first}", "config": "hard", "split": "extra"},
        {"source": REPO, "config": "easy"},
        {"source": "lab/csv"},
        {"source": REPO, "config": "other"},
        {"source": REPO, "config": "hard", "split": "train"},
    ]
    found = benchmarks(hub, tmp_path, *asked)
    csv_commit = hub.repositories["datasets/lab/csv"][0].commit
    assert found[:5] == [
        [REPO, "hard", first, 3, "1", "4"],
        [REPO, "hard", second, 4, "1", "4"],
        [REPO, "hard, extra", first, 2, "4", "4"],
        [REPO, "easy", second, 1, "6", "4"],
        ["lab/csv", "full", csv_commit, 2, "007", "2.50"],
    ]
    assert "'other' not found" in found[5]
    assert "no split 'train'. Choose with split=: test, extra" in found[6]
    assert not hub.downloads("film.mp4")
    assert len(hub.downloads("hard/a.parquet")) == 2  # once a commit
    hub.log.clear()
    asked[5]["source"] = "lab/bad"
    *again, unknown, _ = benchmarks(hub, tmp_path, *asked, HF_HUB_OFFLINE="1")
    assert again == found[:5]
    assert "lab/bad at main was not downloaded before" in unknown
    assert not hub.log


def test_malicious_hub_repositories_are_refused(hub: hubs.Hub, tmp_path: Path) -> None:
    hub.sizes["a.json"] = 1 << 40
    hub.endless.add("mine.jsonl")
    said = {
        "lab/none": "There is no data set lab/none",
        "lab/leaves": "names a file outside it, '../../secret.json'",
        "lab/huge": "no questions have over 268,435,456",
        "lab/bomb": "no questions have over 268,435,456",
        "lab/film": "holds no table of questions",
        "lab/endless": "sends more of mine.jsonl than the",
        "lab/bad": "lab/bad, row 1: the ground_truth must be",
    }
    found = benchmarks(hub, tmp_path, *({"source": name} for name in said))
    for message, part in zip(found, said.values(), strict=True):
        assert part in message


def test_a_run_records_the_commit_of_its_questions(hub: hubs.Hub, tmp_path: Path) -> None:
    env = {**hub.environment(tmp_path), "VICABENCH_CACHE": str(tmp_path / "cache")}
    words = ("run", "--model", "baseline:random", "--benchmark", REPO, "--subset", "hard")
    done = vicabench(*words, "--no-video", "--out", tmp_path / "run", environment=env)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run/config.json").read_text(encoding="utf-8"))["config"]
    commit = hub.repositories[f"datasets/{REPO}"][0].commit
    assert (config["benchmark"], config["subset"], config["revision"]) == (REPO, "hard", commit)


def test_other_table_formats_are_read_like_json_lines(tmp_path: Path) -> None:
    rows = [row(7, id="007", ground_truth="2.50"), choice(8, id="8")]
    files = {
        "q.jsonl": jsonl(rows),
        "q.json": json.dumps(rows, indent=1).encode(),
        "q [1].csv": csv(rows),
        "q.tsv": csv(rows, "\t"),
        "q.parquet": parquet(rows),
    }
    read = {}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        read[name] = load_benchmark(str(tmp_path / name), Source(videos_needed=False))
    assert {found.questions for found in read.values()} == {read["q.jsonl"].questions}
    assert [(f.name, f.subset) for f in read.values()] == [(name, "full") for name in files]


def test_a_file_that_is_damaged_or_too_large_is_refused(tmp_path: Path) -> None:
    for name, data, said in (
        ("a.json", b"[{", "a.json cannot be read"),
        ("a.csv", csv([row(1, question_type="?")]), "a.csv, row 1: the question_type '?'"),
        ("b.csv", b"\xff\xfe\x00", "b.csv cannot be read"),
        ("a.parquet", b"PAR1", "cannot be read as parquet"),
        ("empty.json", b"[]", "empty.json"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=said.replace("?", r"\?")):
            tables.load_file(tmp_path / name, videos_needed=False)
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(DataError, match="no questions have over 268,435,456"):
        tables.load_file(tmp_path / "large.csv")
