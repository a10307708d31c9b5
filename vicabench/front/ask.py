"""Questions about a video that is encoded once: `vicabench ask`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from vicabench.adapters import build_adapter
from vicabench.adapters.abilities import AnswersAbout, Ask
from vicabench.engine.decode import DecodeAhead
from vicabench.engine.options import check_decoder
from vicabench.engine.run import LogBridge, log_handlers
from vicabench.errors import ConfigError, DataError, counted, is_unicode
from vicabench.options import FRAMES, VIDEO_TIMEOUT
from vicabench.screen import saying
from vicabench.types import AdapterContext, Answer, Benchmark, ModelOptions, Video

MODEL = "nkkbr/ViCA2"


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A video that a model has encoded: `answers(questions)` are its answers about it."""

    video: Video
    about: Ask

    def answers(self, questions: Sequence[str]) -> list[Answer]:
        """Answer each question, in order; an answer that failed has an `error`."""
        return list(self.about(questions))

    def __repr__(self) -> str:
        frames = counted(len(self.video.seconds), "frame")
        return f"<{self.video.name}, encoded: {frames} of {self.video.duration:.1f} s>"


def ask(
    video: str | Path,
    questions: str | Sequence[str],
    *,
    model: str = MODEL,
    frames: int = FRAMES,
    decoder: str = "auto",
    video_timeout: float = VIDEO_TIMEOUT,
    progress: bool = True,
    **options: Any,
) -> list[Answer]:
    """Encode a video once and answer each question about it.

    Args:
        video: The video's file.
        questions: What to ask: one question, or several.
        model: A checkpoint of ViCA or ViCA2: a hub id or folder.
        frames: How many frames are sampled from the video.
        decoder: `auto`, `pyav` or `decord`.
        video_timeout: Seconds after which decoding the video is given up.
        progress: Whether to report on standard error how long decoding and encoding took.
        options: How the model runs: other options of `vicabench ask`, by name.

    Raises:
        ConfigError: For an empty question, or a model that cannot be asked about a video.
        DataError: For a video that cannot be read.
    """
    asked = [questions] if isinstance(questions, str) else list(questions)
    check_questions(asked)
    how: dict[str, Any] = {"frames": frames, "decoder": decoder, "video_timeout": video_timeout}
    with encoded(video, model=model, progress=progress, **how, **options) as about:
        return about.answers(asked)


@contextmanager
def encoded(
    video: str | Path,
    *,
    model: str = MODEL,
    frames: int = FRAMES,
    decoder: str = "auto",
    video_timeout: float = VIDEO_TIMEOUT,
    progress: bool = True,
    **options: Any,
) -> Iterator[Encoded]:
    """Encode a video once, to ask any number of questions within the context.

    Takes the arguments of `ask`, except `questions`, and raises the same errors.
    """
    check_decoder(decoder)
    file, say = Path(video), saying(progress)
    file.stat()  # raises OSError for a missing file before a large model is loaded
    adapter = _adapter(model, frames, ModelOptions(**options))
    ahead = DecodeAhead(frames=frames, limit_seconds=video_timeout, decoder=decoder)
    decoded, decoding = _decoded(file, ahead, say)
    with log_handlers(LogBridge(say)):
        started = perf_counter()
        about = adapter.about(decoded)
        say(
            f"{file.name}: {counted(len(decoded.seconds), 'frame')} of {decoded.duration:.1f} s "
            f"decoded in {decoding:.1f} s, encoded once in {perf_counter() - started:.1f} s"
        )
        yield Encoded(video=decoded, about=about)


def check_questions(questions: Sequence[str]) -> None:
    """Raise ConfigError for a question that is empty or cannot be encoded in UTF-8."""
    for number, question in enumerate(questions, start=1):
        if not question.strip():
            raise ConfigError(f"Question {number} of {len(questions)} is empty: leave it out.")
        if not is_unicode(question):
            raise ConfigError(f"Question {number} of {len(questions)} is not valid UTF-8 text.")


def _decoded(file: Path, ahead: DecodeAhead, say: Any) -> tuple[Video, float]:
    """Decode the video: the video and the seconds taken; DataError if it cannot be read."""
    with ahead:
        decoded = next(ahead.stream([(file.name, file)]))
    if decoded.error:
        raise DataError(f"{decoded.error.removeprefix('video: ')}.")
    for text in decoded.frames.warnings if decoded.frames else ():
        say(f"{file.name}: {text}")
    return decoded.video(), decoded.seconds


def _adapter(model: str, frames: int, options: ModelOptions) -> AnswersAbout:
    """Build the model's adapter; ConfigError if it only answers questions of a benchmark."""
    benchmark = Benchmark(name="ask", subset="", revision="", questions=(), files={})
    context = AdapterContext(benchmark=benchmark, seed=0, frames=frames, options=options)
    adapter = build_adapter(model, context)
    if not isinstance(adapter, AnswersAbout):
        raise ConfigError(
            f"{model} cannot be asked about a single video: it only answers a benchmark's "
            "questions. Name a checkpoint, such as --model nkkbr/ViCA2 or --model ./folder."
        )
    return adapter
