"""The real command line on a small benchmark, and helpers to disturb it and check the results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import read_jsonl
from vicabench.rubric import VSI

Done = subprocess.CompletedProcess[str]
VIDEOS = 17
QUESTIONS = VIDEOS * len(VSI.types)

LOOK = ("--model", "faulty:seeing")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Runs of one adapter on one benchmark, in one folder; `whole` is an undisturbed run.

    With `seeing` the adapter reads the videos.
    """

    folder: Path
    questions: Path
    environment: Mapping[str, str]
    whole: bytes = b""
    seeing: bool = False

    def start(
        self, *more: str, faults: Mapping[str, str] | None = None, **extra: str
    ) -> subprocess.Popen[str]:
        """Start `vicabench run --model faulty --out run`, with faults by video."""
        return subprocess.Popen(
            self.command(*more),
            cwd=self.folder,
            env=self.env(FAULTS=json.dumps(faults or {}), **extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *more: str, faults: Mapping[str, str] | None = None, **extra: str) -> Done:
        """Run the same command to its end."""
        with self.start(*more, faults=faults, **extra) as process:
            out, err = process.communicate(timeout=120)
        return Done(process.args, process.returncode, out, err)

    def vicabench(self, *arguments: str) -> Done:
        """Run any other command."""
        return subprocess.run(
            [sys.executable, "-m", "vicabench", *arguments],
            cwd=self.folder,
            env=self.env(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def command(self, *more: str) -> list[str]:
        return [
            sys.executable, "-m", "vicabench", "run", "--benchmark", str(self.questions),
            *(LOOK if self.seeing else ("--model", "faulty", "--no-video")), "--out", "run", *more,
        ]  # fmt: skip

    def env(self, **extra: str) -> dict[str, str]:
        return {**os.environ, "NO_COLOR": "1", "COLUMNS": "160", **self.environment, **extra}

    @property
    def file(self) -> Path:
        return self.folder / "run" / "predictions.jsonl"

    @property
    def written(self) -> bytes:
        """The predictions in the run folder; empty if there is none yet."""
        return self.file.read_bytes() if self.file.exists() else b""

    def whole_lines(self) -> bytes:
        """The predictions without an incomplete last line."""
        return self.written[: self.written.rfind(b"\n") + 1]

    def errors(self) -> dict[str, list[str | None]]:
        """The errors of the last records of all questions, by video."""
        last = {row["id"]: row for row in read_jsonl(self.file)}
        errors: dict[str, list[str | None]] = {}
        for row in last.values():
            errors.setdefault(row["video"], []).append(row["error"])
        return errors

    def answers(self) -> dict[str, str]:
        """The replies by question: the last record of each, without errors."""
        last = {row["id"]: row for row in read_jsonl(self.file)}
        return {key: row["response"] for key, row in last.items() if row["error"] is None}

    def answers_of_whole(self) -> dict[str, str]:
        """The replies of the undisturbed run."""
        rows = map(json.loads, self.whole.splitlines())
        return {row["id"]: row["response"] for row in rows}


def quiet(done: Done) -> None:
    """The output of a command has no traceback and no control characters."""
    for text in (done.stdout, done.stderr):
        assert "Traceback" not in text, text[-2000:]
        assert all(c.isprintable() or c == "\n" for c in text)
