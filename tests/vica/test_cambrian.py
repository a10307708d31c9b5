"""Cambrian-S: values of the original code for tiny random weights, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from vica.chat import prompt, video_question
from vica.errors import CheckpointError, InputError
from vica.loading import load_config, load_model, load_processor
from vica.merging import split_visuals
from vica.modeling import ViCA
from vica.preprocessing import siglip_pixels_on_device, squared

from tests.cambrian import write_cambrian
from tests.vica.published import FEATURES, GOLDENS, LOGITS

Frames = NDArray[np.uint8]
SHAPES: dict[str, Callable[[Frames], Frames]] = {
    "landscape": lambda frames: frames,
    "portrait": lambda frames: frames.transpose(0, 2, 1, 3),
    "square": lambda frames: frames[:, :, :36],
    "wide": lambda frames: frames[:, :20],
}
QUESTION = (
    "These are frames of a video.\nHow many chair(s) are in this room?\n"
    "Please answer the question using a single word or phrase."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cambrian(tmp_path_factory.mktemp("models") / "cambrian")


@pytest.fixture(scope="module")
def model(folder: Path) -> ViCA:
    return load_model(folder)


def frames_of(shape: str) -> Frames:
    """Five frames of the goldens, cut or turned to a shape."""
    with np.load(GOLDENS / "vica.npz") as shared:
        return np.ascontiguousarray(SHAPES[shape](shared["frames"][:5]))


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_a_video_is_read_as_by_the_original(folder: Path, model: ViCA, shape: str) -> None:
    processor = load_processor(folder, model.config)
    inputs = processor(text=prompt(video_question(QUESTION)), videos=frames_of(shape))
    [visual] = split_visuals(inputs)
    embeds_BLD = model.merge(inputs["input_ids"], [model.encode(visual)]).embeds_BLD
    with np.load(GOLDENS / "cambrian.npz") as values:
        wanted = {name.removeprefix(f"{shape}__"): values[name] for name in values}
    assert list(embeds_BLD.shape) == wanted["embeds_shape"].tolist()
    assert np.abs(embeds_BLD.mean(-1).numpy() - wanted["embeds_token_mean"]).max() < FEATURES
    logits = model(inputs_embeds=embeds_BLD, logits_to_keep=4).logits[..., : model.vocabulary]
    assert np.abs(logits.numpy() - wanted["logits_last"]).max() < LOGITS
    assert model.generate(**inputs, max_new_tokens=8).tolist() == wanted["generate"].tolist()
    assert len(model.encode(visual)) <= model.config.layout.video(5).total == 5 * 8 * 9


def test_all_ways_of_preprocessing_pad_alike(folder: Path, model: ViCA) -> None:
    processor = load_processor(folder, model.config)
    frames = frames_of("landscape")
    plain, levels = processor.video(frames), processor.video(frames, levels=True)
    assert plain.frame_size == levels.frame_size == (36, 48)
    on_device = siglip_pixels_on_device(torch.tensor(squared(frames)), 384)
    assert torch.equal(plain.pixels_FCHW, on_device)
    torch.testing.assert_close(model.encode(levels), model.encode(plain), rtol=0, atol=FEATURES)


def test_images_and_unpadded_frames_are_refused(folder: Path, model: ViCA) -> None:
    processor = load_processor(folder, model.config)
    with pytest.raises(InputError, match="images are not supported for Cambrian-S"):
        processor.image(frames_of("landscape")[0])
    with pytest.raises(InputError, match="must be squares"):
        processor.video_on_device(torch.tensor(frames_of("landscape")))


def test_a_saved_cambrian_reads_videos_as_before(folder: Path, model: ViCA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "saved")
    again = ViCA.from_pretrained(tmp_path / "saved")
    assert (again.config.layout, again.config.square_frames) == (model.config.layout, True)
    visual = load_processor(folder, again.config).video(frames_of("wide"))
    torch.testing.assert_close(again.encode(visual), model.encode(visual))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"miv_token_len": 60}, "miv_token_len is 60; only a square number"),
        ({"miv_token_len": -1}, "miv_token_len is -1"),
        (
            {"mm_vision_tower_aux_list": ["facebook/dinov2-giant-res378"]},
            "mm_vision_tower_aux_list is .*only one of google's SigLIP",
        ),
        ({"mm_vision_tower_aux_list": ["google/siglip2", "google/siglip"]}, "only one of google"),
        ({"mm_projector_type": "se_mlp"}, "mm_projector_type is 'se_mlp'"),
    ],
)
def test_what_is_read_otherwise_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = write_cambrian(tmp_path / "cambrian", **changes)
    for load in (load_config, load_model):
        with pytest.raises(CheckpointError, match=message):
            load(folder)


def test_a_missing_number_of_tokens_is_that_of_the_published_evaluation(tmp_path: Path) -> None:
    folder = write_cambrian(tmp_path / "cambrian", miv_token_len=None)
    assert load_config(folder).layout.semantic.pooled == 8
