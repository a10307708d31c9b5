"""Tiny random models of transformers' own classes, saved as whole folders as published ones are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    "{% if c.type == 'image' %}IMAGE{% elif c.type == 'video' %}VIDEO"
    "{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
LLAVA_TOKENS = ("<image>", "<video>")
GEMMA_TOKENS = ("<start_of_image>", "<image_soft_token>", "<end_of_image>", "\n\n\n")
INTERN_TOKENS = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>")
GLM_TOKENS = (
    "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>",
    "<|image|>", "<|video|>",
)  # fmt: skip
SMOL_TOKENS = (
    "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", "<video>",
)  # fmt: skip
WORDS = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "bos_token_id": 256,
    "eos_token_id": 258,
    "pad_token_id": 256,
}
MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0}
VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A family: its configuration, the tokens of its prompts, the files of its processors."""

    tokens: tuple[str, ...]
    image: str
    video: str
    config: Callable[[Mapping[str, int]], Any]
    files: Mapping[str, Mapping[str, Any]]
    special: Mapping[str, str]


def qwen(config: Callable[[Mapping[str, int]], Any], processor: str, video: str) -> Kind:
    size = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    sizes = {"size": size, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
    if processor == "Qwen3VLProcessor":
        sizes = {"size": {"shortest_edge": 32 * 32, "longest_edge": 8 * 64 * 64}, **sizes}
        sizes |= {"patch_size": 16}
    return Kind(
        tokens=QWEN_TOKENS,
        image="<|vision_start|><|image_pad|><|vision_end|>",
        video="<|vision_start|><|video_pad|><|vision_end|>",
        config=config,
        files={
            "preprocessor_config.json": {"image_processor_type": "Qwen2VLImageProcessor", **sizes},
            "video_preprocessor_config.json": {"video_processor_type": video, **sizes},
            "processor_config.json": {"processor_class": processor},
        },
        special={},
    )


def qwen_ids(ids: Mapping[str, int]) -> dict[str, Any]:
    return {
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
    }


def qwen2_vl(ids: Mapping[str, int]) -> Any:
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2}
    text = {**TEXT, "rope_parameters": MROPE}
    return hf.Qwen2VLConfig(text_config=text, vision_config=vision, **qwen_ids(ids))


def qwen2_5_vl(ids: Mapping[str, int]) -> Any:
    vision = {
        "depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48,
        "out_hidden_size": 32, "window_size": 28, "fullatt_block_indexes": [1],
        "tokens_per_second": 2,
    }  # fmt: skip
    text = {**TEXT, "rope_parameters": MROPE}
    return hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **qwen_ids(ids))


