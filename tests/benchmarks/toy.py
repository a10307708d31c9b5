"""A VSI-Bench in miniature: three parts, six questions, real videos of a few frames."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.videos import write_clip

REPO = "me/toy-vsi"
PARTS = ("arkitscenes", "scannet", "scannetpp")
VIDEOS = tuple(f"{part}/{scene}" for part in PARTS for scene in ("one", "two"))


def row(number: int, video: str = "scannet/one", **changes: Any) -> dict[str, Any]:
    """A counting question in the columns of VSI-Bench; `changes` replaces some of them."""
    part, scene = video.split("/")
    question = {
        "id": number,
        "dataset": part,
        "scene_name": scene,
        "question_type": "object_counting",
        "question": "How many chair(s) are in this room?",
        "options": None,
        "ground_truth": "4",
        "pruned": number % 2 == 0,
    }
    return question | changes


def choice(number: int, video: str = "scannet/two", **changes: Any) -> dict[str, Any]:
    """A question of order with its options."""
    values = {
        "question_type": "obj_appearance_order",
        "question": "What will be the first-time appearance order of ...?",
        "options": ["A. chair, sofa", "B. sofa, chair"],
        "ground_truth": "B",
    }
    return row(number, video, **(values | changes))


def rows() -> list[dict[str, Any]]:
    """One question a video, number and choice in turn."""
    return [(row, choice)[i % 2](i, video) for i, video in enumerate(VIDEOS, start=1)]


def jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file)
    return file.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip that stores its members as they are, as one of videos would."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def repository(folder: Path) -> dict[str, bytes]:
    """The files of a repository laid out as the published one; `folder` is for the clips."""
    frames = enumerate(VIDEOS, start=4)
    clips = {video: write_clip(folder / f"{n}.mp4", frames=n) for n, video in frames}
    files = {"test-00000-of-00001.parquet": parquet(rows()), "README.md": b"A toy.\n"}
    for part in PARTS:
        inside = {v: clip for v, clip in clips.items() if v.startswith(f"{part}/")}
        files[f"{part}.zip"] = zipped({f"{v}.mp4": c.read_bytes() for v, c in inside.items()})
    return files


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write `files` below `folder`, and return it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def command(*words: object) -> list[str]:
    """The command line `vicabench WORDS` with this interpreter."""
    return [sys.executable, "-m", "vicabench", *map(str, words)]


def vicabench(
    *words: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `vicabench WORDS` to its end; what it says is one line, not wrapped."""
    return subprocess.run(
        command(*words), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
