"""Fuzzing that follows coverage, with Atheris: `python -m tests.fuzz.guided replies 60`.

Looks for bytes that make a reader raise what is no UserError, for so many seconds; `replies` or
`predictions`. Prints what libFuzzer prints, and exits with its code: 0 where nothing was found.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vicabench", "vica.chat"]):
    from vicabench.errors import UserError
    from vicabench.harnesses.protocols import PROTOCOLS, find_protocol
    from vicabench.harnesses.reading.thoughts import reasoned
    from vicabench.predictions import read_predictions

    RULES = [find_protocol(name) for name in PROTOCOLS]

FILE = Path(tempfile.gettempdir()) / f"guided-{os.getpid()}.jsonl"


def replies(data: bytes) -> None:
    """Read a reply in every protocol, for both kinds of question."""
    reply = data.decode("utf-8", "surrogateescape")
    for rule in RULES:
        rule.read_number(reply, "m")
        rule.read_choice(reply, ("A. left", "B. front-left"))
    reasoned(reply)


def predictions(data: bytes) -> None:
    """Read a predictions file."""
    FILE.write_bytes(data)
    with suppress(UserError):
        read_predictions(FILE)


if __name__ == "__main__":
    target = {"replies": replies, "predictions": predictions}[sys.argv[1]]
    options = [f"-max_total_time={sys.argv[2]}", "-timeout=10", f"-artifact_prefix={FILE.parent}/"]
    atheris.Setup([sys.argv[0], *options], target)
    try:
        atheris.Fuzz()
    finally:
        FILE.unlink(missing_ok=True)
