"""What is common to the processes that vicabench starts: their search path, and how they ended."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def search_path() -> str:
    """Where this process finds its packages, so that another finds the same ones (PYTHONPATH)."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)


def ending(code: int) -> str:
    """How a process with this return code ended: `signal 9, Killed` or `exit code 1`."""
    return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
