"""The real command line, and a small benchmark of real clips."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from tests import warm as forked
from tests.support import Vicabench, rows_about, write_jsonl
from tests.videos import write_clip

# Timing is no business of these tests, and a failure is never an accident of what was drawn.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")

# Shells start what they put into the background deaf to Ctrl-C, and so would be what we start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `questions.jsonl` and the six clips that it asks about."""
    folder = tmp_path_factory.mktemp("clips")
    for v in range(6):
        write_clip(folder / f"clip{v}.mp4", frames=12 + v)
    write_jsonl(folder / "questions.jsonl", rows_about(6))
    return folder


@pytest.fixture
def vicabench(tmp_path: Path) -> Vicabench:
    """Run `vicabench ARGUMENTS...` in an empty folder and return what came of it."""

    def run(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "vicabench", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160", **extra},
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def warm(tmp_path: Path) -> Vicabench:
    """The same for commands that compute with a model, in a process forked from a warm one."""
    return partial(forked.vicabench, tmp_path)
