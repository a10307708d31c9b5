"""From what a user names to a folder that transformers can load without running foreign code.

The small files come first, so that what cannot be used is refused before gigabytes are downloaded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import transformers
from transformers import CONFIG_MAPPING
from vica import hub as hubs
from vica import tensors

from vicabench import zoo
from vicabench.adapters.checkpoints import OFFLINE, located
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError
from vicabench.text import an

IMPORT = "Run it with the code it comes with, and bring its answers in with `vicabench import`"
HINTS = {
    "internvl_chat": "OpenGVLab publishes the same weights for transformers in repositories whose "
    "names end in -hf",
    "llava_llama": f"VILA-1.5 and NVILA have no class in transformers. {IMPORT}",
    "llava_mistral": f"The original LLaVA and VILA layouts are not transformers'. {IMPORT}",
}
"""What else can be done about a `model_type` that transformers does not know."""


def small_files(spec: str) -> Path:
    """The folder of a checkpoint with its configuration and tokenizer at least.

    `spec` is a folder, or a hub id that `@revision` may follow. ConfigError if there is none.
    """
    return _folder(spec, weights=False)


def with_weights(spec: str, small: Path) -> Path:
    """The folder of the same checkpoint as `small`, weights included; from the hub what is missing
    is downloaded. ConfigError for weights that are pickled.
    """
    name = located(spec)[0]
    folder = small if Path(name).is_dir() else _folder(f"{name}@{small.name}", weights=True)
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{spec} has no safetensors files, and only those are read: pickled weights can run "
            "code when they are loaded."
        )
    _refuse_strangers(folder, spec)
    return folder


def _refuse_strangers(folder: Path, spec: str) -> None:
    """ConfigError for weights from elsewhere than the folder itself, whose digest is recorded."""
    with explained():
        tensors.files(folder)
    if (folder / "adapter_config.json").exists():
        raise ConfigError(
            f"{spec} holds an adapter for another model (adapter_config.json): merge the two into "
            "one checkpoint first."
        )
    if "transformers_weights" in read_config(folder, spec):
        raise ConfigError(
            f"{spec}: its config.json names other files of weights (transformers_weights), which "
            "is not supported. Name them as usual, model.safetensors, and remove the entry."
        )


def _folder(spec: str, *, weights: bool) -> Path:
    name, hub = located(spec)
    if Path(name).is_dir():
        return Path(name)
    with explained():
        if os.environ.get("HF_HUB_OFFLINE", "0").upper() in OFFLINE:
            return hubs.download(name, zoo.PATTERNS if weights else zoo.SMALL, hub)
        return zoo.fetch(name, hub.get("revision"), weights=weights)


def read_config(folder: Path, spec: str) -> dict[str, Any]:
    """The object in a checkpoint's `config.json`; ConfigError if there is none."""
    with explained():
        return hubs.read_config(folder, spec)


def check_family(folder: Path, spec: str) -> str:
    """The `model_type` in a folder; ConfigError unless transformers has a class of its own for it.

    A repository may bring Python code besides (`auto_map`): it is never run.
    """
    config = read_config(folder, spec)
    found = config.get("model_type")
    if isinstance(found, str) and found in hubs.MODEL_TYPES:
        raise ConfigError(
            f"{spec} is {an(hubs.MODEL_TYPES[found])}, which has an adapter of its own: leave out "
            "hf: before it."
        )
    if isinstance(found, str) and found in CONFIG_MAPPING:
        with explained():
            hubs.check_no_code(folder, spec, never_run=("auto_map",))
        return found
    why = f"transformers {transformers.__version__} has no class for its model_type {found!r}"
    if "auto_map" in config:
        why += ", and the Python code in the repository (auto_map) is never run"
    hint = HINTS.get(str(found), f"A newer transformers may have one. {IMPORT}")
    raise ConfigError(f"{spec} cannot be run: {why}. {hint}.")
