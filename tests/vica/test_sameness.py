"""The comparison of both ways of answering detects agreement and disagreement."""

from __future__ import annotations

import pytest
import torch
from vica import Predictor
from vica.answering import both_ways
from vica.chat import prompt, vsi_bench_question

from tests.vica.published import Golden

PROMPTS = [prompt(vsi_bench_question(f"How many {what}?")) for what in ("chairs", "tables")]


def test_in_float32_both_ways_agree(golden: Golden) -> None:
    predictor = Predictor(golden.model, golden.processor)
    results = list(both_ways(predictor, golden.frames(4), PROMPTS, max_new_tokens=6))
    assert [both.shared for both in results] == [both.alone for both in results]
    assert all(0 < both.difference < 1e-4 and both.parted is None for both in results)


def test_a_wrong_cache_is_detected(vica2: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    right = predictor.encode

    def wrong(*arguments: object) -> object:
        encoded = right(*arguments)  # type: ignore[arg-type]
        encoded.cache.shared[0].values_JPE.mul_(-3.0)
        return encoded

    monkeypatch.setattr(predictor, "encode", wrong)
    results = list(both_ways(predictor, vica2.frames(4), PROMPTS, max_new_tokens=6))
    assert max(both.difference for both in results) > 0.01
    for both in results:
        if both.parted is not None:
            assert both.shared.ids[: both.parted] == both.alone.ids[: both.parted]
            assert both.shared.ids != both.alone.ids
            assert both.margin is not None
            assert both.margin > 0
    assert any(both.parted is not None for both in results)


def test_differences_in_bfloat16_are_reported(vica2: Golden) -> None:
    model = type(vica2.model).from_pretrained(
        vica2.folder, config=vica2.config, dtype=torch.bfloat16
    )
    results = list(
        both_ways(Predictor(model, vica2.processor), vica2.frames(2), PROMPTS, max_new_tokens=3)
    )
    assert all(1e-4 < both.difference < 0.5 for both in results)
