"""Questions answered from one prefill get the same replies as each alone."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from vica import BudgetError, InputError, Predictor, Prompt, Reply, answer
from vica.chat import (
    conversation,
    prompt,
    time_instruction,
    token_ids,
    video_question,
    vsi_bench_question,
)

from tests.vica.published import Golden

LOGITS = 1e-4
"""Tolerance for float32: logits are about 3, measured differences below 1e-5."""
TIMES = time_instruction(4.0, (0.0, 1.0, 2.0, 3.0))
QUESTIONS = [
    prompt(vsi_bench_question("How many chair(s) are in this room?")),
    prompt(vsi_bench_question("Which is closest?", ("A. table", "B. sofa"))),
    prompt(video_question("Describe the room.")),
    prompt(vsi_bench_question("What is the size of this room (in square meters)?" * 4)),
    prompt(vsi_bench_question("How many chair(s) are there?")),
]


@pytest.fixture(scope="module")
def predictor(golden: Golden) -> Predictor:
    return Predictor(golden.model, golden.processor)


def alone(golden: Golden, prompts: Sequence[str] = QUESTIONS, **options: object) -> list[Reply]:
    frames = golden.frames(4)
    return list(answer(golden.model, golden.processor, frames, prompts, **options))


def test_replies_equal_those_of_one_question_at_a_time(
    golden: Golden, predictor: Predictor
) -> None:
    encoded = predictor.encode(golden.frames(4), QUESTIONS)
    replies = predictor.answer(encoded, QUESTIONS, max_new_tokens=24)
    assert replies == alone(golden, QUESTIONS, max_new_tokens=24)
    assert len({reply.text for reply in replies}) > 1


def test_long_replies_are_the_same_too(vica2: Golden) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(4), QUESTIONS)
    replies = predictor.answer(encoded, QUESTIONS[:2], max_new_tokens=300)
    assert max(reply.new_tokens for reply in replies) == 300
    assert replies == alone(vica2, QUESTIONS[:2], max_new_tokens=300)


def test_logits_equal_those_of_the_whole_prompt(golden: Golden, predictor: Predictor) -> None:
    seen: dict[int, dict[int, Tensor]] = defaultdict(dict)

    def keep(index: int, step: int, logits_V: Tensor) -> None:
        seen[index][step] = logits_V

    encoded = predictor.encode(golden.frames(4), QUESTIONS)
    predictor.answer(encoded, QUESTIONS, observe=keep, max_new_tokens=3)
    for index, text in enumerate(QUESTIONS):
        with torch.no_grad():
            whole = golden.model(**golden.processor(text=text, videos=golden.frames(4)))
        torch.testing.assert_close(seen[index][0], whole.logits[0, -1], rtol=0, atol=LOGITS)
        assert list(seen[index]) == [0, 1, 2]


def test_a_group_out_of_memory_is_answered_in_parts(
    vica2: Golden, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(2), QUESTIONS)
    steps: dict[int, list[int]] = defaultdict(list)

    def short_of_memory_once(index: int, step: int, _: Tensor) -> None:
        steps[index].append(step)
        if (index, step) == (3, 2) and steps[3].count(2) == 1:
            raise MemoryError

    replies = predictor.answer(encoded, QUESTIONS, observe=short_of_memory_once, max_new_tokens=4)
    assert "Memory is short for 5 questions at once: trying 2" in caplog.text
    assert steps[0] == [0, 1, 2, 0, 1, 2, 3]
    assert steps[4] == [0, 1, 0, 1, 2, 3]
    assert replies == predictor.answer(encoded, QUESTIONS, max_new_tokens=4)


def test_an_encoded_video_is_a_value(golden: Golden, predictor: Predictor) -> None:
    encoded = predictor.encode(golden.frames(4), QUESTIONS)
    before = [layer.keys_JPE.clone() for layer in encoded.cache.shared]
    expected = dict(zip(QUESTIONS, alone(golden, QUESTIONS, max_new_tokens=8), strict=True))
    order = [*QUESTIONS, *QUESTIONS]
    for seed, size in ((0, 0), (1, 1), (2, 3)):
        random.Random(seed).shuffle(order)
        grouped = Predictor(golden.model, golden.processor, group_size=size)
        replies = grouped.answer(encoded, order, max_new_tokens=8)
        assert replies == [expected[text] for text in order]
    after = [layer.keys_JPE for layer in encoded.cache.shared]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_prefix_is_what_all_prompts_share(golden: Golden, predictor: Predictor) -> None:
    timed = [prompt(video_question(q, time_instruction=TIMES)) for q in ("Why?", "Where to?")]
    ids = [token_ids(text, golden.processor.tokenizer) for text in timed]
    first = next(i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b)
    encoded = predictor.encode(golden.frames(4), timed)
    assert list(encoded.ids) == ids[0][:first] == ids[1][:first]
    assert encoded.length == first - 1 + encoded.visual_tokens
    assert predictor.encode(golden.frames(4)).length < encoded.length
    assert predictor.answer(encoded, timed, max_new_tokens=6) == alone(
        golden, timed, max_new_tokens=6
    )


def test_prompts_unknown_at_encoding_are_answered_too(golden: Golden, predictor: Predictor) -> None:
    wanted = alone(golden, QUESTIONS, max_new_tokens=8)
    for known in ([], QUESTIONS[:1], QUESTIONS[:2]):
        encoded = predictor.encode(golden.frames(4), known)
        assert predictor.answer(encoded, QUESTIONS, max_new_tokens=8) == wanted


def test_each_question_has_its_own_end(golden: Golden, predictor: Predictor) -> None:
    encoded = predictor.encode(golden.frames(4), QUESTIONS)
    tokens: dict[int, list[int]] = defaultdict(list)
    free = predictor.answer(
        encoded,
        QUESTIONS,
        observe=lambda i, _, logits_V: tokens[i].append(
            int(logits_V[: golden.model.vocabulary].argmax())
        ),
        max_new_tokens=12,
    )
    third = tokens[1][2]
    ends = tokens[1].index(third) + 1
    prompts: list[str | Prompt] = [
        Prompt(text=QUESTIONS[0], max_new_tokens=5),
        Prompt(text=QUESTIONS[1], stop_ids=(third,)),
        *QUESTIONS[2:],
    ]
    replies = predictor.answer(encoded, prompts, max_new_tokens=12)
    assert (replies[0].new_tokens, replies[0].stop) == (5, "length")
    assert (replies[1].new_tokens, replies[1].stop) == (ends, "eos")
    assert free[0].raw.startswith(replies[0].raw)
    assert replies[2:] == free[2:]


@pytest.mark.filterwarnings("ignore:Passing `no_repeat_ngram_size` with `inputs_embeds`")
@pytest.mark.parametrize(
    "settings",
    [
        {"repetition_penalty": 1.8},
        {"no_repeat_ngram_size": 2},
        {"min_new_tokens": 9, "eos_token_id": "often"},
        {"bad_words_ids": "often"},
        {"suppress_tokens": "often"},
        {"forced_eos_token_id": 7},
        {"eos_token_id": "often"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_of_generation_count_as_in_generate(
    vica2: Golden, settings: dict[str, Any]
) -> None:
    predictor = Predictor(vica2.model, vica2.processor)
    encoded = predictor.encode(vica2.frames(4), QUESTIONS)
    free = predictor.answer(encoded, QUESTIONS, max_new_tokens=12)
    often = [reply.ids[4] for reply in free]  # so that the setting meets every reply
    lists = {"often": often, "bad_words_ids": [[token] for token in often]}
    options: dict[str, Any] = {
        n: lists.get(n, often) if v == "often" else v for n, v in settings.items()
    }
    replies = predictor.answer(encoded, QUESTIONS, max_new_tokens=12, **options)
    assert [r.ids for r in replies] == [r.ids for r in alone(vica2, max_new_tokens=12, **options)]
    assert replies != free


def test_seconds_and_tokens_are_summed_by_stage(golden: Golden) -> None:
    predictor = Predictor(golden.model, golden.processor)
    encoded = predictor.encode(golden.frames(4), QUESTIONS)
    replies = predictor.answer(encoded, QUESTIONS, max_new_tokens=4)
    spent = predictor.spent
    assert set(spent.seconds) == {"vision", "prefill", "answers"}
    rest = sum(reply.prompt_tokens - encoded.length for reply in replies)
    assert spent.tokens == {"prefill": encoded.length + rest, "answers": 20}


def test_unanswerable_prompts_are_refused(golden: Golden, predictor: Predictor) -> None:
    frames = golden.frames(4)
    encoded = predictor.encode(frames, QUESTIONS)
    other = conversation([("user", "no video at all")], reply=True)
    with pytest.raises(InputError, match="does not begin like"):
        predictor.answer(encoded, [*QUESTIONS, other])
    with pytest.raises(InputError, match="more than one <image>"):
        predictor.answer(encoded, [prompt(video_question("And <image>?"))])
    with pytest.raises(InputError, match="begin alike"):
        predictor.encode(frames, [QUESTIONS[0], other])
    refused = {"do_sample": True, "num_beams": 2, "stop_strings": ["a"], "max_time": 1}
    refused |= {"min_length": 9, "cache_implementation": "quantized", "token_healing": True}
    for name, value in refused.items():
        options: dict[str, Any] = {name: value}
        with pytest.raises(InputError, match=name):
            predictor.answer(encoded, QUESTIONS, **options)
    with pytest.raises(InputError, match="1 or more"):
        predictor.answer(encoded, [Prompt(text=QUESTIONS[0], max_new_tokens=0)])
    with pytest.raises(BudgetError, match="more than the context"):
        predictor.answer(encoded, [prompt(video_question("long " * 40_000))])
    with pytest.raises(BudgetError, match="more than the context"):
        predictor.encode(np.zeros((3000, 8, 8, 3), dtype=np.uint8), QUESTIONS)
