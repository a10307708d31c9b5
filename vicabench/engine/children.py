"""What is common to the processes that vicabench starts: what they are told, how they ended."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

NEEDED = re.compile(
    r"PATH|HOME|USER|TMPDIR|TEMP|TMP|TZ|LANG|LANGUAGE|SYSTEMROOT|VIRTUAL_ENV"
    r"|(LC|LD|DYLD|OMP|KMP|GOMP|MKL|OPENBLAS|DECORD|FFMPEG|COV|COVERAGE)_.*|PYTHON.*"
)
"""Variables without which Python, its libraries and the decoders may not start or run as here."""


def environment_of_decoders() -> dict[str, str]:
    """What a process is told that reads files from anywhere: no keys and tokens, whatever named."""
    kept = {name: value for name, value in os.environ.items() if NEEDED.fullmatch(name)}
    return kept | {"PYTHONPATH": search_path()}


def search_path() -> str:
    """Where this process finds its packages, so that another finds the same ones (PYTHONPATH)."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)


def ending(code: int) -> str:
    """How a process with this return code ended: `signal 9, Killed` or `exit code 1`."""
    return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
