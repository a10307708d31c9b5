"""Speed of what every run does: grading with intervals, decoding, building rooms.

Run it with `nox -s bench`. Times depend on the machine; read the ratios.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vica.video import available_decoders, read_frames

from vicabench.metrics import NUMERIC
from vicabench.predictions import Prediction
from vicabench.rooms.build import build
from vicabench.rubric import VSI
from vicabench.types import Answer, Question

QUESTIONS, VIDEOS = 5130, 288  # the load of VSI-Bench


def seconds(work: Callable[[], object]) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def predictions(generator: random.Random) -> str:
    """As many predictions as VSI-Bench has questions, as lines of a predictions file."""
    lines = []
    for number in range(QUESTIONS):
        kind = VSI.types[number % len(VSI.types)]
        choices = "123456" if VSI.of_type[kind].kind == NUMERIC else "ABCD"
        question = Question(
            id=str(number),
            video=f"v{number % VIDEOS}",
            task=kind,
            text="?",
            answer=generator.choice(choices),
        )
        answer = Answer(question_id=question.id, response=generator.choice(choices))
        lines.append(Prediction(question=question, answer=answer).to_json() + "\n")
    return "".join(lines)


def main() -> None:
    """Measure, and print a line for each measurement."""
    python = seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    print(f"bare interpreter                       {python:7.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.jsonl"
        file.write_text(predictions(random.Random(0)), encoding="utf-8")
        command = [sys.executable, "-m", "vicabench", "score", str(file)]
        score = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
        print(f"vicabench score, 5,130 predictions     {score:7.2f} s")

        start = time.perf_counter()
        build(Path(folder) / "rooms", scenes=2, seed=0, workers=2)
        rooms = (time.perf_counter() - start) / 2
        print(f"a room built, two processes            {rooms:7.2f} s")
        video = next((Path(folder) / "rooms" / "rooms").glob("*.mp4"))
        for decoder in available_decoders():
            took = seconds(lambda d=decoder: read_frames(video, 64, decoder=d))
            print(f"64 frames of a room with {decoder:13} {took:7.2f} s")


if __name__ == "__main__":
    main()
