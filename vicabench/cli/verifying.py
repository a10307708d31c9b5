"""What `vicabench verify` does once its options are parsed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import track
from rich.text import Text

from vicabench.benchmarks import Source
from vicabench.cli.loading import load
from vicabench.cli.running import say
from vicabench.engine.loop import Decoding
from vicabench.engine.run import LogBridge, log_handlers
from vicabench.engine.verify import Verified, verifiable, verify
from vicabench.errors import counted
from vicabench.results.plan import by_video, select
from vicabench.screen import console, echo
from vicabench.types import Agreement, ModelOptions

SETTINGS = ("device", "dtype", "attention", "frames_as")
SHOWN = 5
"""Replies that differ, as far as they are printed; --json has all."""
LONGEST = 70


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench verify`."""

    model: str
    benchmark: str
    subset: str
    data: Path | None
    videos: Path | None
    limit: int
    frames: int
    timeout: float
    options: ModelOptions
    as_json: bool


def verify_model(request: Request) -> None:
    """Answer the sample both ways, say how far they agree, and exit with 1 if they do not."""
    terminal = console(stderr=True)
    source = Source(subset=request.subset, data=request.data, videos=request.videos)
    benchmark = load(request.benchmark, source, terminal)
    selected = select(benchmark, limit=request.limit, tasks=())
    decoding = Decoding(
        frames=request.frames,
        workers=1,
        prefetch=1,
        limit_seconds=request.timeout,
        decoder="auto",
    )
    adapter = verifiable(benchmark, request.model, decoding, request.options)
    with log_handlers(LogBridge(lambda text: say(terminal, text))):
        found = list(
            track(
                verify(benchmark, selected, adapter, decoding),
                description="Answering both ways",
                total=len(by_video(selected)),
                console=terminal,
                transient=True,
                disable=not terminal.is_terminal,
            )
        )
    report = _report(request, adapter.settings, found)
    if request.as_json:
        echo(json.dumps(report, indent=2))
    else:
        for line in _lines(report, found):
            console().print(Text(line), soft_wrap=True)
    sys.exit(0 if report["same"] == report["questions"] and not report["errors"] else 1)


def _report(request: Request, settings: Any, found: Sequence[Verified]) -> dict[str, Any]:
    """All that was found, as JSON values."""
    agreements = [a for video in found for a in video.agreements]
    return {
        "model": request.model,
        "benchmark": request.benchmark,
        "frames": request.frames,
        "settings": {name: settings[name] for name in SETTINGS if name in settings},
        "videos": len(found),
        "questions": len(agreements),
        "same": sum(a.same for a in agreements),
        "largest_logit_difference": max((a.difference for a in agreements), default=None),
        "differing": [asdict(a) for a in agreements if not a.same],
        "errors": {video.video: video.error for video in found if video.error},
    }


def _lines(report: dict[str, Any], found: Sequence[Verified]) -> Iterator[str]:
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
    differing = [a for video in found for a in video.agreements if not a.same]
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
