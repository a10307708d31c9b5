"""Check of the shared prefill against separate prompts: `vicabench verify`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vicabench.adapters import build_adapter
from vicabench.adapters.abilities import AnswersBothWays
from vicabench.engine.decode import DecodeAhead
from vicabench.engine.loop import Decoding, PrepareAhead, warn_about_frames
from vicabench.engine.run import LogBridge, log_handlers
from vicabench.errors import ConfigError, UserError, counted
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.progress import bars, is_live
from vicabench.options import FRAMES, VIDEO_TIMEOUT
from vicabench.results.plan import by_video
from vicabench.screen import console, saying
from vicabench.types import AdapterContext, Agreement, Benchmark, ModelOptions, Question

if TYPE_CHECKING:
    from pandas import DataFrame

SETTINGS = ("device", "dtype", "attention", "frames_as")
SHOWN = 5
"""How many differing replies are printed; --json has all."""
LONGEST = 70


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How well replies from a shared prefill and from separate prompts agree."""

    model: str
    benchmark: str
    frames: int
    settings: Mapping[str, Any]
    videos: tuple[Verified, ...]

    @property
    def agreements(self) -> list[Agreement]:
        """One agreement for each question that was answered both ways."""
        return [agreement for video in self.videos for agreement in video.agreements]

    @property
    def good(self) -> bool:
        """Whether every video was answered and all replies are the same."""
        return all(a.same for a in self.agreements) and not any(v.error for v in self.videos)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values, as printed by `vicabench verify --json`."""
        agreements = self.agreements
        return {
            "model": self.model,
            "benchmark": self.benchmark,
            "frames": self.frames,
            "settings": dict(self.settings),
            "videos": len(self.videos),
            "questions": len(agreements),
            "same": sum(a.same for a in agreements),
            "largest_logit_difference": max((a.difference for a in agreements), default=None),
            "differing": [asdict(a) for a in agreements if not a.same],
            "errors": {video.video: video.error for video in self.videos if video.error},
        }

    def frame(self) -> DataFrame:
        """One row per question: both replies, where they part, and the largest logit difference."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        return pd.DataFrame([{**asdict(a), "same": a.same} for a in self.agreements])

    def text(self) -> str:
        """The text that `vicabench verify` prints."""
        return "\n".join(_lines(self.to_dict(), self.videos))

    def __repr__(self) -> str:
        same = sum(a.same for a in self.agreements)
        return (
            f"<Verification of {self.model}: {same:,} of "
            f"{counted(len(self.agreements), 'reply', 'replies')} the same>"
        )


def verify(
    model: str,
    questions: Asked = "rooms",
    *,
    limit: int | None = 3,
    frames: int = FRAMES,
    progress: bool = True,
    **options: Any,
) -> Verification:
    """Check that sharing a video's prefill does not change what a model answers.

    Every question of a few videos is answered twice: together from one prefill, and alone.

    Args:
        model: A checkpoint: a hub id or folder.
        questions: The benchmark, as `vicabench.benchmark` takes it.
        limit: Use only the first `limit` videos.
        frames: How many frames are sampled from each video.
        progress: Whether to show progress on standard error.
        options: How the model runs: other options of `vicabench verify`, by name.

    Raises:
        ConfigError: For a model that cannot answer in both ways.
    """
    selected = benchmark(questions, limit=limit, progress=progress)
    decoding = Decoding(
        frames=frames, workers=1, prefetch=1, limit_seconds=VIDEO_TIMEOUT, decoder="auto"
    )
    adapter = verifiable(selected.benchmark, model, decoding, ModelOptions(**options))
    terminal = console(stderr=True, quiet=not progress)
    shown = bars(terminal, transient=True, disable=terminal.quiet or not is_live(terminal))
    with log_handlers(LogBridge(saying(progress))), shown:
        verified = tuple(
            shown.track(
                _both_ways(selected.benchmark, selected.questions, adapter, decoding),
                description="Answering both ways",
                total=len(by_video(selected.questions)),
            )
        )
    settings = adapter.settings
    return Verification(
        model=model,
        benchmark=selected.benchmark.name,
        frames=frames,
        settings={name: settings[name] for name in SETTINGS if name in settings},
        videos=verified,
    )


