"""Replies that are drawn: from the right distribution, and from their seeds alone."""

from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import LogitsProcessorList
from vica import InputError, Predictor, Prompt, Reply, Sampling
from vica.chat import prompt, vsi_bench_question
from vica.errors import ScoresError
from vica.sampling import Chooser, draw

from tests.vica.published import Golden

SCORES = np.array([2.0, -1.0, 0.5, 1.5, -np.inf, 0.0])
DRAWS = 4000


def drawn(sampling: Sampling, new: list[int]) -> np.ndarray:
    """How often each id is chosen after the ids `new`, over many replies with their own seeds."""
    choose = Chooser(LogitsProcessorList(), sampling, list(range(DRAWS)))
    new_KS = torch.tensor([new] * DRAWS, dtype=torch.long).reshape(DRAWS, len(new))
    scores_KV = torch.tensor(SCORES, dtype=torch.float32).expand(DRAWS, -1)
    return np.bincount(choose(new_KS, scores_KV, range(DRAWS)).numpy(), minlength=len(SCORES))


def probabilities(
    *, temperature: float, top_k: int = 0, top_p: float = 1.0, presence: float = 0.0, new: Any = ()
) -> np.ndarray:
    """The same distribution by sorting, in the order in which vLLM documents its parameters."""
    scores = SCORES.copy()
    scores[sorted(set(new))] -= presence
    p = np.exp(scores / temperature) / np.exp(scores / temperature).sum()
    order = np.argsort(-p)
    if top_k:
        p[order[top_k:]] = 0
        p /= p.sum()
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= top_p]] = 0
    return np.asarray(p / p.sum())


@pytest.mark.parametrize(
    "how",
    [
        {"temperature": 1.0},
        {"temperature": 0.5},
        {"temperature": 2.0, "top_k": 3},
        {"temperature": 1.0, "top_p": 0.8},
        {"temperature": 1.3, "top_k": 4, "top_p": 0.7},
    ],
)
@pytest.mark.parametrize("presence", [0.0, 1.3])
def test_ids_are_drawn_from_the_distribution(how: dict[str, Any], presence: float) -> None:
    counts = drawn(Sampling(**how, presence_penalty=presence), [0, 3, 0])
    expected = DRAWS * probabilities(**how, presence=presence, new=[0, 3, 0])
    there = expected > 0
    assert not counts[~there].any()
    assert chisquare(counts[there], expected[there]).pvalue > 1e-3


def test_the_rarest_ids_of_a_large_vocabulary_are_not_lost() -> None:
    scores = torch.zeros(1, 150_000)
    stream = Random(1)
    ids = [int(draw(scores, [stream])) for _ in range(200)]
    assert len(set(ids)) > 195
    assert np.mean(ids) == pytest.approx(75_000, rel=0.1)


@pytest.mark.parametrize("score", [torch.inf, -torch.inf])
def test_nothing_is_drawn_from_infinite_scores(score: float) -> None:
    with pytest.raises(ScoresError, match="infinite"):
        draw(torch.tensor([[1.0, 2.0, 0.0], [score, score, score]]), [Random(1), Random(2)])


QUESTIONS = [
    prompt(vsi_bench_question("How many chair(s) are in this room?")),
    prompt(vsi_bench_question("Which is closest?", ("A. table", "B. sofa"))),
]
DRAW = Sampling(temperature=1.0, top_p=0.9)


def replies(predictor: Predictor, asked: list[Prompt], frames: Any) -> list[Reply]:
    encoded = predictor.encode(frames, [each.text for each in asked])
    return predictor.answer(encoded, asked, max_new_tokens=12, sampling=DRAW)


def test_a_reply_is_that_of_its_seed_in_any_group(golden: Golden) -> None:
    predictor = Predictor(golden.model, golden.processor)
    asked = [Prompt(text=text, seed=f"{n}/{text}") for text in QUESTIONS for n in range(4)]
    together = replies(predictor, asked, golden.frames(4))
    assert len({reply.text for reply in together}) > 6
    few = Predictor(golden.model, golden.processor, group_size=3)
    assert replies(few, asked[::-1], golden.frames(4))[::-1] == together
    assert replies(few, asked[5:6], golden.frames(4)) == together[5:6]


def test_many_replies_cost_the_prefill_of_one_video(vica2: Golden) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    asked = [Prompt(text=QUESTIONS[0], seed=n) for n in range(20)]
    encoded = predictor.encode(vica2.frames(4), [each.text for each in asked])
    predictor.answer(encoded, asked, max_new_tokens=2, sampling=DRAW)
    assert predictor.spent.tokens["prefill"] == encoded.length + 1

    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(4), QUESTIONS)
    predictor.answer(encoded, QUESTIONS, max_new_tokens=2)
    once = predictor.spent.tokens["prefill"]
    again = [Prompt(text=text, seed=n) for text in QUESTIONS for n in range(5)]
    predictor.answer(encoded, again, max_new_tokens=2, sampling=DRAW)
    assert predictor.spent.tokens["prefill"] - once == once - encoded.length


def test_greedy_is_the_limit_of_low_temperatures(vica2: Golden) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(4), QUESTIONS)
    greedy = predictor.answer(encoded, QUESTIONS, max_new_tokens=8)
    asked = [Prompt(text=text, seed=1) for text in QUESTIONS]
    for cold in (Sampling(temperature=1e-5), Sampling(temperature=1.0, top_k=1)):
        assert predictor.answer(encoded, asked, max_new_tokens=8, sampling=cold) == greedy


def test_a_repetition_penalty_is_that_of_generate(vica2: Golden) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(4), QUESTIONS)
    told = predictor.answer(encoded, QUESTIONS, max_new_tokens=20, repetition_penalty=1.5)
    how = Sampling(repetition_penalty=1.5)
    assert predictor.answer(encoded, QUESTIONS, max_new_tokens=20, sampling=how) == told
    assert told != predictor.answer(encoded, QUESTIONS, max_new_tokens=20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1}, {"top_p": 0.5}, {"temperature": 1, "top_p": 0}, {"top_k": 3},
        {"temperature": float("nan")}, {"temperature": 1, "top_k": -1}, {"repetition_penalty": 0},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{list(wrong)[-1]}.*"):
        Sampling(**wrong)


def test_a_drawn_reply_needs_a_seed(vica2: Golden) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(2), QUESTIONS)
    with pytest.raises(InputError, match="seed"):
        predictor.answer(encoded, QUESTIONS, sampling=DRAW)
