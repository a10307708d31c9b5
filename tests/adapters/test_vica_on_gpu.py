"""The published size on a GPU, with random weights: `nox -s gpu`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from vica import ViCA, ViCA2Config, ViCAProcessor
from vica.modeling import MODELS
from vica.sizes import vica2_7b
from vica.tiny import byte_tokenizer, ids_of

from vicabench.adapters.vica import ViCAAdapter
from vicabench.types import Answer, ModelOptions, Question, Video

FRAMES, NEW = 64, 16


def random_model(config: ViCA2Config, device: str) -> ViCA:
    """A bfloat16 model whose weights were drawn where they are used."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = MODELS[config.model_type](config)
    finally:
        torch.set_default_dtype(before)
    model.train(False)
    return model


def answers_of(config: ViCA2Config, device: str) -> list[Answer]:
    """The replies to two questions about a video of noise."""
    adapter = ViCAAdapter(
        model=random_model(config, device),
        processor=ViCAProcessor(byte_tokenizer(), config),
        options=ModelOptions(max_new_tokens=NEW),
        settings={},
    )
    pixels_THWC = np.random.default_rng(0).integers(0, 256, (FRAMES, 480, 640, 3), dtype=np.uint8)
    video = Video(
        name="noise", path=Path("noise.mp4"), frames_THWC=pixels_THWC, seconds=(), duration=60.0
    )
    questions = [
        Question(id=text, video="noise", task="object_counting", text=text, answer="1")
        for text in ("How many chairs?", "How many tables?")
    ]
    return list(adapter.answer(video, questions))


@pytest.mark.gpu
def test_vica2_7b_answers_a_video_in_bfloat16() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    torch.cuda.reset_peak_memory_stats()
    answers = answers_of(vica2_7b(**ids_of(byte_tokenizer())), "cuda")
    peak = torch.cuda.max_memory_allocated() / 2**30
    seconds = ", ".join(f"{answer.seconds:.1f}" for answer in answers)
    print(f"\n7B in bfloat16, {FRAMES} frames: {peak:.1f} GiB at most; seconds: {seconds}")  # noqa: T201
    for answer in answers:
        assert answer.error is None
        assert answer.new_tokens == NEW or answer.stop == "eos"
        assert answer.prompt_tokens is not None
        assert answer.prompt_tokens > 13_440 + 8_704
