"""Which of the published models fit a device, and how long they would take there at least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vicabench.doctor.findings import NOTE, Finding, size
from vicabench.doctor.machine import memory

SECTION = "models"
PARAMETERS = {"ViCA-7B": 8_030_348_832, "ViCA2-7B": 8_115_088_032}
OPERATIONS = {"ViCA-7B": 276.1e12, "ViCA2-7B": 477.4e12}
"""Of a video of 64 frames with 18 questions: encoders, one prefill, replies of 4 tokens.

Both are those of the published layouts; a test counts them.
"""
BYTES = {"bfloat16": 2, "float32": 4}
VIDEOS = 288  # of VSI-Bench
DAY = 86_400.0
SPANS = ((DAY, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def fit(device: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether each large model's weights fit, and how fast it is; `device` is the best one here."""
    for model in PARAMETERS:
        yield _model(model, device)
    yield Finding(
        section=SECTION,
        name="vica2-rooms",
        text="fast anywhere: it comes with vicabench; --model vica2-rooms --frames 12",
    )


def _model(model: str, device: Mapping[str, Any]) -> Finding:
    gpu = device["device"] != "cpu"
    room = device.get("free_bytes") if gpu else memory()[1]
    said, fitting = [], []
    for dtype in ("bfloat16",) if gpu else ("float32", "bfloat16"):
        needed = PARAMETERS[model] * BYTES[dtype]
        fits = room is None or needed < room
        fitting += [dtype] if fits else []
        said.append(f"{size(needed)} in {dtype} {'fit' if fits else 'do not fit'}")
    there = "memory unknown" if room is None else f"{size(room)} free"
    rate = max((device["operations_per_second"].get(dtype) or 0.0 for dtype in fitting), default=0)
    speed = _speed(model, rate) if fitting else "take a larger device"
    return Finding(
        section=SECTION,
        name=model,
        text=f"on {device['device']} ({there}): weights of {', '.join(said)}; {speed}",
        state=NOTE,
        facts={
            "parameters": PARAMETERS[model],
            "room_bytes": room,
            "fits": bool(fitting),
            "seconds_per_video": OPERATIONS[model] / rate if rate else None,
        },
    )


def _speed(model: str, rate: float) -> str:
    """What the operations of a video take at `rate`, that of products of matrices here."""
    if not rate:
        return "how fast it is was not measured"
    video = OPERATIONS[model] / rate
    whole = VIDEOS * video
    return (
        f"{'slow' if whole > DAY else 'fast enough'}: a video of 64 frames with 18 questions takes "
        f"{span(video)} at the {rate / 1e12:.3g} TFLOP/s that matrix products reached here just "
        f"now, VSI-Bench {span(whole)}, both at the very least"
    )


def span(seconds: float) -> str:
    """A time in the unit that suits it: `1.6 hours`."""
    unit, name = next((each for each in SPANS if seconds >= 1.5 * each[0]), SPANS[-1])
    count = seconds / unit
    return f"{count:.0f} {name}" if count >= 10 else f"{count:.1f} {name}"
