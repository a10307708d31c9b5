"""vLLM's engine in a separate process, spoken to through two pipes.

A message is described in `worker`, which is run by its path with another interpreter.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from vicabench.adapters.vllm.worker import LENGTHS
from vicabench.errors import ConfigError, counted

LOG = logging.getLogger(__name__)
WORKER = Path(__file__).with_name("worker.py")
VARIABLE = "VICABENCH_VLLM_PYTHON"
PROBE = """
import json
from importlib.util import find_spec
print("FOUND", json.dumps(find_spec("vllm") is not None))
"""
PROBE_SECONDS = 60.0
CLOSING_SECONDS = 15.0
LOST = 3
"""After so many lost engines in a row, none is started any more."""
POLL_SECONDS = 0.5
READ, LINES, WIDEST = 20_000, 15, 200
"""Bytes of the engine's log that are read, and lines and their characters that an error shows."""
OURS = {"gpu[-_]memory[-_]utilization": "--gpu-memory", "max[-_]model[-_]len": "--max-model-len"}
"""What vLLM calls our options."""
INSTALL = (
    "python3 -m venv vllm && vllm/bin/pip install vllm, then --vllm-python vllm/bin/python "
    f"or the variable {VARIABLE}"
)
SECRET = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL)", re.IGNORECASE)
QUIET = {
    # Weights are here already, and code of a repository is never run.
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
"""Variables of the engine's process, which has no further process unless several GPUs need it."""


class EngineLostError(Exception):
    """The engine's process has ended, or said that it cannot go on; says why.

    Attributes:
        log: The last lines that it has printed.
    """

    def __init__(self, why: str, log: str = "") -> None:
        super().__init__(why)
        self.log = log

    @property
    def whole(self) -> str:
        """The reason and the log."""
        return f"{self}. The end of its log:\n{self.log}" if self.log else str(self)


def interpreter(named: str) -> str:
    """The interpreter that has vLLM: the one named, that of the variable, or this one.

    Raises:
        ConfigError: There is none, it does not start, or has no vLLM.
    """
    chosen = named or os.environ.get(VARIABLE, "")
    if not chosen:
        if find_spec("vllm") is None:
            raise ConfigError(
                "vLLM is not installed in this environment, and vicabench needs a newer "
                f"transformers than it allows: give it its own: {INSTALL}."
            )
        return sys.executable
    source = "--vllm-python" if named else VARIABLE
    try:
        done = subprocess.run(  # noqa: S603  (the user's own interpreter)
            [chosen, "-P", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{source} {chosen} does not start: {error}. {INSTALL}.") from error
    lines = done.stdout.splitlines()
    if "FOUND true" in lines:
        return chosen
    if "FOUND false" in lines:
        raise ConfigError(f"{source} {chosen} has no vLLM. Install it there, or: {INSTALL}.")
    said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
    raise ConfigError(
        f"{source} {chosen} is not an interpreter of Python 3.11 or newer: {said}. {INSTALL}."
    )


def _environment() -> dict[str, str]:
    """This environment without keys, and with what the engine's process needs."""
    kept = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    kept.pop("PYTHONPATH", None)  # its packages are of another environment
    return {**kept, **QUIET}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a started engine says of itself."""

    versions: Mapping[str, str]
    device: str
    device_name: str
    dtype: str
    max_model_len: int


class Engine:
    """A running engine.

    Args:
        python: The interpreter that has vLLM.
        options: The arguments of `vllm.LLM`.

    Raises:
        ConfigError: The engine does not start; the message has the end of its log.
    """

    def __init__(self, python: str, options: Mapping[str, Any]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [python, "-P", str(WORKER), str(theirs_in), str(theirs_out)],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
                pass_fds=(theirs_in, theirs_out),
                env=_environment(),
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._requests = os.fdopen(ours_out, "wb")
        self._replies = ours_in
        self._end = weakref.finalize(
            self, _end, self._process, self._requests, self._replies, self._log
        )
        try:
            self.facts = Facts(**self._exchange({"engine": dict(options)}))
        except EngineLostError as error:
            raise ConfigError(f"vLLM's engine does not start: {error.whole}") from error

    def answer(self, header: Mapping[str, Any], frames: Any) -> dict[str, Any]:
        """Send prompts about frames (uint8, contiguous), and wait for the replies.

        Raises:
            EngineLostError: The engine cannot go on; another one has to be started.
        """
        return self._exchange(header, memoryview(frames).cast("B"))

    def close(self) -> None:
        """End the process and all that it has started."""
        self._end()

    def _exchange(self, header: Mapping[str, Any], raw: Any = b"") -> dict[str, Any]:
        try:
            self._send(header, raw)
            reply: dict[str, Any] = json.loads(self._receive())
        except EngineLostError:
            self.close()
            raise
        except BaseException:  # such as Ctrl-C: what comes later would answer another question
            _kill(self._process)
            self.close()
            raise
        if "failed" in reply:
            hint = ". vLLM does not run this model: hf: may" if reply.get("unsupported") else ""
            said = reply["failed"].rstrip(".")
            ours = [name for theirs, name in OURS.items() if re.search(theirs, said)]
            hint += f". See {' and '.join(ours)}" if ours else ""
            lost = EngineLostError(said + hint, _tail(self._log))
            self.close()
            raise lost
        return reply

    def _send(self, header: Mapping[str, Any], raw: Any) -> None:
        text = json.dumps(header).encode()
        try:
            self._requests.write(LENGTHS.pack(len(text), len(raw)) + text)
            self._requests.write(raw)
            self._requests.flush()
        except BrokenPipeError as error:
            raise self._lost() from error

    def _receive(self) -> bytes:
        head, _ = LENGTHS.unpack(self._read(LENGTHS.size))
        return self._read(head)

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            ready, _, _ = select.select([self._replies], [], [], POLL_SECONDS)
            part = os.read(self._replies, count - len(parts)) if ready else b""
            if not part and (ready or _has_ended(self._process)):
                raise self._lost()
            parts += part
        return bytes(parts)

    def _lost(self) -> EngineLostError:
        ended = _killed(self._process)
        return EngineLostError(f"its process ended ({ended})", _tail(self._log))


@dataclass
class Running:
    """The engine of a run, which is started again when it was lost; and what it has done.

    Attributes:
        stopped: Why no engine is started any more.
        lost: How many were lost since the last answer.
    """

    python: str
    options: Mapping[str, Any]
    engine: Engine | None = None
    stopped: str | None = None
    lost: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"answers": 0.0})
    tokens: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("prefill", "cached", "answers"), 0)
    )

    def open(self) -> Engine:
        """Start an engine; ConfigError if it does not start."""
        self.engine = Engine(self.python, self.options)
        return self.engine

    def start(self) -> Engine:
        """The running engine, or a new one; EngineLostError if there is to be none."""
        if self.stopped is not None:
            raise EngineLostError(self.stopped)
        if self.engine is None:
            try:
                self.open()
            except ConfigError as error:
                self.stopped = str(error)
                raise EngineLostError(self.stopped) from error
        return self.engine or self.open()

    def ask(self, header: Mapping[str, Any], frames_THWC: Any) -> list[dict[str, Any]]:
        """The replies to prompts; with a new engine once, if this one is lost.

        Raises:
            EngineLostError: It was lost again.
        """
        for again in (True, False):
            try:
                reply = self.start().answer(header, frames_THWC)
            except EngineLostError as error:
                self.engine, self.lost = None, self.lost + 1
                if self.stopped is None and self.lost >= LOST:
                    lost = counted(self.lost, "time")
                    self.stopped = f"vLLM's engine was lost {lost} in a row; the last: {error}"
                if not again or self.stopped is not None:
                    raise
                LOG.warning("vLLM's engine is started again: %s", error.whole)
            else:
                self.lost = 0
                self._count(reply)
                replies: list[dict[str, Any]] = reply["replies"]
                return replies
        raise AssertionError

    def _count(self, reply: Mapping[str, Any]) -> None:
        self.seconds["answers"] += reply["seconds"]
        for each in reply["replies"]:
            if "error" not in each:
                self.tokens["prefill"] += each["prompt_tokens"] - each["cached"]
                self.tokens["cached"] += each["cached"]
                self.tokens["answers"] += len(each["ids"])


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended; it is not reaped, so that its group keeps its number."""
    if process.returncode is not None:
        return True
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, flags) is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and those that it has started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _killed(process: subprocess.Popen[bytes]) -> str:
    """End what is left of a process, and say how it ended."""
    for _ in range(int(CLOSING_SECONDS / POLL_SECONDS)):
        if _has_ended(process):
            break
        select.select([], [], [], POLL_SECONDS / 5)
    _kill(process)
    code = process.returncode
    if code is not None and code < 0:
        return f"signal {-code}, {signal.strsignal(-code)}"
    return f"exit code {code}"


def _end(
    process: subprocess.Popen[bytes], requests: IO[bytes], replies: int, log: IO[bytes]
) -> None:
    """End an engine: it ends by itself when there are no more requests."""
    with suppress(OSError):  # it may have gone before it read all
        requests.close()
    for _ in range(int(CLOSING_SECONDS / POLL_SECONDS * 10)):
        if _has_ended(process):
            break
        select.select([], [], [], POLL_SECONDS / 10)
    _kill(process)
    os.close(replies)
    log.close()


def _tail(log: IO[bytes]) -> str:
    """The last lines of a log, cut where they are long."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - READ))
    lines = log.read().decode(errors="replace").strip().splitlines()
    return "\n".join(line[:WIDEST] for line in lines[-LINES:])