def _lines(report: Mapping[str, Any], verified: Sequence[Verified]) -> Iterator[str]:
    settings = report["settings"]
    shown = {"video": " as a video", "images": " as images"}.get(settings.get("frames_as"), "")
    yield (
        f"{report['model']} in {settings['dtype']} on {settings['device']} with "
        f"{settings['attention']} attention, {counted(report['frames'], 'frame')}{shown}"
    )
    yield (
        f"Replies that are the same from one prefill and from each whole prompt: {report['same']} "
        f"of {report['questions']} (videos: {report['videos']})"
    )
    if report["largest_logit_difference"] is not None:
        yield f"Largest difference of a logit: {report['largest_logit_difference']:.2g}"
    differing = [a for video in verified for a in video.agreements if not a.same]
    for agreement in differing[:SHOWN]:
        yield from _apart(agreement)
    if len(differing) > SHOWN:
        yield f"... and {len(differing) - SHOWN} more; --json has all"
    for video, error in report["errors"].items():
        yield f"{video}: {error}"


def _apart(agreement: Agreement) -> Iterator[str]:
    margin = (
        ""
        if agreement.margin is None
        else f"; the two best logits there: {agreement.margin:.2g} apart"
    )
    yield f"Question {agreement.question_id} differs from token {agreement.parted} on{margin}"
    yield f"  together  {_short(agreement.shared)}"
    yield f"  alone     {_short(agreement.alone)}"


def _short(reply: str) -> str:
    flat = " ".join(reply.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 3] + "..."


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A video's agreements, or the `error` that says why there are none."""

    video: str
    agreements: tuple[Agreement, ...] = ()
    error: str | None = None


def verifiable(
    benchmark: Benchmark, model: str, decoding: Decoding, options: ModelOptions
) -> AnswersBothWays:
    """The adapter of a model that can answer both ways.

    Raises:
        ConfigError: For any other model.
    """
    context = AdapterContext(benchmark=benchmark, seed=0, frames=decoding.most, options=options)
    adapter = build_adapter(model, context)
    if not isinstance(adapter, AnswersBothWays):
        prefill = adapter.settings.get("prefill")
        why = f" (prefill {prefill})" if prefill else ""
        raise ConfigError(
            f"{model} has only one way of answering{why}, so there is nothing to compare. verify "
            "is for models that share the prefill of a video: docs/models.md names them."
        )
    return adapter


def _both_ways(
    benchmark: Benchmark, selected: Sequence[Question], adapter: AnswersBothWays, decoding: Decoding
) -> Iterator[Verified]:
    """Yield the agreements of one video after another; a video that fails affects no other."""
    questions = by_video(selected)
    files = [(video, benchmark.files[video]) for video in questions]
    ahead = DecodeAhead(
        frames=decoding.frames,
        workers=decoding.workers,
        ahead=decoding.prefetch,
        limit_seconds=decoding.limit_seconds,
        decoder=decoding.decoder,
        cache=decoding.cache,
    )
    with PrepareAhead(adapter) as preparing, ahead:
        for decoded in ahead.stream(files, preparing):
            warn_about_frames(decoded)
            if decoded.frames is None:
                yield Verified(video=decoded.name, error=decoded.error)
                continue
            try:
                agreements = adapter.both_ways(decoded.video(), questions[decoded.name])
                yield Verified(video=decoded.name, agreements=tuple(agreements))
            except UserError:
                raise
            except Exception as error:  # an adapter may raise anything
                logging.getLogger("vicabench").exception("%s", decoded.name)
                yield Verified(video=decoded.name, error=f"{type(error).__name__}: {error}")
