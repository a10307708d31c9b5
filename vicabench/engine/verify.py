"""Does sharing the prefill change any answer? Both ways are run on a sample of videos."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vicabench.adapters import build_adapter
from vicabench.adapters.abilities import AnswersBothWays
from vicabench.engine.decode import DecodeAhead
from vicabench.engine.loop import Decoding, PrepareAhead, warn_about_frames
from vicabench.errors import ConfigError, UserError
from vicabench.results.plan import by_video
from vicabench.types import AdapterContext, Agreement, Benchmark, ModelOptions, Question


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


def verify(
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
