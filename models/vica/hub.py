"""Resolving a hub id or folder to a local folder whose configuration can be trusted.

Small files are downloaded first, so that an unusable checkpoint is refused before its weights
are downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vica.errors import CheckpointError, pointer

CONFIG = "config.json"
SMALL_FILES = ("*.json", "merges.txt", "*.jinja")
WEIGHTS = ("*.safetensors",)
CONFIGS = (
    CONFIG,
    "generation_config.json",
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "image_processor_config.json",
    "video_preprocessor_config.json",
)
"""The files of a checkpoint that say how to run it."""
REMOTE_CODE = ("auto_map", "custom_generate")
"""Fields that name Python code in a repository."""
MODEL_TYPES = {"llava_qwen": "ViCA", "vica_qwen": "ViCA2"}


def fetch(spec: str | Path, *, weights: bool = True, **hub: Any) -> Path:
    """The folder of a checkpoint: `spec` itself, or the local copy of the hub id `spec`.

    Args:
        spec: A folder or hub id.
        weights: Download the weights too.
        hub: Options of `snapshot_download` (`revision`, `cache_dir`, `token`,
            `local_files_only`, `force_download`).

    Raises:
        CheckpointError: The checkpoint does not exist, belongs to another family, or asks to run
            code from its repository.
    """
    folder = Path(spec)
    if folder.is_dir():
        family(folder)
        return folder
    if str(spec).count("/") != 1 or str(spec).startswith((".", "/", "~")):
        raise CheckpointError(f"{spec}: is no folder, and no hub id of the form name/name")
    folder = download(str(spec), SMALL_FILES, hub)
    family(folder, str(spec))
    return download(str(spec), (*SMALL_FILES, *WEIGHTS), hub) if weights else folder


def family(folder: Path, name: str | None = None) -> str:
    """The `model_type` of the checkpoint in a folder; raises CheckpointError if it is not ours."""
    name = name or str(folder)
    config = read_config(folder, name)
    check_no_code(folder, name)
    found = config.get("model_type")
    if not isinstance(found, str) or found not in MODEL_TYPES:
        known = " and ".join(f"{k} ({v})" for k, v in MODEL_TYPES.items())
        raise CheckpointError(f"{name}: is of the family {found!r}; known are {known}")
    return str(found)


def check_no_code(folder: Path, name: str, *, never_run: tuple[str, ...] = ()) -> None:
    """Raise CheckpointError if a configuration in a folder names code outside transformers.

    Such code is in the repository (`auto_map`, `custom_generate`) or a hub kernel, which
    transformers fetches for an attention implementation named `owner/name`. `never_run` are
    fields that the folder's reader ignores.
    """
    for path in (folder / other for other in CONFIGS):
        if path.is_file() and (field := _field_with_code(read_json(path), never_run)):
            raise CheckpointError(
                f"{name}: its {path.name} asks to run code from a repository ({field}); that is "
                f"never done. Remove {field} if the model can do without"
            )


def _field_with_code(config: Any, never_run: tuple[str, ...]) -> str:
    """The name of a field, at any depth, that names code; empty if there is none."""
    left = [("", config)]
    while left:  # not by recursion: the nesting may be as deep as JSON can be read
        field, value = left.pop()
        if isinstance(value, str) and "/" in value and "implementation" in field:
            return field
        if isinstance(value, list):
            left += [(field, each) for each in value]
        if not isinstance(value, dict):
            continue
        for key, below in value.items():
            if key in REMOTE_CODE and key not in never_run:
                return str(key)
            left.append((field if "implementation" in field else key, below))
    return ""


def read_config(folder: Path, name: str | None = None) -> dict[str, Any]:
    """The content of `config.json`; raises CheckpointError if it is missing or malformed."""
    path = folder / CONFIG
    if not path.exists():
        raise CheckpointError(f"{name or folder}: has no {CONFIG}: is it a checkpoint?")
    return read_json(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises CheckpointError when it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        what = pointer(path) or f"cannot be read: {error}"
        raise CheckpointError(f"{path}: {what}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no JSON object")
    return content


def download(repo: str, patterns: tuple[str, ...], hub: dict[str, Any]) -> Path:
    """Download a hub repository's files that match the patterns; return the local folder.

    Raises:
        CheckpointError: The download fails.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415  (slow; folders do without)
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(snapshot_download(repo, allow_patterns=list(patterns), **hub))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, HFValidationError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{repo}: cannot be had from the hub: {reason}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # a page in place of JSON
        raise CheckpointError(
            f"{repo}: what answers is not a hub: check the network, proxy and HF_ENDPOINT"
        ) from error
