"""The token budget, and models whose token counts must equal it."""

import numpy as np
import pytest
import torch
from vica.budget import Branch, Layout
from vica.config import vica2_7b, vica2_tiny, vica_7b
from vica.errors import BudgetError
from vica.processing import ViCAProcessor
from vica.tiny import byte_tokenizer, random_model


def test_the_published_ratio_is_154_to_100() -> None:
    budget = vica2_7b().layout.video(64)
    assert (budget.semantic, budget.spatial_frames, budget.spatial) == (13440, 32, 8704)
    assert budget.ratio == 13440 / 8704
    assert vica_7b().layout.video(64).ratio is None


def test_any_frame_count_keeps_the_spatial_share() -> None:
    layout = vica2_7b().layout
    assert layout.spatial_indices(5) == [0, 2, 4]
    assert [layout.video(f).total for f in (1, 5, 128)] == [210 + 272, 1050 + 816, 44288]


def test_the_spatial_encoder_can_see_any_share_of_frames() -> None:
    layout = vica2_7b(hiera_frames=24).layout
    assert len(layout.spatial_indices(64)) == 24
    assert layout.spatial_indices(8) == [0, 2, 5]


@pytest.mark.parametrize(("stage", "side"), [(1, 256), (2, 128), (3, 64), (4, 32)])
def test_each_stage_has_its_own_map_and_any_stride_pools_it(stage: int, side: int) -> None:
    for stride in (1, 2, 5, 32):
        layout = vica2_7b(hiera_stage=stage, hiera_pool_stride=stride).layout
        pooled = -(-side // stride)
        assert layout.video(64).spatial == 32 * pooled * (pooled + 1)


def test_an_overflow_says_by_how_much() -> None:
    with pytest.raises(
        BudgetError, match=r"44,288 tokens \(26,880 semantic \+ 17,408.*11,520 more"
    ):
        vica2_7b().layout.video(128).check()
    vica_7b().layout.video(128).check(text=5888)
    with pytest.raises(BudgetError, match="1 more than the context of 32,768"):
        vica_7b().layout.video(128).check(text=5889)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hiera_stage": 5}, "no stage 5"),
        ({"hiera_pool_stride": 0}, "leaves nothing"),
        ({"hiera_pool_mode": "max", "hiera_pool_stride": 33}, "leaves nothing"),
        ({"hiera_pool_mode": "median"}, "unknown pooling 'median'"),
        ({"hiera_frames": 65}, "65 of 64 frames"),
        ({"mm_spatial_pool_stride": -1}, "leaves nothing"),
    ],
)
def test_a_ratio_that_cannot_be_built_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        _ = vica2_7b(**changes).layout


def test_no_frames_are_refused() -> None:
    layout = Layout(
        semantic=Branch(side=27, stride=2), spatial=None, spatial_share=(1, 1), context=32768
    )
    with pytest.raises(BudgetError, match="0 frames"):
        layout.video(0)


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["bilinear", "average", "max"])
@torch.no_grad()
def test_a_model_of_any_ratio_makes_the_tokens_of_its_budget(stage: int, mode: str) -> None:
    config = vica2_tiny(
        video_frames=6,
        hiera_frames=4,
        hiera_stage=stage,
        hiera_pool_stride=3,
        hiera_pool_mode=mode,
        mm_spatial_pool_stride=stage,
        mm_spatial_pool_mode=mode,
    )
    frames = np.zeros((6, 20, 30, 3), np.uint8)
    video = ViCAProcessor(byte_tokenizer(), config).video(frames)
    budget = config.layout.video(6)
    assert budget.spatial_frames == 4
    assert len(random_model(config, seed=0).encode(video)) == budget.total
