"""Helpers for the tests of both providers: rooms to ask about, and adapters without a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.apis import CACHED_TOKENS, KEY, NEW_TOKENS, PROMPT_TOKENS, Hit
from tests.support import read_jsonl, write_jsonl
from vicabench.adapters import build_adapter
from vicabench.adapters.api.adapter import ApiAdapter
from vicabench.rooms.build import build
from vicabench.types import AdapterContext, Answer, Benchmark, ModelOptions, Question, Video

PRICE = {"input": 2.0, "cached_input": 0.5, "output": 8.0}
COST = ((PROMPT_TOKENS - CACHED_TOKENS) * 2.0 + CACHED_TOKENS * 0.5 + NEW_TOKENS * 8.0) / 1e6
"""The cost of one reply, at that price for a million tokens."""
LOOPBACK = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
NOTHING = Benchmark(name="b", subset="", revision="", questions=(), files={})


def write_rooms(folder: Path) -> Path:
    """Two small rooms whose questions are numbered, and prices in both formats."""
    build(folder, scenes=2, seed=5, width=96, height=64, fps=2, workers=1)
    rows = read_jsonl(folder / "questions.jsonl")
    for place, row in enumerate(rows):
        row["question"] += f" (No. {place}.)"
    write_jsonl(folder / "questions.jsonl", rows)
    (folder / "prices.json").write_text(json.dumps({"tiny": PRICE}), encoding="utf-8")
    yaml = "".join(f"  {name}: {value}\n" for name, value in PRICE.items())
    (folder / "prices.yaml").write_text(f"tiny:\n{yaml}", encoding="utf-8")
    return folder


def built(spec: str, **options: Any) -> ApiAdapter:
    """The adapter of a model, as a run with four frames builds it."""
    soon = {} if options.get("max_retries") == 0 else {"retry_wait": 0.01}
    chosen = ModelOptions(**{**soon, **options})
    adapter = build_adapter(
        spec, AdapterContext(benchmark=NOTHING, seed=7, frames=4, options=chosen)
    )
    assert isinstance(adapter, ApiAdapter)
    return adapter


@contextmanager
def calling(spec: str, **options: Any) -> Iterator[ApiAdapter]:
    """The adapter of a model, closed at the end."""
    adapter = built(spec, **options)
    try:
        yield adapter
    finally:
        adapter.close()


def ask(
    adapter: ApiAdapter, count: int, path: Path = Path("v.mp4"), *, repeats: int = 1
) -> list[Answer]:
    """The answers to `count` numbered questions about a video of two seconds, in order."""
    frames_THWC = np.full((4, 30, 40, 3), 77, np.uint8)
    video = Video(
        name="v", path=path, frames_THWC=frames_THWC, seconds=(0, 0.5, 1, 1.5), duration=2.0
    )
    questions = [
        Question(
            id=str(n), video="v", task="object_counting", text=f"(No. {n}.)", answer="2", repeat=k
        )
        for n in range(count)
        for k in range(repeats)
    ]
    answers = {(a.question_id, a.repeat): a for a in adapter.answer(video, questions)}
    assert len(answers) == count * repeats
    return [answers[question.key] for question in questions]


def totals(folder: Path) -> dict[str, Any]:
    """The account of the last start of a run."""
    calls: dict[str, Any] = read_jsonl(folder / "timing.jsonl")[-1]["calls"]
    return calls


def kind(record: dict[str, Any] | Answer) -> str:
    """The kind of failure of a record; empty for an answer."""
    error = record.error if isinstance(record, Answer) else record["error"]
    return (error or "").partition(":")[0]


def delivered(log: list[Hit]) -> int:
    """How many replies the server sent whole."""
    return sum(hit.delivered for hit in log)


def assert_no_key(output: str, folder: Path) -> None:
    """No output contains the key, which the server put into every text."""
    assert KEY not in output
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"config.json", "predictions.jsonl"} <= {path.name for path in files}
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
