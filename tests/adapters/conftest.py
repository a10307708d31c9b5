"""A tiny checkpoint, and a benchmark of four questions about two clips."""

from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests.support import rows_about, write_jsonl
from tests.videos import write_clip

ASKED = ("object_counting", "route_planning")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tiny` (a ViCA2), `questions.jsonl` and its clips; tests may add runs."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny_checkpoint(folder / "tiny", max_shard_size="300KB")
    for v in range(2):
        write_clip(folder / f"clip{v}.mp4", frames=12 + v)
    rows = [row for row in rows_about(2) if row["question_type"] in ASKED]
    write_jsonl(folder / "questions.jsonl", rows)
    return folder
