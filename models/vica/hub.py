"""Resolving a hub id or folder to a local folder whose configuration can be trusted.

Small files are downloaded first, so that an unusable checkpoint is refused before its weights
are downloaded.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from vica.errors import CheckpointError, counted, pointer

if TYPE_CHECKING:
    from tqdm import tqdm

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
UNKNOWN = 64 << 20
"""Bytes that a file may have whose size the hub does not say."""
SLACK = 1 << 20
"""Bytes that may come twice where a connection breaks."""


def address() -> str:
    """The address of the hub, which HF_ENDPOINT sets, without a user and password in it."""
    from huggingface_hub import constants  # noqa: PLC0415

    parts = urlsplit(constants.ENDPOINT)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


MODEL_TYPES = {"llava_qwen": "ViCA", "vica_qwen": "ViCA2"}
LLAVA = ("llava", "LlavaQwenForCausalLM")
"""The `model_type` and class that original LLaVA checkpoints over Qwen2 state, ViCA's layout."""


CAMBRIAN = "cambrian_qwen"
"""The `model_type` of Cambrian-S, whose layout is ViCA's but for names and the size of maps."""


def kind_of(config: Mapping[str, Any]) -> str | None:
    """The key of MODEL_TYPES for the content of a `config.json`; None for other families.

    The name `llava` is also that of transformers' class, and of LLaVA over other language models:
    the stated class tells them apart.
    """
    stated = config.get("model_type")
    if is_llava(config) or stated == CAMBRIAN:
        return "llava_qwen"
    return stated if isinstance(stated, str) and stated in MODEL_TYPES else None


def is_llava(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is that of an original LLaVA checkpoint over Qwen2."""
    name, architecture = LLAVA
    classes = config.get("architectures")
    return (
        config.get("model_type") == name and isinstance(classes, list) and architecture in classes
    )


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
        raise CheckpointError(f"{spec}: is neither a folder nor a hub id of the form owner/name")
    folder = download(str(spec), SMALL_FILES, hub)
    family(folder, str(spec))
    return download(str(spec), (*SMALL_FILES, *WEIGHTS), hub) if weights else folder


def family(folder: Path, name: str | None = None) -> str:
    """The key of MODEL_TYPES for the checkpoint in a folder; raises CheckpointError without one."""
    name = name or str(folder)
    config = read_config(folder, name)
    check_no_code(folder, name)
    found = kind_of(config)
    if found is None:
        known = " and ".join(f"{k} ({v})" for k, v in MODEL_TYPES.items())
        stated = config.get("model_type")
        raise CheckpointError(
            f"{name}: is of the family {stated!r}; known are {known}"
            + (f", and llava of the class {LLAVA[1]}" if stated == LLAVA[0] else "")
        )
    return found


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

    No more is downloaded than the hub announced, and nothing if the disk lacks the space. Without
    a connection, files downloaded before are returned.

    Raises:
        CheckpointError: The download fails.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415  (slow; folders do without)
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415

    options = {**hub, "allow_patterns": list(patterns)}
    try:
        if not hub.get("local_files_only"):
            options |= _limits(repo, patterns, hub)
        return Path(snapshot_download(repo, **options))
    except (HfHubHTTPError, OSError, HFValidationError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{repo}: could not be downloaded from the hub: {reason}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # a page in place of JSON
        raise CheckpointError(
            f"{repo}: what answers is not a hub: check the network, proxy and HF_ENDPOINT"
        ) from error


def _limits(repo: str, patterns: tuple[str, ...], hub: dict[str, Any]) -> dict[str, Any]:
    """Options of `snapshot_download` that bound it by the sizes that the hub announces.

    Where the hub does not answer, only the local copy can be used. Raises CheckpointError where
    the disk is too small.
    """
    from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache  # noqa: PLC0415

    unreachable: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    place = {key: hub.get(key) for key in ("repo_type", "revision")}
    api = HfApi(token=hub.get("token"))
    try:
        info = api.repo_info(repo, files_metadata=True, **place)
    except errors.RevisionNotFoundError:
        raise
    except (unreachable, errors.OfflineModeIsEnabled, errors.HfHubHTTPError):
        # `snapshot_download` says why, or returns what is there; nothing unbounded is downloaded.
        return {"tqdm_class": bounded(repo, 0, CheckpointError)}
    cache = Path(hub.get("cache_dir") or constants.HF_HUB_CACHE)
    place |= {"revision": info.sha, "cache_dir": cache}
    owed = [
        file
        for file in getattr(info, "siblings", None) or ()
        if any(fnmatch(file.rfilename, pattern) for pattern in patterns)
        and (
            hub.get("force_download")
            or not isinstance(try_to_load_from_cache(repo, file.rfilename, **place), str)
        )
    ]
    size = sum(file.size or 0 for file in owed)
    unknown = sum(UNKNOWN for file in owed if file.size is None)
    if size > (free := _free(cache)):
        raise CheckpointError(
            f"{repo}: {size / 1e9:.1f} GB are needed, and the disk of {cache} has {free / 1e9:.1f} "
            "GB free: make room, or choose another disk with HF_HUB_CACHE"
        )
    return {"tqdm_class": bounded(repo, size + unknown, CheckpointError)}


def _free(folder: Path) -> int:
    """Free bytes on the disk that a folder is on, or will be."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def bounded(repo: str, size: int, refusal: type[Exception]) -> type[tqdm]:
    """A bar for `snapshot_download` that raises `refusal` when more than `size` bytes come."""
    from huggingface_hub.utils import tqdm as bar  # type: ignore[attr-defined]  # noqa: PLC0415

    class Bounded(bar):
        come = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.come += int(n or 0)
            if self.come > size + SLACK:
                raise refusal(
                    f"The hub sends more of {repo} than the {counted(size, 'byte')} that it "
                    "announced. Check the network, proxy and HF_ENDPOINT."
                )
            return cast("bool | None", super().update(n))

    return Bounded
