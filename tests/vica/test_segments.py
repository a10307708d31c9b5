"""Segments compared with their definition, and with one continuation at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import scaled_dot_product_attention
from vica.segments import PADDING, block_mask, positions, segment_ids, visible

lengths = st.integers(0, 9)
layouts = st.tuples(lengths, st.lists(lengths, max_size=5), lengths).filter(
    lambda layout: layout[0] + sum(layout[1]) + layout[2] > 0
)


@settings(deadline=None, max_examples=60)
@given(layouts)
def test_tokens_see_the_prefix_and_their_own_segment(
    layout: tuple[int, list[int], int],
) -> None:
    segments = segment_ids(*layout).tolist()
    seen = visible(segment_ids(*layout)).tolist()
    for q, own in enumerate(segments):
        for k, other in enumerate(segments):
            # A token of the prefix sees no continuation: none comes before it.
            related = other == own or (other == 0 and own != PADDING)
            assert seen[q][k] == (k <= q and related), (segments, q, k)


@settings(deadline=None, max_examples=60)
@given(layouts)
def test_a_position_counts_the_tokens_seen_before(layout: tuple[int, list[int], int]) -> None:
    segments = segment_ids(*layout)
    counted = (visible(segments).sum(-1) - 1).masked_fill(segments == PADDING, 0)
    assert positions(segments).tolist() == counted.tolist()


def test_continuations_start_where_the_prefix_ends() -> None:
    assert segment_ids(3, [2, 1], padding=1).tolist() == [0, 0, 0, 1, 1, 2, -1]
    assert positions(segment_ids(3, [2, 1], padding=1)).tolist() == [0, 1, 2, 3, 4, 3, 0]


def test_samples_of_a_batch_have_their_own_segments() -> None:
    batch = torch.stack([segment_ids(2, [1, 3]), segment_ids(0, [4, 1], padding=1)])
    assert positions(batch).tolist() == [[0, 1, 2, 2, 3, 4], [0, 1, 2, 3, 0, 0]]
    for sample, mask in zip(batch, visible(batch), strict=True):
        assert torch.equal(mask, visible(sample))


@settings(deadline=None, max_examples=15)
@given(layouts)
def test_flex_attention_skips_invisible_blocks(
    layout: tuple[int, list[int], int],
) -> None:
    segments = segment_ids(*layout)
    mask = block_mask(segments[None], block=4)
    computed = mask.to_dense()[0, 0].bool().tolist()
    seen = visible(segments)
    parts = [[part.any().item() for part in rows.split(4, 1)] for rows in seen.split(4)]
    assert computed == parts


def qkv(length: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(length)
    q, k, v = torch.randn(3, 1, 2, length, 16, generator=generator, dtype=torch.float64)
    return q, k, v


def test_a_continuation_gets_what_it_would_get_alone() -> None:
    segments = segment_ids(20, [5, 3, 9])
    q, k, v = qkv(len(segments))
    packed = scaled_dot_product_attention(q, k, v, attn_mask=visible(segments))
    for continuation in range(1, 4):
        own = (segments == 0) | (segments == continuation)
        alone = scaled_dot_product_attention(
            q[:, :, own], k[:, :, own], v[:, :, own], is_causal=True
        )
        torch.testing.assert_close(packed[:, :, own], alone, rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_computes_what_sdpa_computes() -> None:
    segments = segment_ids(100, [30, 60, 10], padding=5)
    q, k, v = (x.float() for x in qkv(len(segments)))
    expected = scaled_dot_product_attention(q, k, v, attn_mask=visible(segments))
    actual = flex_attention(q, k, v, block_mask=block_mask(segments[None]))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
