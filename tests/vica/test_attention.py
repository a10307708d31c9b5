"""Attention in two parts, compared with one softmax over all keys."""

import pytest
import torch
from torch import Tensor
from vica.attention import Attended, Visible, attend_in_parts, attend_own, attend_prefix, combine
from vica.segments import segment_ids, visible

HEADS, KEY_HEADS, WIDTH = 6, 2, 16
PREFIX, LENGTHS = 50, [4, 7, 1]


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture
def whole() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys and values [L, heads, E] of a packed sequence, and SDPA's result for them."""
    length = PREFIX + sum(LENGTHS)
    q, k, v = random(length, HEADS, WIDTH), random(length, KEY_HEADS, WIDTH), random(length, 2, 16)
    query, key, value = (x.transpose(0, 1)[None] for x in (q, k, v))
    mask = visible(segment_ids(PREFIX, LENGTHS))
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, enable_gqa=True
    )
    return q, k, v, expected[0].transpose(0, 1)


def test_both_parts_together_are_one_softmax(
    whole: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    q, k, v, expected = whole
    prefix = (k[:PREFIX].transpose(0, 1), v[:PREFIX].transpose(0, 1))
    start = PREFIX
    for length in LENGTHS:
        own = slice(start, start + length)
        causal = torch.ones(1, length, length, dtype=torch.bool).tril()
        keys, values = (x[own].transpose(0, 1)[None] for x in (k, v))
        mine = attend_own(q[own][None], keys, values, Visible(causal))
        actual = combine(
            attend_prefix(q[own], *prefix), Attended(values=mine.values[0], lse=mine.lse[0])
        )
        torch.testing.assert_close(actual.flatten(1, 2), expected[own], rtol=0, atol=1e-13)
        start += length


def test_few_queries_at_a_time_give_the_same(
    whole: tuple[Tensor, Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    q, k, v, _ = whole
    causal = torch.ones(1, 9, 9, dtype=torch.bool).tril()
    own = (q[:9][None], k[:9].transpose(0, 1)[None], v[:9].transpose(0, 1)[None])
    at_once = attend_own(*own, Visible(causal))
    rows = q[:, :2].transpose(0, 1)
    fused = attend_prefix(q[:, :2], k.transpose(0, 1), v.transpose(0, 1))
    monkeypatch.setattr("vica.attention.SCORES_AT_ONCE", 2 * HEADS * 9)
    in_parts = attend_own(*own, Visible(causal))
    plain = attend_in_parts(rows, k.transpose(0, 1), v.transpose(0, 1))
    for actual, wanted in (
        (in_parts.values, at_once.values),
        (in_parts.lse, at_once.lse),
        (plain.values.transpose(0, 1), fused.values[:, :, 0]),
        (plain.lse.transpose(0, 1), fused.lse[:, :, 0]),
    ):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-13)


def test_scores_that_would_overflow_do_not() -> None:
    far = Attended(values=torch.ones(1, 2), lse=torch.tensor([1e4]))
    near = Attended(values=torch.zeros(1, 2), lse=torch.tensor([-1e4]))
    assert combine(far, near).tolist() == [[1.0, 1.0]]
    assert combine(near, far).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_as_exact_as_sdpa_for_large_keys(dtype: torch.dtype) -> None:
    q, k, v = (random(*shape) for shape in ((1, 40, HEADS, WIDTH), (1, 2, 40, 16), (1, 2, 40, 16)))
    q, k, v = q.to(dtype), (k + 30).to(dtype), v.to(dtype)  # Qwen2's key biases are large
    causal = torch.ones(1, 40, 40, dtype=torch.bool).tril()
    seen = Visible(causal)
    exact = attend_own(q.double(), k.double(), v.double(), seen).values.flatten(2, 3)
    fused = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2), k, v, is_causal=True, enable_gqa=True
    ).transpose(1, 2)
    ours = attend_own(q, k, v, seen).values.flatten(2, 3)
    error, theirs = ((actual.double() - exact).square().mean().sqrt() for actual in (ours, fused))
    assert float(error) <= 1.2 * float(theirs)
