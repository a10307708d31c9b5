"""Final answers turned into numbers and letters by a language model: `vicabench canonicalize`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from vicabench.adapters.text import TextModel, text_model
from vicabench.benchmarks.paths import cache_dir
from vicabench.engine.timing import account_lines
from vicabench.errors import counted
from vicabench.front.progress import Counting
from vicabench.judging.canonical import NOTHING, refuse_derived
from vicabench.judging.canonical import canonicalize as derive
from vicabench.judging.replies import Reply, ReplyCache
from vicabench.predictions import Prediction
from vicabench.results.run import CANONICALIZER_ERROR, Run, load_run
from vicabench.results.store import PREDICTIONS
from vicabench.screen import console, saying
from vicabench.types import ModelOptions

READ, NONE, EMPTY, FAILED, BLAMED = "read", "none", "empty", "failed", "blamed"
EXPLAINED = {
    READ: "were turned into a number or a letter",
    NONE: f"hold no answer ({NOTHING})",
    EMPTY: "have no final answer",
    FAILED: "had failed in the original run",
    BLAMED: "are errors: the language model failed, or its reply was neither number nor letter",
}


def canonicalize(
    run: Run | str | Path,
    model: str,
    *,
    out: str | Path | None = None,
    max_new_tokens: int = 512,
    retry_errors: bool = False,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Have a language model turn each final answer into a number or a letter.

    The model gets the question and the final answer, never the ground truth. Its replies are
    cached: repeating the call continues an interrupted one.

    Args:
        run: A run, or the path of a run folder or predictions file.
        model: The model that reads the answers: `openai:NAME`, `gemini:NAME`, `anthropic:NAME`
            or `hf:ORG/NAME`.
        out: The folder of the derived run; by default the run's folder name with `-canonical`.
        max_new_tokens: Maximum number of tokens in a reply.
        retry_errors: Whether to retry answers that the model failed to read.
        progress: Whether to show progress on standard error.
        options: How the model is called or run: other options of the command, by name.

    Raises:
        ConfigError: For a derived run, an unknown model, or a missing API key.
        RunFolderError: If `out` holds anything but this derived run.
    """
    source = run if isinstance(run, Run) else load_run(run)
    refuse_derived(source)
    folder = _beside(source.path) if out is None else Path(out)
    say = saying(progress)
    try:
        with text_model(model, ModelOptions(**options)) as reader:
            cached = _read(
                source, reader, model, folder, max_new_tokens, retry=retry_errors, progress=progress
            )
            account = reader.account.record() if reader.account else None
    except KeyboardInterrupt:
        say(f"Interrupted. {folder} keeps the answers read; repeat the same command to continue.")
        raise
    for line in account_lines(account, cached):
        say(line)
    return load_run(folder)


def _read(
    run: Run, model: TextModel, name: str, folder: Path, tokens: int, *, retry: bool, progress: bool
) -> int:
    """Read all outstanding answers and return how many replies came from the cache."""
    cached = 0

    def started(owed: int, total: int) -> None:
        if owed < total:
            counting.say(
                f"Answers already read by an earlier start: {total - owed:,} of {total:,}."
            )
        counting.begin(owed)

    def answered(_: Prediction, reply: Reply | None) -> None:
        nonlocal cached
        cached += reply is not None and reply.cached
        counting.advance()

    terminal = console(stderr=True)
    terminal.quiet = not progress
    with Counting(terminal, f"{run.name} read by {name}") as counting:
        derive(
            run,
            model,
            folder,
            ReplyCache(folder=cache_dir() / "replies"),
            max_new_tokens=tokens,
            retry_errors=retry,
            started=started,
            answered=answered,
        )
    return cached


def outcomes(derived: Run) -> str:
    """Summarise the outcomes of a derived run in one sentence."""
    counts = Counter(map(_outcome, derived.predictions))
    parts = [f"{counts[name]:,} {EXPLAINED[name]}" for name in EXPLAINED if counts[name]]
    return f"Of {counted(len(derived.predictions), 'answer')} " + ", ".join(parts) + "."


def _beside(path: Path) -> Path:
    """The default output folder: beside the source, named after it."""
    place = path.resolve()
    if place.name == PREDICTIONS:
        place = place.parent
    return place.with_name(f"{place.name if place.is_dir() else place.stem}-canonical")


def _outcome(prediction: Prediction) -> str:
    if prediction.response is None:
        blamed = (prediction.answer.error or "").startswith(CANONICALIZER_ERROR)
        return BLAMED if blamed else FAILED
    if not prediction.response:
        return EMPTY
    return NONE if prediction.response == NOTHING else READ
