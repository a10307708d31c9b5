"""What the tests of the command line share: small benchmarks, adapters as packages, refusals."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vicabench.metrics import NUMERIC
from vicabench.rubric import VSI

Row = dict[str, Any]
Vicabench = Callable[..., subprocess.CompletedProcess[str]]


def rows_about(videos: int) -> list[Row]:
    """One question of every type about each video; the answers differ from video to video."""
    return [
        {
            "id": f"{v}-{place}",
            "video": f"clip{v}",
            "question_type": kind,
            "question": f"What about {kind}?",
            "options": None if is_numeric(kind) else ["A. left", "B. right", "C. back"],
            "ground_truth": str(v + 1) if is_numeric(kind) else "ABC"[v % 3],
        }
        for v in range(videos)
        for place, kind in enumerate(VSI.types)
    ]


def is_numeric(kind: str) -> bool:
    return VSI.of_type[kind].kind == NUMERIC


def write_jsonl(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def install_adapter(folder: Path, name: str, code: str, target: str) -> dict[str, str]:
    """Lay out a package that announces an adapter; returns the environment in which it is there."""
    return install_package(folder, name, code, target, "vicabench.adapters")


def install_package(folder: Path, name: str, code: str, target: str, group: str) -> dict[str, str]:
    """Lay out a package with an entry point; returns the environment in which it is there."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}:{target}\n")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([before] if before else [])])}


def looking_oracle(folder: Path) -> str:
    """Write an adapter that answers the truth but wants the frames; returns its `--model`."""
    file = folder / "looking.py"
    file.write_text("def oracle(video, questions):\n    return [q.answer for q in questions]\n")
    return f"{file}:oracle"


def refuses(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Check that bad input ended in one clear paragraph and exit code 2."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
