"""What Linux says of other processes, any of which may end while it is read."""

import time
from pathlib import Path

import pytest

GONE = (FileNotFoundError, ProcessLookupError)


def _status(pid: int) -> tuple[str, int] | None:
    """State (`Z` is a zombie) and parent of a process; None once there is none."""
    try:
        # The name stands in brackets and may contain any character, brackets too.
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except GONE:
        return None
    return state, int(parent)


def children(parent: int) -> set[int]:
    """Those started by any thread of `parent`, zombies too."""
    pids = {int(folder.name) for folder in Path("/proc").glob("[0-9]*")}
    return {pid for pid in pids if (status := _status(pid)) and status[1] == parent}


def decoding_processes(parent: int) -> set[int]:
    """Those children of `parent` that decode; waits until there is one."""
    for _ in range(6000):
        if found := {pid for pid in children(parent) if b"decode_worker" in _command(pid)}:
            return found
        time.sleep(0.01)
    pytest.fail(f"process {parent} starts none that decodes")


def wait_until_ended(pid: int) -> None:
    for _ in range(6000):
        if ended(pid):
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still running")


def ended(pid: int) -> bool:
    status = _status(pid)
    return status is None or status[0] == "Z"


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except GONE:
        return b""


def stopped(pid: int) -> bool:
    status = _status(pid)
    return status is not None and status[0] == "T"
