"""Running out of memory: real failed allocations in a process with little address space."""

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import resource, sys
import numpy as np
import torch
from vica import MemoryShortError, Predictor, load_model, load_processor
from vica.chat import prompt, video_question

torch.set_num_threads(1)
folder, spare, count, words = sys.argv[1], *map(int, sys.argv[2:])
model = load_model(folder)
predictor = Predictor(model, load_processor(folder, model.config))
prompts = [prompt(video_question(f"{n} " + "long " * words)) for n in range(count)]
frames = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
encoded = predictor.encode(frames, prompts)
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + spare, before[1]))
try:
    short = predictor.answer(encoded, prompts, max_new_tokens=2)
except MemoryShortError as error:
    print("MemoryShortError", error)
else:
    resource.setrlimit(resource.RLIMIT_AS, before)
    print(short == predictor.answer(encoded, prompts, max_new_tokens=2))
"""


def ask(checkpoint: Path, *numbers: int) -> subprocess.CompletedProcess[str]:
    """Answer questions with little more memory than is in use, then again without a limit.

    The numbers are the spare bytes, how many questions, and the words of each.
    """
    return subprocess.run(
        [sys.executable, "-c", ASK, str(checkpoint), *map(str, numbers)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_splitting_a_group_keeps_the_replies(tiny: Path) -> None:
    done = ask(tiny, 60_000_000, 48, 60)
    assert done.stdout.split() == ["True"], done.stdout
    assert "Memory is short for 48 questions at once" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_too_little_memory_for_one_question_is_an_error(tiny: Path) -> None:
    done = ask(tiny, 60_000_000, 2, 1000)
    assert "MemoryShortError memory is too short for a single question" in done.stdout
