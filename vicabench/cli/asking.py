"""What `vicabench ask` does once its options are parsed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.text import Text

from vicabench.adapters import build_adapter
from vicabench.adapters.abilities import AnswersAbout, Ask
from vicabench.engine.decode import DecodeAhead
from vicabench.engine.options import check_decoder
from vicabench.engine.run import LogBridge, log_handlers
from vicabench.errors import ConfigError, DataError, counted, is_unicode
from vicabench.screen import console, echo
from vicabench.types import AdapterContext, Answer, Benchmark, ModelOptions, Video


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench ask`."""

    video: Path
    questions: tuple[str, ...]
    model: str
    frames: int
    decoder: str
    video_timeout: float
    options: ModelOptions
    as_json: bool


def ask_all(request: Request) -> None:
    """Answer all questions, and exit with 1 if one has no answer."""
    terminal = console(stderr=True)
    check_decoder(request.decoder)
    _check_questions(request.questions)
    request.video.stat()  # before a large model is loaded; a missing file is an OSError
    adapter = _adapter(request)
    video, decoding = _decoded(request, terminal)
    with log_handlers(LogBridge(lambda text: _note(terminal, text))):
        started = perf_counter()
        ask = adapter.about(video)
        _note(
            terminal,
            f"{request.video.name}: {counted(len(video.seconds), 'frame')} of "
            f"{video.duration:.1f} s decoded "
            f"in {decoding:.1f} s, encoded once in {perf_counter() - started:.1f} s",
        )
        failed = _answered(request, ask, terminal)
    sys.exit(1 if failed else 0)


def _check_questions(questions: Sequence[str]) -> None:
    for number, question in enumerate(questions, start=1):
        if not question.strip():
            raise ConfigError(f"Question {number} of {len(questions)} is empty: leave it out.")
        if not is_unicode(question):
            raise ConfigError(f"Question {number} of {len(questions)} is no text in UTF-8.")


def _answered(request: Request, ask: Ask, terminal: Console) -> int:
    """Show the answers to what is asked; how many questions have none."""
    failed = 0
    for questions in [request.questions] if request.questions else _typed(terminal):
        for question, answer in zip(questions, ask(questions), strict=True):
            _show(terminal, question, answer, as_json=request.as_json)
            failed += answer.error is not None
    return failed


def _decoded(request: Request, terminal: Console) -> tuple[Video, float]:
    """The video and the seconds that decoding took; DataError if it cannot be read."""
    process = DecodeAhead(
        frames=request.frames, limit_seconds=request.video_timeout, decoder=request.decoder
    )
    with process:
        decoded = next(process.stream([(request.video.name, request.video)]))
    if decoded.error:
        raise DataError(f"{decoded.error.removeprefix('video: ')}.")
    for text in decoded.frames.warnings if decoded.frames else ():
        _note(terminal, f"{request.video.name}: {text}")
    return decoded.video(), decoded.seconds


def _adapter(request: Request) -> AnswersAbout:
    """The model's adapter; ConfigError if it answers nothing but a benchmark's questions."""
    benchmark = Benchmark(name="ask", subset="", revision="", questions=(), files={})
    context = AdapterContext(
        benchmark=benchmark, seed=0, frames=request.frames, options=request.options
    )
    adapter = build_adapter(request.model, context)
    if not isinstance(adapter, AnswersAbout):
        raise ConfigError(
            f"{request.model} cannot be asked about a video: it answers a benchmark's questions "
            "only. Name a checkpoint, such as --model nkkbr/ViCA2 or --model ./folder."
        )
    return adapter


def _typed(terminal: Console) -> Iterator[tuple[str]]:
    """The lines of standard input that are not empty, asked for in a terminal."""
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # it is a text file
    if sys.stdin.isatty():
        _note(terminal, "Ask; an empty line or Ctrl-D ends.")
    while True:
        if sys.stdin.isatty():
            terminal.print(Text("? ", style="bold"), end="")
        line = sys.stdin.readline()
        if not line or (sys.stdin.isatty() and not line.strip()):
            return
        if line.strip():
            yield (line.strip(),)


def _show(terminal: Console, question: str, answer: Answer, *, as_json: bool) -> None:
    """An answer on standard output, and what it took on standard error."""
    if as_json:
        fields = ("response", "error", "parts", "prompt_tokens", "new_tokens", "stop", "seconds")
        line = {"question": question, **{name: getattr(answer, name) for name in fields}}
        echo(json.dumps(line))
        return
    out = console()
    out.print(Text(question, style="bold"), soft_wrap=True)
    if answer.response is None:
        _note(terminal, f"no answer: {answer.error}")
        return
    out.print(Text(answer.response), soft_wrap=True)
    cut = ", cut at --max-new-tokens" if answer.stop == "length" else ""
    made = "" if answer.new_tokens is None else f", {counted(answer.new_tokens, 'token')}"
    _note(terminal, f"{answer.seconds:.1f} s{made}{cut}")


def _note(terminal: Console, text: str) -> None:
    terminal.print(Text(text, style="dim"), soft_wrap=True)
