"""Scores as they are shown: rounded as a harness does, or blank for an unfinished run."""

from __future__ import annotations

import math
from dataclasses import replace

from vicabench.harnesses.protocols import Protocol
from vicabench.types import Estimate, Scores


def rounded(scores: Scores, protocol: Protocol) -> Scores:
    """The scores with the means that the harness prints, where it rounds them."""
    if protocol.decimals is None:
        return scores

    def printed(estimate: Estimate) -> Estimate:
        return replace(estimate, mean=protocol.rounded(estimate.mean))

    return replace(
        scores,
        tasks={name: printed(estimate) for name, estimate in scores.tasks.items()},
        overall=printed(scores.overall),
    )


def unscored(scores: Scores) -> Scores:
    """The counts alone: a mean that includes unasked questions says nothing about the model."""

    def blank(estimate: Estimate) -> Estimate:
        return replace(estimate, mean=math.nan, low=math.nan, high=math.nan)

    return replace(
        scores,
        tasks={name: blank(estimate) for name, estimate in scores.tasks.items()},
        types={name: blank(estimate) for name, estimate in scores.types.items()},
        overall=blank(scores.overall),
        micro=blank(scores.micro),
        further={name: blank(estimate) for name, estimate in scores.further.items()},
        beside={},
        valid=blank(scores.valid),
        thinking=None,
    )
