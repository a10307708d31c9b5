"""Pixels equal to those of the original's processors, bit for bit."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from vica.preprocessing import hiera_pixels, siglip_pixels

from tests.vica.published import GOLDENS

CASES = ["a_2x97x131", "b_1x480x640", "c_1x1440x1920", "d_1x968x1296", "e_1x700x1500"]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run with this many torch threads: with one, torch uses other kernels."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(request.param))
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("case", CASES)
def test_both_preprocessors_give_the_original_pixels_bit_for_bit(case: str) -> None:
    with np.load(GOLDENS / "preprocess.npz") as golden:
        n, h, w, seed = golden[f"{case}__frames_spec"]
        wanted = {k: str(golden[f"{case}__{k}_sha256"]) for k in ("frames", "siglip", "sam")}
    frames_FHWC = np.random.default_rng(seed).integers(0, 256, size=(n, h, w, 3), dtype=np.uint8)
    made = {
        "siglip": siglip_pixels(frames_FHWC, 384),
        "sam": hiera_pixels(frames_FHWC, 1024),
    }
    assert all(pixels.dtype == torch.float32 for pixels in made.values())
    hashes = {name: hashlib.sha256(p.numpy().tobytes()).hexdigest() for name, p in made.items()}
    assert {"frames": hashlib.sha256(frames_FHWC.tobytes()).hexdigest(), **hashes} == wanted


def test_tall_frames_are_resized_across_first_with_any_pillow() -> None:
    """The digest is that of a single resize call in Pillow 11.3; Pillow 13 gives another."""
    frames_FHWC = np.random.default_rng(6).integers(0, 256, size=(1, 640, 480, 3), dtype=np.uint8)
    digest = hashlib.sha256(siglip_pixels(frames_FHWC, 384).numpy().tobytes()).hexdigest()
    assert digest == "817b3f9ffabeab068270e58053bad7ae5788debd56d3e7cf940b574f69410fd2"
