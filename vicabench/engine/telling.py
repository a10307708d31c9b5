"""What vicabench and `vica` log while a model answers, passed on to whoever reads the output."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

LOGGERS = ("vicabench", "vica")


class Telling(logging.Handler):
    """Passes on the text of warnings; errors are told with the answers that they cost."""

    def __init__(self, warned: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warned = warned

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it, if it is a warning."""
        if record.levelno == logging.WARNING:
            self._warned(record.getMessage())


@contextmanager
def listening(*handlers: logging.Handler) -> Iterator[None]:
    """Let these handlers have what is logged within the block."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger, handler in product(loggers, handlers):
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, handler in product(loggers, handlers):
            logger.removeHandler(handler)
