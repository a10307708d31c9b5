"""Continuations of one prefix, through decoders of transformers, against whole sequences."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor
from vica.continuations import Continuations, attending
from vica.decoding import Limit, decode
from vica.errors import InputError
from vica.prefix import Prefix, prefill, why_not

TOLERANCE = 1e-4
"""Logits are of the order of 3; another order of summation differs by some 1e-5."""
LENGTH, ROWS = 40, 99
SIZES: dict[str, Any] = {
    "vocab_size": ROWS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
LINEAR: dict[str, Any] = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
SHARED: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "qwen3_moe": EXPERTS,
    "mistral": {"sliding_window": None},
    "internlm3": {},
    "granite": {"attention_multiplier": 0.2},
    "qwen3_5_text": LINEAR,
}
QUESTIONS = ([7, 8, 9], [10], [11, 12, 13, 14, 15, 16, 17, 18, 19])
LIMITS = (70, 3, 9)
"""Of new tokens; more than the cache has room for at first."""


def model_of(kind: str, **changes: Any) -> Any:
    config = hf.AutoConfig.for_model(kind, **{**SIZES, **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = hf.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:  # larger than usual, so that what is read decides what is said
                weight.mul_(8)
    return model.eval()


def prefix_ids() -> Tensor:
    return torch.randint(ROWS, (1, LENGTH), generator=torch.Generator().manual_seed(1))


def highest(_new: Tensor, logits_KV: Tensor, _live: Any) -> Tensor:
    return logits_KV.argmax(-1)


def replies_of(model: Any, prefix: Prefix, seen: dict[int, list[Tensor]]) -> list[list[int]]:
    limits = [Limit(max_new_tokens=limit, stops=frozenset()) for limit in LIMITS]
    with torch.no_grad(), attending(model):
        batch = Continuations(model, prefix)
        first_KV = batch.start(QUESTIONS)
        return decode(batch, first_KV, limits, highest, lambda i, _, v: seen[i].append(v))


@pytest.mark.parametrize("kind", SHARED)
def test_continuations_equal_whole_sequences(kind: str) -> None:
    model, ids_BP = model_of(kind, **SHARED[kind]), prefix_ids()
    assert why_not(model) is None
    seen: dict[int, list[Tensor]] = defaultdict(list)
    with torch.no_grad():
        prefix = prefill(model, input_ids=ids_BP)
    replies = replies_of(model, prefix, seen)
    assert model.config._attn_implementation == "sdpa"  # it is restored
    assert [len(reply) for reply in replies] == list(LIMITS)
    for index, (question, reply) in enumerate(zip(QUESTIONS, replies, strict=True)):
        whole_BL = torch.cat([ids_BP, torch.tensor([[*question, *reply]])], dim=1)
        with torch.no_grad():
            logits_LV = model(whole_BL).logits[0, LENGTH + len(question) - 1 : -1]
        torch.testing.assert_close(torch.stack(seen[index]), logits_LV, rtol=0, atol=TOLERANCE)
        assert logits_LV.argmax(-1).tolist() == reply
    assert len({tuple(reply[:3]) for reply in replies}) > 1


def test_a_prefix_is_a_value() -> None:
    for kind in ("llama", "qwen3_5_text"):
        model = model_of(kind, **SHARED[kind])
        with torch.no_grad():
            prefix = prefill(model, input_ids=prefix_ids())
        first, second = (replies_of(model, prefix, defaultdict(list)) for _ in range(2))
        assert first == second
        assert prefix.length == LENGTH


class Steady(Continuations):
    """Keeps replies that have ended, as where steps are captured."""

    steady = True


def test_replies_that_have_ended_may_stay_in_the_batch() -> None:
    model, limits = model_of("llama"), [Limit(max_new_tokens=n, stops=frozenset()) for n in LIMITS]
    with torch.no_grad():
        prefix = prefill(model, input_ids=prefix_ids())
    with torch.no_grad(), attending(model):
        batches = [kind(model, prefix) for kind in (Continuations, Steady)]
        dropped, kept = (decode(b, b.start(QUESTIONS), limits, highest) for b in batches)
    assert dropped == kept
    assert [len(reply) for reply in kept] == list(LIMITS)


def test_equal_continuations_are_run_once() -> None:
    for kind in ("llama", "qwen3_5_text"):
        model, read = model_of(kind, **SHARED[kind]), list[int]()
        with torch.no_grad():
            prefix = prefill(model, input_ids=prefix_ids())
            model.get_input_embeddings().register_forward_hook(
                lambda _module, ids, _embeds, to=read: to.append(ids[0].numel())
            )
            with attending(model):
                batch = Continuations(model, prefix)
                first_KV = batch.start([[5, 6, 7], [8], [5, 6, 7]])
                second_KV = batch.step(torch.tensor([1, 1, 2]))
        assert sum(read) == 3 + 1 + 3
        assert first_KV[0].equal(first_KV[2])
        assert not second_KV[0].equal(second_KV[2])


def test_a_prefix_is_cut_where_it_can_be() -> None:
    llama, hybrid = (model_of(kind, **SHARED[kind]) for kind in ("llama", "qwen3_5_text"))
    with torch.no_grad():
        cut = prefill(llama, input_ids=prefix_ids()).first(LENGTH - 5)
        short = prefill(llama, input_ids=prefix_ids()[:, : LENGTH - 5])
        whole = prefill(hybrid, input_ids=prefix_ids())
    first, second = (replies_of(llama, each, defaultdict(list)) for each in (cut, short))
    assert first == second
    with pytest.raises(InputError, match="cannot be cut back"):
        whole.first(LENGTH - 5)


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        ("mistral", {"sliding_window": 8}, "does not keep the whole prefix"),
        ("gemma3_text", {"sliding_window": 8}, "does not keep the whole prefix"),
        ("mamba", {}, "does not keep the whole prefix"),
        ("gemma2", {"layer_types": ["full_attention"] * 2}, "attn_logit_softcapping"),
        ("gpt_oss", {"layer_types": ["full_attention"] * 2, "num_local_experts": 2}, "sinks"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
            "length of the prompt",
        ),
    ],
)
def test_models_that_cannot_share_say_why(kind: str, changes: Any, why: str) -> None:
    assert why in str(why_not(model_of(kind, **changes)))


def test_attention_that_cannot_be_split_is_refused_when_called() -> None:
    model = model_of("gemma2", layer_types=["full_attention"] * 2)
    with torch.no_grad():
        prefix = prefill(model, input_ids=prefix_ids())
    with pytest.raises(InputError, match="softcap"):
        replies_of(model, prefix, defaultdict(list))
    assert model.config._attn_implementation != "vica_prefix"
