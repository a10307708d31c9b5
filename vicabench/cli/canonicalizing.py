"""What `vicabench canonicalize` does once its options are parsed."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from vicabench.adapters.text import text_model
from vicabench.benchmarks.paths import cache_dir
from vicabench.cli.counting import Counting
from vicabench.cli.running import say
from vicabench.cli.texts import account_lines
from vicabench.errors import counted
from vicabench.judging.canonical import NOTHING, canonicalize, refuse_derived
from vicabench.judging.replies import Reply, ReplyCache
from vicabench.results.predictions import Prediction
from vicabench.results.run import CANONICALIZER_ERROR, Run, load_run
from vicabench.results.store import PREDICTIONS
from vicabench.screen import console
from vicabench.types import ModelOptions

READ, NONE, EMPTY, FAILED, BLAMED = "read", "none", "empty", "failed", "blamed"
EXPLAINED = {
    READ: "made a number or a letter",
    NONE: f"hold no answer ({NOTHING})",
    EMPTY: "have no final answer at all",
    FAILED: "were failures of the run already",
    BLAMED: "are errors now: the language model failed, or replied something else",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench canonicalize`."""

    path: Path
    model: str
    out: Path | None
    max_new_tokens: int
    retry_errors: bool
    options: ModelOptions


def canonicalize_run(request: Request) -> None:
    """Write the derived run, say what came of it, and exit with what the exit code has to say."""
    terminal = console(stderr=True)
    run = load_run(request.path)
    refuse_derived(run)
    folder = request.out or _beside(request.path)
    _derive(request, run, folder, terminal)
    derived = load_run(folder)
    _say_outcome(derived, terminal)
    say(terminal, f"Grade them: vicabench score {request.path} {folder}")
    sys.exit(1 if any(p.response is None for p in derived.predictions) or derived.unasked else 0)


def _derive(request: Request, run: Run, folder: Path, terminal: Console) -> None:
    """Have all that is owed read, and say what was sent for it; exits with 130 on Ctrl-C."""
    cached = 0

    def started(owed: int, total: int) -> None:
        if owed < total:
            counting.say(f"Answers from an earlier start: {total - owed:,} of {total:,}.")
        counting.begin(owed)

    def answered(_: Prediction, reply: Reply | None) -> None:
        nonlocal cached
        cached += reply is not None and reply.cached
        counting.advance()

    counting = Counting(terminal, f"{run.name} read by {request.model}")
    with text_model(request.model, request.options) as model, counting:
        try:
            canonicalize(
                run,
                model,
                folder,
                ReplyCache(folder=cache_dir() / "replies"),
                max_new_tokens=request.max_new_tokens,
                retry_errors=request.retry_errors,
                started=started,
                answered=answered,
            )
        except KeyboardInterrupt:
            counting.say(
                f"Interrupted. What was read is kept in {folder}; the same command goes on."
            )
            sys.exit(130)
        account = model.account.record() if model.account else None
    for line in account_lines(account, cached):
        say(terminal, line)


def _beside(path: Path) -> Path:
    """A folder next to what is read, named after it."""
    place = path.resolve()
    if place.name == PREDICTIONS:
        place = place.parent
    return place.with_name(f"{place.name if place.is_dir() else place.stem}-canonical")


def _say_outcome(derived: Run, terminal: Console) -> None:
    found = Counter(map(_outcome, derived.predictions))
    parts = [f"{found[name]:,} {EXPLAINED[name]}" for name in EXPLAINED if found[name]]
    say(terminal, f"Of {counted(len(derived.predictions), 'answer')} " + ", ".join(parts) + ".")


def _outcome(prediction: Prediction) -> str:
    if prediction.response is None:
        blamed = (prediction.answer.error or "").startswith(CANONICALIZER_ERROR)
        return BLAMED if blamed else FAILED
    if not prediction.response:
        return EMPTY
    return NONE if prediction.response == NOTHING else READ
