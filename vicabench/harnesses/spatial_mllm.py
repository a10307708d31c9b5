"""Spatial-MLLM: how its own evaluation asks and grades.

Source: github diankun-wu/Spatial-MLLM @9fc4738, src/evaluation/vsibench. The last `<answer>` of a
reply counts, else all of it; the numbers are compared by `<` in single precision. It reports both
the mean over questions and that of the tasks; the latter is its published score.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vicabench.harnesses.presets import (
    OTHER,
    PHRASE,
    QWEN2_5,
    QWEN_VIDEO_PIXELS,
    Asks,
    Preset,
    vsi_wording,
)
from vicabench.harnesses.protocols import Protocol
from vicabench.metrics import NUMERIC, THRESHOLDS, Metric

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_LAST = "</answer>"
_NEAR_ZERO = np.float32(1e-8)


def cleaned(reply: str) -> str:
    """The last `<answer>`, else the reply: in lower case, with single spaces, without end stops."""
    # Without this test every opening tag would be followed to the end of the reply.
    found = _ANSWER.findall(reply[: reply.rfind(_LAST) + len(_LAST)]) if _LAST in reply else []
    text = found[-1] if found else reply
    return re.sub(r"\s+", " ", text).strip().rstrip(".").lower()


def read_number(reply: str, _unit: str) -> float | None:
    """What Python's `float` reads in the cleaned reply without commas, else None."""
    try:
        return float(cleaned(reply).replace(",", ""))
    except ValueError:
        return None


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The cleaned reply if it is a single letter; nothing else can equal the ground truth."""
    letter = cleaned(reply).strip().upper()  # of some letters, such as ß, that is two
    return letter if len(letter) == 1 and letter.isalpha() else None


@dataclass(frozen=True, kw_only=True)
class SinglePrecision(Metric):
    """Share of the thresholds t with |prediction - truth| / (|truth| + 1e-8) < 1 - t, in float32.

    Equality, which the strict comparison excludes, is that of single precision.
    """

    name: ClassVar[str] = "mra-float32"
    title: ClassVar[str] = "mean relative accuracy in single precision"
    kinds: ClassVar[tuple[str, ...]] = (NUMERIC,)
    source: ClassVar[str] = "Spatial-MLLM @9fc4738"

    def score(self, read: str, truth: str, options: int) -> float:
        """The score of a number in digits; 0 where it is not finite."""
        del options
        with np.errstate(all="ignore"):
            prediction, target = np.float32(read), np.float32(truth)
            error = np.abs(prediction - target) / (np.abs(target) + _NEAR_ZERO)
            tolerances = np.float32(1) - np.asarray(THRESHOLDS, dtype=np.float32)
        return 0.0 if math.isnan(error) else float(np.mean(error < tolerances))


PROTOCOL = Protocol(
    name="spatial-mllm@9fc4738",
    source="Spatial-MLLM @9fc4738, src/evaluation/vsibench",
    read_number=read_number,
    read_choice=read_choice,
    numbers=SinglePrecision(),
)
VERSIONS = {"9fc4738": PROTOCOL}


SOURCE = (
    "github diankun-wu/Spatial-MLLM @9fc4738: src/evaluation/vsibench/eval_vsibench.py, "
    "scripts/evaluation/evaluate_vsibench_spatial_mllm.sh"
)
GENERATION = {"max_new_tokens": 1024, "temperature": 0.1, "top_p": 0.001}
"""A top_p of 0.001 leaves the best token alone."""

PRESETS = (
    Preset(
        name="spatial-mllm",
        version="9fc4738",
        source=SOURCE,
        reading="spatial-mllm@9fc4738",
        wordings=(vsi_wording("spatial-mllm", SOURCE, numeric=PHRASE, opening=""),),
        families={
            QWEN2_5: Asks(
                wording="spatial-mllm",
                frames=16,
                frame_rule="qwen",
                frames_as="video",
                assume_fps=2.0,
                generation=GENERATION,
                **QWEN_VIDEO_PIXELS,
            ),
            OTHER: Asks(
                wording="spatial-mllm",
                frames=16,
                frame_rule="qwen",
                generation=GENERATION,
                known=False,
            ),
        },
    ),
)
