"""The published size on a GPU, with random weights: `nox -s gpu`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend
from torch.nn.functional import scaled_dot_product_attention
from vica import Predictor, ViCA, ViCA2Config, ViCAProcessor
from vica.answering import both_ways
from vica.attention import BACKENDS, attend_in_parts, attend_prefix, fastest, preferring
from vica.chat import prompt, video_question
from vica.config import vica2_7b, vica2_tiny
from vica.modeling import MODELS
from vica.tiny import byte_tokenizer, ids_of

from vicabench.adapters.vica import ViCAAdapter
from vicabench.types import Answer, ModelOptions, Question, Video

FRAMES, NEW = 64, 16


def random_model(config: ViCA2Config, device: str, dtype: torch.dtype = torch.bfloat16) -> ViCA:
    """A model with random weights, initialised on the device."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = MODELS[config.model_type](config)
    finally:
        torch.set_default_dtype(before)
    model.train(False)
    return model


def answers_of(config: ViCA2Config, device: str, dtype: torch.dtype) -> list[Answer]:
    """The replies to two questions about a video of noise."""
    predictor = Predictor(
        random_model(config, device, dtype), ViCAProcessor(byte_tokenizer(), config)
    )
    adapter = ViCAAdapter(
        predictor=predictor,
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
@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 40), (torch.float32, 48)])
def test_vica2_7b_answers_a_video_in_bounded_memory(dtype: torch.dtype, most: float) -> None:
    """In float32 the scores of all pairs alone would be 51 GiB a layer."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    torch.cuda.reset_peak_memory_stats()
    answers = answers_of(vica2_7b(**ids_of(byte_tokenizer())), "cuda", dtype)
    peak = torch.cuda.max_memory_allocated() / 2**30
    seconds = ", ".join(f"{answer.seconds:.1f}" for answer in answers)
    print(f"\n7B in {dtype}, {FRAMES} frames: {peak:.1f} GiB at most; seconds: {seconds}")  # noqa: T201
    assert peak < most
    for answer in answers:
        assert answer.error is None
        assert answer.new_tokens == NEW or answer.stop == "eos"
        assert answer.prompt_tokens is not None
        assert answer.prompt_tokens > 13_440 + 8_704


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_prefix_attention_is_the_same_in_gpu_kernels(dtype: torch.dtype) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    query_THE = torch.randn(50, 28, 128, device="cuda", dtype=dtype)
    keys, values = torch.randn(2, 4, 5000, 128, device="cuda", dtype=dtype)
    found = attend_prefix(query_THE, keys, values)
    rows_JRE = query_THE.unflatten(1, (4, 7)).transpose(0, 1).flatten(1, 2)
    plain = attend_in_parts(rows_JRE.double(), keys.double(), values.double())
    expected = plain.values.unflatten(1, (50, 7)).transpose(0, 1)
    lse = plain.lse.unflatten(1, (50, 7)).transpose(0, 1)
    within = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(found.values.double(), expected, rtol=0, atol=within)
    torch.testing.assert_close(found.lse.double(), lse, rtol=0, atol=within)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_each_kernel_of_a_prefill_gives_the_same(backend: SDPBackend | None) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    query, key, value = torch.randn(3, 1, 8, 300, 64, device="cuda", dtype=torch.bfloat16)
    exact = scaled_dot_product_attention(
        query.double(), key.double(), value.double(), is_causal=True
    )
    with preferring(backend):
        found = scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-2)
    assert fastest(8, 2, 64, torch.bfloat16, torch.device("cuda")) in BACKENDS


@pytest.mark.gpu
def test_both_ways_agree_on_a_gpu_in_float32() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    config = vica2_tiny(**ids_of(byte_tokenizer()))
    model = torch.nn.Module.to(random_model(config, "cuda"), torch.float32)
    frames_FHWC = np.random.default_rng(0).integers(0, 256, (8, 96, 128, 3), dtype=np.uint8)
    prompts = [prompt(video_question(text)) for text in ("How many?", "Where is the table?")]
    predictor = Predictor(model, ViCAProcessor(byte_tokenizer(), config))
    # Long enough that steps are captured.
    for both in both_ways(predictor, frames_FHWC, prompts, max_new_tokens=100):
        assert both.shared == both.alone
        assert both.difference < 1e-3
