"""InternVL's original layout, `internvl_chat`, restated as transformers' `internvl`.

InternVL3 and SenseNova-SI are published in this layout with Python code, which is never run. The
configuration and the small files are restated in a temporary folder, and the weights are renamed,
and split where one tensor holds queries, keys and values, as they are read.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig, InternVLForConditionalGeneration
from vica import hub as hubs
from vica import tensors

from vicabench.errors import ConfigError, UserError

NAME = "internvl_chat"
LANGUAGES = {"Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3"}
"""The classes of language models that transformers has too, and its names for them."""
SYSTEMS = {
    "internvl2_5": "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位"
    "联合开发的多模态大语言模型。"
}
"""The system message of a prompt by the name of its template."""
ONLY: dict[str, tuple[object, object]] = {
    "ps_version": ("v2", "v1"),
    "select_layer": (-1, -1),
    "downsample_ratio": (0.5, 0.5),
    "use_backbone_lora": (0, 0),
    "use_llm_lora": (0, 0),
    "pad2square": (False, False),
    "quantization_config": (None, None),
}
"""The supported value of a field, and the original code's where it is missing."""
VISION: dict[str, tuple[str, object]] = {
    "hidden_size": ("hidden_size", 3200),
    "intermediate_size": ("intermediate_size", 12800),
    "num_hidden_layers": ("num_hidden_layers", 48),
    "num_attention_heads": ("num_attention_heads", 25),
    "qkv_bias": ("attention_bias", False),
    "qk_normalization": ("use_qk_norm", True),
    "hidden_act": ("hidden_act", "gelu"),
    "norm_type": ("norm_type", "rms_norm"),
    "layer_norm_eps": ("layer_norm_eps", 1e-6),
    "image_size": ("image_size", 224),
    "patch_size": ("patch_size", 14),
    "num_channels": ("num_channels", 3),
}
"""A field of the vision encoder, its name in transformers, and its value where it is missing."""
NOT_OF_THE_MODEL = ("auto_map", "architectures", "_name_or_path", "torch_dtype", "dtype")
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SPECIAL = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
"""Tokens of a prompt; the last only marks a video's place, and the model never sees it."""
TURN_END = "<|im_end|>"
TEMPLATE = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nSYSTEM<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<IMG_CONTEXT>\n{% elif part.type == 'video' %}<video>\n"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@contextmanager
def readable(small: Path, spec: str) -> Iterator[Path]:
    """The small files of a checkpoint as transformers reads them, while the context lasts.

    For any other layout than `internvl_chat` that is the folder itself.

    Raises:
        ConfigError, VicaError: The files name code of a hub, or a field has an unsupported value.
    """
    stated = hubs.read_config(small, spec)
    if stated.get("model_type") != NAME:
        yield small
        return
    hubs.check_no_code(small, spec, never_run=("auto_map",))
    config = _restated(stated, spec)
    with TemporaryDirectory() as folder:
        try:
            _write(Path(folder), small, stated, config)
        except UserError:
            raise
        except Exception as error:  # transformers checks values in many ways
            raise ConfigError(f"{spec} cannot be loaded: {' '.join(str(error).split())}") from error
        yield Path(folder)


