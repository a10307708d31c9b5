"""The rules by which harnesses choose the frames of a video: `--frame-rule`.

Each is known by a short name. A rule takes a number of frames, or a rate, or either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vica.video import ByRate, VideoError, sample_indices

from vicabench.errors import ConfigError, did_you_mean

Indices = NDArray[np.int64]
PAIR = 2
"""Qwen's models read frames in pairs, so qwen_vl_utils takes an even number of them."""
LEAST, MOST = 4, 768
"""The fewest and the most frames that qwen_vl_utils takes at a rate."""


def _vila(total: int, count: int) -> Indices:
    return np.linspace(0, max(total - 2, 0), count, dtype=np.int64)


def _segments(total: int, count: int) -> Indices:
    """The middles of `count` equal segments."""
    size = (total - 1) / count
    return np.array([int(size / 2 + np.round(size * i)) for i in range(count)], np.int64)


def _inner(total: int, count: int) -> Indices:
    return np.array([int(i * (total / (count + 1))) for i in range(1, count + 1)], np.int64)


def _qwen(total: int, count: int) -> Indices:
    even = PAIR * max(round(min(count, PAIR * (total // PAIR)) / PAIR), 1)
    return np.rint(np.linspace(0, total - 1, even)).astype(np.int64)


def _with_last(indices: Indices, total: int) -> Indices:
    return indices if indices.size and indices[-1] == total - 1 else np.append(indices, total - 1)


def _tail(total: int, count: int) -> Indices:
    return _with_last(sample_indices(total, count), total)


def _tail_by_rate(total: int, rate: float, fps: float) -> Indices:
    step = rate / fps
    taken = [int(i * step) for i in range(int(total / rate * fps))]
    return _with_last(np.array(taken, np.int64), total)


def _qwen_by_rate(total: int, rate: float, fps: float) -> Indices:
    most = PAIR * (min(MOST, total) // PAIR)
    wanted = min(max(total / rate * fps, LEAST), most, total)
    return _qwen(total, PAIR * math.floor(wanted / PAIR))


def _seconds(total: int, rate: float, fps: float) -> Indices:
    """As many uniform ones as there are whole seconds, times `fps`."""
    return sample_indices(total, max(1, int(int(total / rate) * fps)))


def _uniform(indices: Indices, total: int, most: int) -> Indices:
    """The most, uniform, if there are more."""
    return sample_indices(total, most) if 0 < most < len(indices) else indices


def _uniform_pairs(indices: Indices, total: int, most: int) -> Indices:
    return _qwen(total, most) if 0 < most < len(indices) else indices


def _repeated(indices: Indices, total: int, most: int) -> Indices:  # noqa: ARG001
    """Uniform ones of these, some more than once if there are fewer."""
    return indices[sample_indices(len(indices), most)] if most else indices


def _unique(indices: Indices, total: int, most: int) -> Indices:
    return np.unique(_repeated(indices, total, most))


@dataclass(frozen=True, kw_only=True)
class Known:
    """A rule by number, by rate, or both; `thin` takes the most of too many at a rate."""

    what: str
    by_number: Callable[[int, int], Indices] | None = None
    by_rate: Callable[[int, float, float], Indices] | None = None
    thin: Callable[[Indices, int, int], Indices] = _uniform


LINEAR = "lin"
RULES: Mapping[str, Known] = {
    LINEAR: Known(
        what="linspace(0, N - 1, n), truncated; by rate every max(1, round(rate / fps))-th",
        by_number=sample_indices,
        by_rate=lambda total, rate, fps: ByRate(fps=fps).indices(total, rate),
    ),
    "vila": Known(what="linspace(0, N - 2, n), truncated", by_number=_vila),
    "seg": Known(what="s = (N - 1) / n; int(s / 2 + round(s i))", by_number=_segments),
    "inner": Known(what="int(i N / (n + 1)), i from 1 to n", by_number=_inner),
    "tail": Known(
        what="linspace(0, N - 1, n), truncated, and the last; by rate int(i rate / fps)",
        by_number=_tail,
        by_rate=_tail_by_rate,
    ),
    "seconds": Known(
        what="linspace(0, N - 1, n), truncated, n at most fps times the whole seconds",
        by_rate=_seconds,
    ),
    "qwen": Known(
        what="round(linspace(0, N - 1, n)), n even (qwen_vl_utils)",
        by_number=_qwen,
        by_rate=_qwen_by_rate,
        thin=_uniform_pairs,
    ),
    "qwen-lin": Known(
        what="qwen by rate, then n of these by linspace, each once",
        by_rate=_qwen_by_rate,
        thin=_unique,
    ),
    "qwen-lin-repeat": Known(
        what="qwen by rate, then n of these by linspace, some twice if there are fewer",
        by_rate=_qwen_by_rate,
        thin=_repeated,
    ),
}
"""The rules, where N is the number of frames of a video and n the number wanted."""


@dataclass(frozen=True, kw_only=True)
class ByRule:
    """Frames of a video by one of `RULES`: `frames` of them, or at `fps` and at most `most`.

    Raises:
        ConfigError: For an unknown rule, or one that does not go by what is given.
    """

    rule: str
    frames: int = 0
    fps: float = 0.0
    most: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            near = did_you_mean(self.rule, RULES)
            raise ConfigError(
                f"There is no --frame-rule {self.rule}. Rules are {', '.join(RULES)}.{near}"
            )
        known = RULES[self.rule]
        if (known.by_rate if self.fps else known.by_number) is None:
            other = "--frames, not --fps" if self.fps else "--fps, not --frames"
            raise ConfigError(f"--frame-rule {self.rule} goes by {other}.")

    def indices(self, total: int, rate: float) -> Indices:
        """The numbers of the frames to take, of `total` at this average rate.

        Raises:
            VideoError: `total` is below 1.
        """
        if total < 1:
            raise VideoError("cannot sample a video without frames")
        known = RULES[self.rule]
        if self.fps and known.by_rate:
            taken = known.thin(known.by_rate(total, rate, self.fps), total, self.most)
        elif known.by_number:
            taken = known.by_number(total, self.frames)
        return taken.clip(0, total - 1)

    def __str__(self) -> str:
        """The rule in words, as a run's configuration has it."""
        how = f"{self.fps:g} a second, at most {self.most or 'all'}" if self.fps else "by number"
        return f"{self.rule} ({how}): {RULES[self.rule].what}"
