"""The ids that generation may produce, and the checkpoint's settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from vica import BudgetError, answer, describe, load_model, load_processor
from vica.chat import prompt, vsi_bench_question
from vica.modeling import ViCA
from vica.tiny import write_tiny_checkpoint

FRAMES = np.random.default_rng(1).integers(0, 256, size=(4, 40, 40, 3), dtype=np.uint8)


def settings(folder: Path, **changes: object) -> Path:
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_checkpoint(tmp_path / "tiny", family="vica", seed=5)


def embeds(model: ViCA, text: str = "abc") -> torch.Tensor:
    output: torch.Tensor = model.get_input_embeddings()(torch.tensor([list(text.encode())]))
    return output


def test_ids_beyond_the_tokenizer_are_never_answered(folder: Path) -> None:
    model = load_model(folder)
    assert model.config.tokenizer_length == 259
    with torch.no_grad():
        model.lm_head.weight[400] = model.lm_head.weight.abs().sum(0)
        first = model(inputs_embeds=embeds(model)).logits[0, -1]
        model.lm_head.weight[400] *= first[400].sign() * 100
        assert int(model(inputs_embeds=embeds(model)).logits[0, -1].argmax()) == 400
    new = model.generate(inputs_embeds=embeds(model), max_new_tokens=20)
    assert int(new.max()) < 259
    sampled = model.generate(inputs_embeds=embeds(model), max_new_tokens=20, do_sample=True)
    assert int(sampled.max()) < 259


def test_answers_are_greedy_whatever_the_checkpoint_samples(folder: Path) -> None:
    plain = load_model(folder)
    wanted = plain.generate(inputs_embeds=embeds(plain), max_new_tokens=8)
    sampling = load_model(settings(folder, do_sample=True, temperature=5.0, top_k=50, top_p=0.9))
    assert sampling.generation_config.temperature == 5.0
    for _ in range(2):
        output = sampling.generate(inputs_embeds=embeds(sampling), max_new_tokens=8)
        assert torch.equal(output, wanted)


def test_the_repetition_penalty_counts_new_tokens_only(folder: Path) -> None:
    model = load_model(settings(folder, repetition_penalty=1.7))
    embeds_BLD = embeds(model)
    new: list[int] = []
    for _ in range(6):  # by hand: greedy, with every id so far penalised
        with torch.no_grad():
            scores = model(inputs_embeds=embeds_BLD).logits[0, -1, :259]
        for token in set(new):
            scores[token] *= 1.7 if scores[token] < 0 else 1 / 1.7
        new.append(int(scores.argmax()))
        token_BLD = model.get_input_embeddings()(torch.tensor([[new[-1]]]))
        embeds_BLD = torch.cat([embeds_BLD, token_BLD], 1)
    output = model.generate(inputs_embeds=embeds(model), max_new_tokens=6)
    assert output[0].tolist() == new
    padded = model.merge(torch.tensor([[1, 1, 1, 97, 98, 99]]), [], side="left")
    mask = torch.tensor([[0, 0, 0, 1, 1, 1]])
    output = model.generate(inputs_embeds=padded.embeds_BLD, attention_mask=mask, max_new_tokens=6)
    assert output[0].tolist() == new


def test_any_end_token_of_the_checkpoint_ends_an_answer(folder: Path) -> None:
    model = load_model(folder)
    free = model.generate(inputs_embeds=embeds(model), max_new_tokens=6)[0].tolist()
    third = next(t for t in free if free.index(t) >= 2)
    ending = load_model(settings(folder, eos_token_id=[258, third]))
    new = ending.generate(inputs_embeds=embeds(ending), max_new_tokens=6)[0].tolist()
    assert new == free[: free.index(third) + 1]


def test_prompts_are_answered_in_order_from_one_encoding(folder: Path) -> None:
    model, processor = load_model(folder), load_processor(folder)
    prompts = [prompt(vsi_bench_question(text)) for text in ("How many chairs?", "How large?")]
    replies = list(answer(model, processor, FRAMES, prompts, max_new_tokens=4))
    for asked, reply in zip(prompts, replies, strict=True):
        inputs = processor(text=asked, videos=FRAMES)
        new = model.generate(**inputs, max_new_tokens=4)[0]
        text = str(processor.tokenizer.decode(new, skip_special_tokens=True))
        assert reply.text == text.strip()
        assert reply.prompt_tokens == inputs["input_ids"].shape[1] - 1 + 4 * 4 * 5
        assert (reply.new_tokens, reply.stop) == (4, "length")


def test_what_can_change_an_answer_is_described_in_json(folder: Path) -> None:
    model = load_model(settings(folder, repetition_penalty=1.05, do_sample=True, top_p=0.8))
    stated = json.loads(json.dumps(describe(model, max_new_tokens=16)))
    assert (stated["family"], stated["dtype"], stated["vocabulary"]) == (
        "llava_qwen",
        "float32",
        259,
    )
    assert stated["attention"] == "sdpa"
    assert stated["layout"]["semantic"] == {"side": 8, "stride": 2, "mode": "bilinear"}
    assert stated["generation"]["repetition_penalty"] == 1.05
    assert stated["generation"]["max_new_tokens"] == 16
    assert not stated["generation"].get("do_sample", False)
    assert describe(model) != describe(load_model(folder, attention="eager"))


def test_an_overlong_video_is_refused_before_encoding(folder: Path) -> None:
    model, processor = load_model(folder), load_processor(folder)
    frames = np.zeros((1639, 2, 2, 3), np.uint8)
    with pytest.raises(BudgetError, match=r"1,639 frames make 32,780 tokens .* 12 more than"):
        next(answer(model, processor, frames, [prompt("<image>")]))