def qwen3_vl(ids: Mapping[str, int]) -> Any:
    vision = {
        "depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48,
        "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    text = {**TEXT, "head_dim": 8, "rope_parameters": {**MROPE, "mrope_interleaved": True}}
    return hf.Qwen3VLConfig(text_config=text, vision_config=vision, **qwen_ids(ids))


def qwen3_vl_moe(ids: Mapping[str, int]) -> Any:
    dense = qwen3_vl(ids)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    text = {
        **TEXT,
        **experts,
        "head_dim": 8,
        "rope_parameters": {**MROPE, "mrope_interleaved": True},
    }
    vision = dense.vision_config.to_dict()
    del vision["model_type"]
    return hf.Qwen3VLMoeConfig(text_config=text, vision_config=vision, **qwen_ids(ids))


def qwen3_5(ids: Mapping[str, int]) -> Any:
    vision = {
        "depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48,
        "out_hidden_size": 32, "num_position_embeddings": 16,
    }  # fmt: skip
    linear = {
        "layer_types": ["linear_attention", "full_attention"],
        "linear_key_head_dim": 8, "linear_value_head_dim": 8,
        "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    }  # fmt: skip
    rope = {**MROPE, "mrope_interleaved": True, "partial_rotary_factor": 1.0}
    text = {**TEXT, **linear, "head_dim": 8, "rope_parameters": rope}
    return hf.Qwen3_5Config(text_config=text, vision_config=vision, **qwen_ids(ids))


def glm4v(ids: Mapping[str, int]) -> Any:
    vision = {
        "depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48,
        "out_hidden_size": 32, "image_size": 56, "patch_size": 14,
    }  # fmt: skip
    rope = {**MROPE, "partial_rotary_factor": 1.0}
    return hf.Glm4vConfig(
        text_config={**TEXT, "rope_parameters": rope},
        vision_config=vision,
        image_token_id=ids["<|image|>"],
        video_token_id=ids["<|video|>"],
        image_start_token_id=ids["<|begin_of_image|>"],
        image_end_token_id=ids["<|end_of_image|>"],
        video_start_token_id=ids["<|begin_of_video|>"],
        video_end_token_id=ids["<|end_of_video|>"],
    )


def video_llama_3(ids: Mapping[str, int]) -> Any:
    vision = {**VISION, "num_attention_heads": 2, "patch_size": 14}
    return hf.VideoLlama3Config(
        vision_config=vision,
        text_config={"model_type": "qwen2", **TEXT},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
    )


def smolvlm(ids: Mapping[str, int]) -> Any:
    vision = {**VISION, "num_attention_heads": 2, "image_size": 28, "patch_size": 7}
    return hf.SmolVLMConfig(
        vision_config=vision,
        text_config={"model_type": "llama", **TEXT},
        image_token_id=ids["<image>"],
        scale_factor=2,
    )


def internvl(ids: Mapping[str, int]) -> Any:
    vision = {**VISION, "num_attention_heads": 2, "image_size": [28, 28], "patch_size": [14, 14]}
    text = {"model_type": "qwen2", **TEXT}
    return hf.InternVLConfig(
        vision_config=vision, text_config=text, image_token_id=ids["<IMG_CONTEXT>"]
    )


def llava_onevision(ids: Mapping[str, int]) -> Any:
    vision = {
        "model_type": "siglip_vision_model", **VISION,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    return hf.LlavaOnevisionConfig(
        vision_config=vision,
        text_config={"model_type": "qwen2", **TEXT},
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        image_grid_pinpoints=[[28, 28], [56, 56]],
        vision_feature_layer=-1,
    )


def llava_next_video(ids: Mapping[str, int]) -> Any:
    vision = {
        "model_type": "clip_vision_model", **VISION,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 7,
    }  # fmt: skip
    return hf.LlavaNextVideoConfig(
        vision_config=vision,
        text_config={"model_type": "llama", **TEXT},
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        image_grid_pinpoints=[[28, 28], [56, 56]],
    )


def gemma3(ids: Mapping[str, int]) -> Any:
    vision = {**VISION, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    return hf.Gemma3Config(
        vision_config=vision,
        text_config={**TEXT, "head_dim": 8, "sliding_window": 16},
        mm_tokens_per_image=4,
        image_token_index=ids["<image_soft_token>"],
        boi_token_index=ids["<start_of_image>"],
        eoi_token_index=ids["<end_of_image>"],
    )


def squares(side: int, kind: str, video: str, **more: Any) -> dict[str, Mapping[str, Any]]:
    size = {"height": side, "width": side}
    return {
        "preprocessor_config.json": {"image_processor_type": kind, "size": size, **more},
        "video_preprocessor_config.json": {"video_processor_type": video, "size": size},
    }


KINDS: dict[str, Kind] = {
    "qwen2_vl": qwen(qwen2_vl, "Qwen2VLProcessor", "Qwen2VLVideoProcessor"),
    "qwen2_5_vl": qwen(qwen2_5_vl, "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor"),
    "qwen3_vl": qwen(qwen3_vl, "Qwen3VLProcessor", "Qwen3VLVideoProcessor"),
    "qwen3_vl_moe": qwen(qwen3_vl_moe, "Qwen3VLProcessor", "Qwen3VLVideoProcessor"),
    "qwen3_5": qwen(qwen3_5, "Qwen3VLProcessor", "Qwen3VLVideoProcessor"),
    "glm4v": Kind(
        tokens=GLM_TOKENS,
        image="<|begin_of_image|><|image|><|end_of_image|>",
        video="<|begin_of_video|><|video|><|end_of_video|>",
        config=glm4v,
        files={
            "preprocessor_config.json": {
                "image_processor_type": "Glm4vImageProcessor",
                "size": {"shortest_edge": 28 * 28, "longest_edge": 2 * 56 * 56},
            },
            "video_preprocessor_config.json": {
                "video_processor_type": "Glm4vVideoProcessor",
                "size": {"shortest_edge": 28 * 28, "longest_edge": 8 * 56 * 56},
            },
            "processor_config.json": {"processor_class": "Glm4vProcessor"},
        },
        special={},
    ),
    "video_llama_3": Kind(
        tokens=QWEN_TOKENS,
        image="<|image_pad|>\n",
        video="<|video_pad|>\n",
        config=video_llama_3,
        files={
            "preprocessor_config.json": {
                "image_processor_type": "VideoLlama3ImageProcessor",
                "size": {"shortest_edge": 28 * 28, "longest_edge": 56 * 56},
            },
            "video_preprocessor_config.json": {
                "video_processor_type": "VideoLlama3VideoProcessor",
                "size": {"shortest_edge": 28 * 28, "longest_edge": 8 * 56 * 56},
            },
            "processor_config.json": {"processor_class": "VideoLlama3Processor"},
        },
        special={},
    ),
    "internvl": Kind(
        tokens=INTERN_TOKENS,
        image="<IMG_CONTEXT>\n",
        video="<video>\n",
        config=internvl,
        files={
            **squares(28, "GotOcr2ImageProcessor", "InternVLVideoProcessor", crop_to_patches=False),
            "processor_config.json": {
                "processor_class": "InternVLProcessor",
                "image_seq_length": 1,
            },
        },
        special={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    ),
    "llava_onevision": Kind(
        tokens=LLAVA_TOKENS,
        image="<image>\n",
        video="<video>\n",
        config=llava_onevision,
        files={
            **squares(
                28,
                "LlavaOnevisionImageProcessor",
                "LlavaOnevisionVideoProcessor",
                image_grid_pinpoints=[[28, 28], [56, 56]],
            ),
            "processor_config.json": {
                "processor_class": "LlavaOnevisionProcessor",
                "num_image_tokens": 4,
                "vision_feature_select_strategy": "full",
            },
        },
        special={},
    ),
    "llava_next_video": Kind(
        tokens=LLAVA_TOKENS,
        image="<image>\n",
        video="<video>\n",
        config=llava_next_video,
        files={
            "preprocessor_config.json": {
                "image_processor_type": "LlavaNextImageProcessor",
                "size": {"shortest_edge": 28},
                "crop_size": {"height": 28, "width": 28},
                "image_grid_pinpoints": [[28, 28], [56, 56]],
            },
            "video_preprocessor_config.json": {
                "video_processor_type": "LlavaNextVideoVideoProcessor",
                "size": {"shortest_edge": 28},
                "crop_size": {"height": 28, "width": 28},
            },
            "processor_config.json": {
                "processor_class": "LlavaNextVideoProcessor",
                "patch_size": 7,
                "vision_feature_select_strategy": "default",
                "num_additional_image_tokens": 1,
            },
        },
        special={},
    ),
}

if find_spec("num2words"):  # which its processor writes numbers with
    KINDS["smolvlm"] = Kind(
        tokens=SMOL_TOKENS,
        image="<image>",
        video="<video>",
        config=smolvlm,
        files={
            "preprocessor_config.json": {
                "image_processor_type": "SmolVLMImageProcessor",
                "size": {"longest_edge": 28},
                "max_image_size": {"longest_edge": 28},
                "do_image_splitting": False,
            },
            "video_preprocessor_config.json": {
                "video_processor_type": "SmolVLMVideoProcessor",
                "size": {"longest_edge": 28},
                "max_image_size": {"longest_edge": 28},
            },
            "processor_config.json": {"processor_class": "SmolVLMProcessor", "image_seq_len": 4},
        },
        special={},
    )

FALLBACK = {
    "gemma3": Kind(
        tokens=GEMMA_TOKENS,
        image="<start_of_image>",
        video="",
        config=gemma3,
        files={
            "preprocessor_config.json": {
                "image_processor_type": "Gemma3ImageProcessor",
                "size": {"height": 28, "width": 28},
            },
            "processor_config.json": {"processor_class": "Gemma3Processor", "image_seq_length": 4},
        },
        special={
            "boi_token": "<start_of_image>",
            "image_token": "<image_soft_token>",
            "eoi_token": "<end_of_image>",
        },
    )
}
"""What cannot share its prefill: newlines around an image become one token with others."""


def tokenizer_of(kind: Kind) -> Any:
    """An id a byte, and the special tokens of the family last."""
    tokenizer = hf.Qwen2Tokenizer(
        vocab={word: number for number, word in enumerate(WORDS)},
        merges=[],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        extra_special_tokens=dict(kind.special),
        model_max_length=8192,
    )
    tokenizer.add_tokens([AddedToken(t, special=True) for t in kind.tokens], special_tokens=True)
    return tokenizer


def write_hf_model(folder: Path, name: str, **changes: Any) -> Path:
    """Write a tiny random model of the class that `name` stands for to a folder; return it.

    `changes` are attributes of its text configuration.
    """
    return write_model(folder, {**KINDS, **FALLBACK}[name], **changes)


def write_model(folder: Path, kind: Kind, **changes: Any) -> Path:
    """Write a random model of a family to a folder; return it."""
    tokenizer = tokenizer_of(kind)
    config = kind.config(tokenizer.get_vocab())
    config.text_config.vocab_size = len(tokenizer)
    for key, value in changes.items():
        setattr(config.text_config, key, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = hf.AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:  # larger than usual, so that what is read decides what is said
                weight.mul_(8)
    model.generation_config = hf.GenerationConfig(eos_token_id=258, pad_token_id=256)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    template = CHATML.replace("IMAGE", kind.image).replace("VIDEO", kind.video)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    for file, content in kind.files.items():
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
    return folder
