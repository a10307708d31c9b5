"""Writing a complete checkpoint of a tiny model with random weights, in the published layout.

It serves tests, the demonstration, and trying out whatever needs a checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer

from vica.chat import END, START
from vica.config import SIZES, ViCAConfig
from vica.errors import CheckpointError
from vica.modeling import MODELS, ViCA

END_OF_TEXT = "<|endoftext|>"
FAMILY_NAMES = ("vica", "vica2")
MAX_LENGTH = 32768


def write_tiny_checkpoint(
    folder: str | Path, *, family: str = "vica2", seed: int = 0, max_shard_size: str = "5GB"
) -> Path:
    """Write a tiny ViCA or ViCA2 (`family` is `vica` or `vica2`) to a folder, and return it.

    The weights depend on `seed` alone.

    Raises:
        CheckpointError: The folder already holds a checkpoint, or `family` is unknown.
    """
    folder = Path(folder)
    if (folder / "config.json").exists():
        raise CheckpointError(f"{folder}: already holds a checkpoint; choose another folder")
    if family not in FAMILY_NAMES:
        raise CheckpointError(f"unknown family {family!r}: choose one of {', '.join(FAMILY_NAMES)}")
    tokenizer = byte_tokenizer()
    build = SIZES["tiny"][FAMILY_NAMES.index(family)]
    model = random_model(build(**ids_of(tokenizer)), seed)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(folder)
    return folder


def random_model(config: ViCAConfig, seed: int) -> ViCA:
    """A float32 model with random weights from `seed`; the global generator is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODELS[config.model_type](config)
    model.train(False)
    return model


def ids_of(tokenizer: Qwen2Tokenizer) -> dict[str, int]:
    """The configuration fields that depend on the tokenizer."""
    text_end, turn_end = (tokenizer.get_vocab()[token] for token in (END_OF_TEXT, END))
    return {
        "bos_token_id": text_end,
        "eos_token_id": turn_end,
        "pad_token_id": text_end,
        "tokenizer_length": len(tokenizer),
    }


def phrase_tokenizer(phrases: Sequence[str]) -> Qwen2Tokenizer:
    """A `byte_tokenizer` with additional phrases, each with one id, after all other ids.

    If several phrases match, the longest is used. It is saved and read like any other tokenizer.
    """
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    return tokenizer


def byte_tokenizer() -> Qwen2Tokenizer:
    """Qwen2's tokenizer without merges: an id per byte, and the chat's special tokens.

    As in Qwen2, a newline is id 198 and the special tokens come last.
    """
    words = [*sorted(ByteLevel.alphabet()), END_OF_TEXT, START, END]
    return Qwen2Tokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        eos_token=END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START, END],
        model_max_length=MAX_LENGTH,
    )
