"""Tiny checkpoints in InternVL's original layout, `internvl_chat`, with weights from a formula."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
import transformers as hf
from safetensors.torch import save_file

from tests.hf_models import WORDS

IDS = 262
"""The ids of the tokenizer: bytes, three of the chat, and three around an image."""
CONFIGS: dict[str, dict[str, Any]] = {
    "300m": {"qkv_bias": True, "qk_normalization": False, "norm_type": "layer_norm"},
    "6b": {"qkv_bias": False, "qk_normalization": True, "norm_type": "rms_norm"},
}
CONFIGS["qwen3"] = CONFIGS["300m"]
"""The kinds of vision encoder: InternViT-300M's, InternViT-6B's, and the first with Qwen3."""
WIDTH, MLP, LAYERS, SIDE, PATCH = 32, 48, 2, 56, 14
HEADS, GROUPS = 4, 2


def stated(name: str) -> dict[str, Any]:
    """The content of `config.json`, with the fields of published ones that matter."""
    qwen3 = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "attention_bias": False}
    return {
        "model_type": "internvl_chat",
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "template": "internvl2_5",
        "ps_version": "v2",
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": SIDE,
        "dynamic_image_size": True,
        "max_dynamic_patch": 12,
        "use_thumbnail": True,
        "tie_word_embeddings": False,
        "vision_config": {
            "model_type": "intern_vit_6b",
            "architectures": ["InternVisionModel"],
            "hidden_size": WIDTH,
            "intermediate_size": MLP,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
            "layer_norm_eps": 1e-6,
            "initializer_factor": 0.1,
            **CONFIGS[name],
        },
        "llm_config": {
            "model_type": "qwen2",
            "architectures": ["Qwen2ForCausalLM"],
            "hidden_size": WIDTH,
            "intermediate_size": MLP,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": GROUPS,
            "max_position_embeddings": 8192,
            "rope_theta": 1000000.0,
            "rms_norm_eps": 1e-6,
            "vocab_size": IDS,
            "tie_word_embeddings": False,
            **({**qwen3, "head_dim": WIDTH // HEADS} if name == "qwen3" else {}),
        },
    }


def shapes(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of such a checkpoint, by its published name."""
    vision, tokens = "vision_model.", (SIDE // PATCH) ** 2 + 1
    yield f"{vision}embeddings.class_embedding", (1, 1, WIDTH)
    yield f"{vision}embeddings.position_embedding", (1, tokens, WIDTH)
    yield f"{vision}embeddings.patch_embedding.weight", (WIDTH, 3, PATCH, PATCH)
    yield f"{vision}embeddings.patch_embedding.bias", (WIDTH,)
    for layer in range(LAYERS):
        yield from _of_vision(f"{vision}encoder.layers.{layer}.", name)
        yield from _of_language(f"language_model.model.layers.{layer}.", name)
    for part, size in (("0", (4 * WIDTH,)), ("1", (WIDTH, 4 * WIDTH)), ("3", (WIDTH, WIDTH))):
        yield f"mlp1.{part}.weight", size
        yield f"mlp1.{part}.bias", size[:1]
    yield "language_model.model.embed_tokens.weight", (IDS, WIDTH)
    yield "language_model.model.norm.weight", (WIDTH,)
    yield "language_model.lm_head.weight", (IDS, WIDTH)


def _of_vision(layer: str, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    kind = CONFIGS[name]
    yield f"{layer}attn.qkv.weight", (3 * WIDTH, WIDTH)
    if kind["qkv_bias"]:
        yield f"{layer}attn.qkv.bias", (3 * WIDTH,)
    if kind["qk_normalization"]:
        yield f"{layer}attn.q_norm.weight", (WIDTH,)
        yield f"{layer}attn.k_norm.weight", (WIDTH,)
    for part, size in (
        ("attn.proj", (WIDTH, WIDTH)), ("mlp.fc1", (MLP, WIDTH)), ("mlp.fc2", (WIDTH, MLP)),
    ):  # fmt: skip
        yield f"{layer}{part}.weight", size
        yield f"{layer}{part}.bias", size[:1]
    for norm in ("norm1", "norm2"):
        yield f"{layer}{norm}.weight", (WIDTH,)
        if kind["norm_type"] == "layer_norm":
            yield f"{layer}{norm}.bias", (WIDTH,)
    yield f"{layer}ls1", (WIDTH,)
    yield f"{layer}ls2", (WIDTH,)


def _of_language(layer: str, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    head = WIDTH // HEADS
    for part, rows in (("q", HEADS * head), ("k", GROUPS * head), ("v", GROUPS * head)):
        yield f"{layer}self_attn.{part}_proj.weight", (rows, WIDTH)
        if name == "qwen3":
            yield from ((f"{layer}self_attn.{part}_norm.weight", (head,)) for _ in {part} - {"v"})
        else:
            yield f"{layer}self_attn.{part}_proj.bias", (rows,)
    yield f"{layer}self_attn.o_proj.weight", (WIDTH, WIDTH)
    for part, size in (("gate", (MLP, WIDTH)), ("up", (MLP, WIDTH)), ("down", (WIDTH, MLP))):
        yield f"{layer}mlp.{part}_proj.weight", size
    yield f"{layer}input_layernorm.weight", (WIDTH,)
    yield f"{layer}post_attention_layernorm.weight", (WIDTH,)


def values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weights of a tensor, by its name alone, in float32: uniform, around 1 in norms."""
    uniform = np.random.default_rng(crc32(name.encode())).random(shape) - 0.5
    if len(shape) == 1:
        return torch.from_numpy((uniform + name.endswith(".weight")).astype(np.float32))
    return torch.from_numpy((1.2 * uniform).astype(np.float32))


def write_internvl(folder: Path, name: str, **changes: Any) -> Path:
    """Write a tiny checkpoint of a kind in the original layout; return its folder.

    `changes` are fields of `config.json`.
    """
    folder.mkdir()
    weights = {tensor: values(tensor, shape) for tensor, shape in shapes(name)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(stated(name) | changes), encoding="utf-8")
    tokenizer = hf.Qwen2Tokenizer(
        vocab={word: number for number, word in enumerate(WORDS)},
        merges=[],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>", "<img>", "</img>", "<IMG_CONTEXT>"],
        model_max_length=8192,
    )
    assert len(tokenizer) == IDS
    tokenizer.save_pretrained(folder)
    return folder