def _restated(stated: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """The content of a `config.json` of `internvl`, but for the id of its image token."""
    vision, text = (_section(stated, name, spec) for name in ("vision_config", "llm_config"))
    for problem in _problems(stated, vision, text):
        raise ConfigError(f"{spec}: its config.json (internvl_chat) cannot be used: {problem}.")
    restated = {ours: vision.get(name, default) for name, (ours, default) in VISION.items()}
    side = int(restated["image_size"]) // int(restated["patch_size"])
    language = {key: value for key, value in text.items() if key not in NOT_OF_THE_MODEL}
    return {
        "model_type": "internvl",
        "architectures": ["InternVLForConditionalGeneration"],
        "vision_config": restated,
        "text_config": {**language, "model_type": LANGUAGES[text["architectures"][0]]},
        "image_seq_length": (side // 2) ** 2,
        "downsample_ratio": 0.5,
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": bool(
            stated.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
        ),
    }


def _section(stated: Mapping[str, Any], name: str, spec: str) -> Mapping[str, Any]:
    section = stated.get(name)
    if not isinstance(section, dict):
        raise ConfigError(f"{spec}: its config.json (internvl_chat) has no {name}.")
    return section


def _problems(
    stated: Mapping[str, Any], vision: Mapping[str, Any], text: Mapping[str, Any]
) -> Iterator[str]:
    for field, (known, absent) in ONLY.items():
        value = stated.get(field, absent)
        if value != known:
            yield f"{field} is {value!r}, and only {known!r} is supported"
    if stated.get("template") not in SYSTEMS:
        yield (
            f"template is {stated.get('template')!r}, and the prompt is known only of "
            f"{', '.join(SYSTEMS)}"
        )
    classes = text.get("architectures")
    if not isinstance(classes, list) or not classes or classes[0] not in LANGUAGES:
        yield (
            f"its language model is {classes!r}, and transformers has a class only for "
            f"{' and '.join(LANGUAGES)}"
        )
    sizes = [vision.get(name, VISION[name][1]) for name in ("image_size", "patch_size")]
    if any(type(size) is not int or size < 1 for size in sizes) or sizes[0] // sizes[1] % 2:
        yield f"image_size {sizes[0]!r} and patch_size {sizes[1]!r} do not make an even map"
    if stated.get("force_image_size") not in (None, sizes[0]):
        yield (
            f"force_image_size is {stated['force_image_size']!r}, and only the vision encoder's "
            f"image_size, {sizes[0]!r}, is supported"
        )


def _write(folder: Path, small: Path, stated: Mapping[str, Any], config: dict[str, Any]) -> None:
    """Write a folder in the layout of transformers, without weights."""
    for path in small.iterdir():
        if path.is_file() and path.suffix in {".json", ".txt", ".model"}:
            shutil.copy(path, folder / path.name)
    size = config["vision_config"]["image_size"]
    sizes = {"size": {"height": size, "width": size}, "resample": 3, **IMAGENET}
    message = stated.get("system_message", SYSTEMS[stated["template"]])
    template = TEMPLATE.replace("SYSTEM", str(message))
    tokenizer = hubs.read_json(small / "tokenizer_config.json")
    for foreign in ("auto_map", "chat_template", "processor_class"):
        tokenizer.pop(foreign, None)
    length = config["image_seq_length"]
    files: dict[str, Mapping[str, Any]] = {
        "tokenizer_config.json": {**tokenizer, "extra_special_tokens": SPECIAL},
        "preprocessor_config.json": {
            "image_processor_type": "GotOcr2ImageProcessor",
            "crop_to_patches": False,
            **sizes,
        },
        "video_preprocessor_config.json": {
            "video_processor_type": "InternVLVideoProcessor",
            **sizes,
        },
        "processor_config.json": {
            "processor_class": "InternVLProcessor",
            "image_seq_length": length,
        },
        "config.json": config,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    ids: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    image, end = ids.convert_tokens_to_ids([SPECIAL["context_image_token"], TURN_END])
    ends = {"eos_token_id": end, "pad_token_id": ids.pad_token_id}
    text = {**config["text_config"], **ends}
    known = {**config, "text_config": text, "image_token_id": image}
    (folder / "config.json").write_text(json.dumps(known), encoding="utf-8")


EMBEDDINGS = "vision_model.embeddings."
LAYER = re.compile(r"vision_model\.encoder\.layers\.(\d+)\.(.+)")
PARTS = {
    "attn.proj.": "attention.projection_layer.",
    "attn.q_norm.": "attention.q_norm.",
    "attn.k_norm.": "attention.k_norm.",
    "mlp.": "mlp.",
    "norm1.": "layernorm_before.",
    "norm2.": "layernorm_after.",
    "ls1": "lambda_1",
    "ls2": "lambda_2",
}
WHOLE = {
    f"{EMBEDDINGS}class_embedding": "model.vision_tower.embeddings.cls_token",
    f"{EMBEDDINGS}position_embedding": "model.vision_tower.embeddings.position_embeddings",
    f"{EMBEDDINGS}patch_embedding.": "model.vision_tower.embeddings.patch_embeddings.projection.",
    "mlp1.0.": "model.multi_modal_projector.layer_norm.",
    "mlp1.1.": "model.multi_modal_projector.linear_1.",
    "mlp1.3.": "model.multi_modal_projector.linear_2.",
    "language_model.model.": "model.language_model.",
    "language_model.lm_head.": "lm_head.",
}
"""Names, or the beginnings of names, in both layouts."""
FUSED = "attn.qkv."
HEAD = "lm_head.weight"


def new_names(name: str) -> tuple[str, ...]:
    """The names in transformers' layout of a tensor of `internvl_chat`.

    Three for one that holds queries, keys and values, none for an unknown name.
    """
    if found := LAYER.fullmatch(name):
        layer, part = f"model.vision_tower.encoder.layer.{found[1]}.", found[2]
        if part.startswith(FUSED):
            kind = part.removeprefix(FUSED)
            return tuple(f"{layer}attention.{each}_proj.{kind}" for each in "qkv")
        return _replaced(part, PARTS, before=layer)
    return _replaced(name, WHOLE)


def _replaced(name: str, table: Mapping[str, str], before: str = "") -> tuple[str, ...]:
    for theirs, ours in table.items():
        if name == theirs or (theirs.endswith(".") and name.startswith(theirs)):
            return (f"{before}{ours}{name.removeprefix(theirs)}",)
    return ()


def from_pretrained(auto_class: Any, folder: Path, config: Any, **options: Any) -> Any:
    """`auto_class.from_pretrained(folder)`, or the model of restated weights, with `config`.

    Raises:
        CheckpointError: The tensors are not exactly those of such a model.
    """
    if hubs.read_config(folder).get("model_type") != NAME:
        return auto_class.from_pretrained(folder, **options)
    text = config.text_config
    ends = {"eos_token_id": text.eos_token_id, "pad_token_id": text.pad_token_id}
    return InternVLForConditionalGeneration.from_pretrained(
        None,
        config=config,
        state_dict=weights(folder, config),
        generation_config=GenerationConfig(**ends),
        **options,
    )


def weights(folder: Path, config: Any) -> dict[str, Tensor]:
    """The weights of a folder of `internvl_chat`, by transformers' names, on the CPU.

    They are mapped from the files, and read when they are copied to the model.

    Raises:
        CheckpointError: The tensors are not exactly those of such a model.
    """
    stored = tensors.shapes(folder)
    theirs: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in stored.items():
        parts = new_names(name)
        for part in parts or (name,):
            thirds = len(parts) == 3 and shape and shape[0] % 3 == 0
            shapes[part] = (shape[0] // 3, *shape[1:]) if thirds else shape
            theirs[part] = name
    wanted = _wanted(config)
    if config.tie_word_embeddings and HEAD not in shapes:
        del wanted[HEAD]
    tensors.compare(shapes, wanted, str(folder), lambda name: theirs.get(name, name))
    return {
        part: piece
        for path in tensors.files(folder)
        for name, tensor in load_file(path).items()
        for part, piece in _pieces(name, tensor)
    }


def _pieces(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    parts = new_names(name)
    yield from zip(parts, tensor.chunk(len(parts)), strict=True)


def _wanted(config: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of transformers' model, without allocating it."""
    with torch.device("meta"):
        model = InternVLForConditionalGeneration(deepcopy(config))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
