"""Preprocessing in torch, compared with Pillow's and with torch's on single frames."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vica.preprocessing import (
    IMAGENET_STD,
    hiera_pixels,
    hiera_pixels_on_device,
    siglip_pixels,
    siglip_pixels_on_device,
)
from vica.video import read_frames

from tests.vica.published import Golden
from tests.videos import write_clip

SIZES = [(480, 640), (97, 131), (385, 383), (640, 480), (384, 384), (701, 1503), (1, 1)]


def noise(height: int, width: int) -> NDArray[np.uint8]:
    """Two frames: one of all grey levels, one of black and white only, where cubics overshoot."""
    frames_FHWC = np.random.default_rng(height).integers(
        0, 256, (2, height, width, 3), dtype=np.uint8
    )
    frames_FHWC[1] = np.where(frames_FHWC[1] > 127, 255, 0)
    return frames_FHWC


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("side", [28, 384])
def test_siglip_gets_pillows_pixels_bit_for_bit(size: tuple[int, int], side: int) -> None:
    frames_FHWC = noise(*size)
    ours = siglip_pixels_on_device(torch.tensor(frames_FHWC), side)
    assert torch.equal(ours, siglip_pixels(frames_FHWC, side))


@pytest.mark.parametrize("size", [(48, 64), (97, 131), (300, 200)], ids=str)
def test_hiera_gets_the_pixels_of_single_frames_bit_for_bit(size: tuple[int, int]) -> None:
    frames_FHWC = noise(*size)
    ours = hiera_pixels_on_device(torch.tensor(frames_FHWC), 128)
    assert torch.equal(ours, hiera_pixels(frames_FHWC, 128))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_both_encoders_get_the_same_frames_of_a_video(
    vica2: Golden, tmp_path: Path, count: int
) -> None:
    frames_FHWC = read_frames(write_clip(tmp_path / "clip.mp4"), count).pixels_THWC
    wanted = vica2.processor.video(frames_FHWC)
    visual = vica2.processor.video_on_device(torch.tensor(frames_FHWC))
    assert wanted.hiera_pixels_FCHW is not None
    assert visual.hiera_pixels_FCHW is not None
    assert torch.equal(visual.pixels_FCHW, wanted.pixels_FCHW)
    assert torch.equal(visual.hiera_pixels_FCHW, wanted.hiera_pixels_FCHW)


LITTLE = """
import resource
import torch
from vica.preprocessing import hiera_pixels_on_device

torch.set_num_threads(1)
frames_FHWC = torch.zeros(128, 480, 640, 3, dtype=torch.uint8)
hiera_pixels_on_device(frames_FHWC[:1], 32)
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000, resource.RLIM_INFINITY))
print(len(hiera_pixels_on_device(frames_FHWC, 32)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_hieras_frames_are_never_all_floats_at_full_size() -> None:
    """All frames as floats would be 472 MB."""
    done = subprocess.run(
        [sys.executable, "-c", LITTLE],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={
            **os.environ,
            "MALLOC_MMAP_THRESHOLD_": "1000000",
        },  # frees return memory to the system
    )
    assert done.stdout == "128\n"


@pytest.mark.gpu
def test_a_gpu_gives_the_same_pixels(vica2: Golden) -> None:
    """Hiera's pixels within 0.05 of a grey level: float32 rounds position 1503 by up to 6e-5."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    frames_FHWC = noise(701, 1503)
    wanted = vica2.processor.video(frames_FHWC)
    visual = vica2.processor.video(frames_FHWC, "cuda")
    assert wanted.hiera_pixels_FCHW is not None
    assert visual.hiera_pixels_FCHW is not None
    assert torch.equal(visual.pixels_FCHW.cpu(), wanted.pixels_FCHW)
    off = (visual.hiera_pixels_FCHW.cpu() - wanted.hiera_pixels_FCHW).abs().max()
    assert off < 0.05 / 255 / min(IMAGENET_STD)
