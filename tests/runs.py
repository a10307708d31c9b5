"""Run folders with made-up replies, for what is made from finished runs."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.support import Row, write_jsonl
from vicabench.engine.frame_cache import SAMPLING
from vicabench.files import digest_of
from vicabench.results.store import RunConfig


def write_run(
    folder: Path,
    model: str,
    rows: list[Row],
    *,
    benchmark: str = "toy",
    frames: int = 0,
    adapter: Mapping[str, object] | None = None,
) -> Path:
    """A finished run of `model`: a line of predictions is a question with its `response`."""
    folder.mkdir(parents=True)
    config = RunConfig(
        model=model,
        adapter=dict(adapter or {}),
        benchmark=benchmark,
        subset="full",
        revision="1",
        frames=frames,
        sampling=SAMPLING if frames else "none",
        seed=0,
    )
    videos: dict[str, dict[str, str]] = {}
    for row in rows:
        videos.setdefault(row["video"], {})[row["id"]] = row["question_type"]
    content = {
        "config": vars(config),
        "digest": config.digest,
        "plan": {
            "questions": len(rows),
            "question_ids_sha256": digest_of(sorted(row["id"] for row in rows)),
            "videos": videos,
        },
        "starts": [],
    }
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    write_jsonl(folder / "predictions.jsonl", rows)
    return folder
