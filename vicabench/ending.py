"""How a command ends on Ctrl-C, a cluster's SIGTERM, or a closed terminal's SIGHUP.

All three have the same effect: the first one raises KeyboardInterrupt in the main thread, later
ones do nothing, so that results can be written. Only a third Ctrl-C interrupts once more, in case
the writing hangs. Inside `held` the exception is deferred to the next `interruptible` block, so
that nothing is lost between two steps.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection
from types import FrameType, TracebackType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
FORCED = 3


class _State:
    asked = raised = holding = False
    presses = 0


def install() -> None:
    """Handle the signals from now on, except those already ignored (`nohup`, `&` in a script)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def ignore(*, but: Collection[signal.Signals] = ()) -> None:
    """Ignore the signals, except `but`: the parent process handles them and ends this one."""
    for number in SIGNALS:
        if number not in but:
            signal.signal(number, signal.SIG_IGN)


def _handle(number: int, _frame: FrameType | None) -> None:
    _State.asked = True
    _State.presses += number == signal.SIGINT
    forced = number == signal.SIGINT and _State.presses >= FORCED
    if forced or not (_State.raised or _State.holding):
        _State.raised = True
        raise KeyboardInterrupt


def check() -> None:
    """Raise KeyboardInterrupt if a signal arrived while signals were held."""
    if _State.asked and not _State.raised:
        _State.raised = True
        raise KeyboardInterrupt


class _Block:
    """Holds signals, or lets them through, inside the block; has no effect in other threads."""

    def __init__(self, *, holding: bool) -> None:
        self._holding = holding
        self._main = threading.current_thread() is threading.main_thread()
        self._before = False

    def __enter__(self) -> None:
        if self._main:
            self._before, _State.holding = _State.holding, self._holding
            if not self._holding:
                check()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._main:
            _State.holding = self._before
            if error is None and not self._before:
                check()


def held() -> _Block:
    """A block that signals interrupt only in `interruptible` parts, and at its end."""
    return _Block(holding=True)


def interruptible() -> _Block:
    """A part of a `held` block that signals may interrupt because it waits or runs other code."""
    return _Block(holding=False)
