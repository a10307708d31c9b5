"""Load a transformers model by name, without pickles or foreign code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.models.auto.auto_mappings import PROCESSOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.utils.import_utils import is_torchvision_available
from vica import hub as hubs
from vica import tensors
from vica.errors import InputError
from vica.loading import default_dtype

from vicabench import zoo
from vicabench.adapters.checkpoints import OFFLINE, located
from vicabench.adapters.devices import device_of, dtype_of
from vicabench.adapters.extras import explained
from vicabench.adapters.hf import internvl_chat, places
from vicabench.adapters.hf.inputs import Inputs
from vicabench.adapters.hf.pixels import Shown
from vicabench.errors import ConfigError, UserError, an
from vicabench.types import ModelOptions

IMPORT = "Run it with its own code, and import the answers with `vicabench import`"
HINTS = {
    "internvl_chat": "With frames it is supported; OpenGVLab publishes InternVL3 for transformers "
    "in repositories whose names end in -hf",
    "llava_llama": f"VILA-1.5 and NVILA have no class in transformers. {IMPORT}",
    "llava_mistral": f"The original LLaVA and VILA layouts are not transformers'. {IMPORT}",
}
"""What to do about a `model_type` that transformers does not support."""


def small_files(spec: str) -> Path:
    """The folder of a checkpoint with at least its configuration and tokenizer.

    `spec` is a folder, or a hub id with an optional `@revision`. ConfigError if there is none.
    """
    return _folder(spec, weights=False)


def with_weights(spec: str, small: Path) -> Path:
    """The folder of the same checkpoint as `small`, with weights, downloaded if missing.

    Raises:
        ConfigError: For pickled weights, and weights from outside of the folder.
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
    """Raise a ConfigError for weights from outside of the folder, whose digest is recorded."""
    with explained():
        tensors.files(folder)
    if (folder / "adapter_config.json").exists():
        raise ConfigError(
            f"{spec} contains an adapter for another model (adapter_config.json): merge the two "
            "into one checkpoint first."
        )
    if "transformers_weights" in read_config(folder, spec):
        raise ConfigError(
            f"{spec}: its config.json names other files of weights (transformers_weights), which "
            "is not supported. Name the file model.safetensors, and remove the entry."
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
    """The `model_type` in a folder.

    Python code in the repository (`auto_map`) is never run.

    Raises:
        ConfigError: Unless transformers itself has a class for it.
    """
    config = read_config(folder, spec)
    model_type = config.get("model_type")
    if (kind := hubs.kind_of(config)) is not None:
        names = {"llava": "original LLaVA", hubs.CAMBRIAN: "Cambrian-S"}
        name = names.get(str(model_type), hubs.MODEL_TYPES[kind])
        raise ConfigError(
            f"{spec} is {an(name)}, which has its own adapter: leave out hf: before it."
        )
    if isinstance(model_type, str) and model_type in CONFIG_MAPPING:
        with explained():
            hubs.check_no_code(folder, spec, never_run=("auto_map",))
        return model_type
    why = f"transformers {transformers.__version__} has no class for its model_type {model_type!r}"
    if "auto_map" in config:
        why += ", and the Python code in the repository (auto_map) is never run"
    hint = HINTS.get(str(model_type), f"A newer transformers may have one. {IMPORT}")
    raise ConfigError(f"{spec} cannot be run: {why}. {hint}.")


FRAMES_AS = AUTO, VIDEO, IMAGES = "auto", "video", "images"
"""Values of `--frames-as`."""
INSTALL = "pip install torchvision (the build that fits your torch)"
VIDEO_ONLY = {"llava_next_video", "video_llava", "instructblipvideo", "smolvlm"}
"""Models that pool a frame of a video to far fewer tokens than an image, or (SmolVLM) whose chat
template needs the video processor."""


def load_processor(folder: Path, model_type: str) -> tuple[Any, bool, str | None]:
    """Load the processor of a checkpoint.

    Returns:
        The processor, whether it accepts a video, and a note for the user, if any.

    Raises:
        ConfigError: If transformers has no processor for it, or one that needs torchvision, which
            is not installed.
    """
    name = PROCESSOR_MAPPING_NAMES.get(model_type)
    if name is None:
        raise ConfigError(f"{folder}: transformers has no processor for {an(model_type)}.")
    with refused(folder):
        kind = getattr(transformers, name)
        takes_videos = "video_processor" in kind.get_attributes()
        if not takes_videos or is_torchvision_available():
            return AutoProcessor.from_pretrained(folder, **SAFE), takes_videos, None
    if model_type in VIDEO_ONLY:
        raise ConfigError(
            f"{folder}: the video processor of {model_type} needs torchvision: {INSTALL}."
        )
    note = (
        f"torchvision is not installed, so {model_type} gets the frames of a video as separate "
        f"images: its answers can differ from those about a video. {INSTALL}"
    )
    with refused(folder):
        return _without_videos(kind, folder), False, note


def _without_videos(kind: Any, folder: Path) -> Any:
    """The processor of a folder without its video processor, which needs torchvision."""

    def check(self: Any, name: str, argument: Any) -> Any:
        if name == "video_processor":
            return None
        return kind.check_argument_for_proper_class(self, name, argument)

    loaders: dict[str, Callable[[], Any]] = {
        "tokenizer": lambda: AutoTokenizer.from_pretrained(folder, **SAFE),
        "image_processor": lambda: AutoImageProcessor.from_pretrained(folder, **SAFE),
        "video_processor": lambda: None,
    }
    parts = [loaders[name]() for name in kind.get_attributes()]
    without = type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})
    settings, rest = without.get_processor_dict(folder, **SAFE)  # type: ignore[attr-defined]
    return without.from_args_and_dict(parts, settings, **rest)  # type: ignore[attr-defined]


SAFE = {"trust_remote_code": False, "local_files_only": True}
"""Arguments for everything that is loaded from a folder: its content is data only."""


def load(auto_class: Any, folder: Path, options: ModelOptions, config: Any = None) -> Any:
    """Load the model in a folder with one of transformers' auto classes, in evaluation mode.

    Args:
        config: The configuration, if the folder may be in another layout than transformers'.

    Raises:
        ConfigError: If it cannot be loaded, or a weight is missing, which transformers would
            initialise at random.
    """
    device = device_of(options.device)
    with refused(folder):
        model, report = internvl_chat.from_pretrained(
            auto_class,
            folder,
            config,
            dtype=dtype_of(options.dtype) or default_dtype(device),
            device_map={"": device},
            attn_implementation=options.attention,
            use_safetensors=True,
            output_loading_info=True,
            **SAFE,
        )
    missing = sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
    if missing:
        raise ConfigError(
            f"{folder}: the checkpoint is not complete. Weights of {type(model).__name__} that "
            f"are missing or have another shape: {len(missing):,}, such as {missing[0]}."
        )
    _refuse_whole_numbers(model, folder)
    model.train(False)
    return model


def _refuse_whole_numbers(model: Any, folder: Path) -> None:
    """Raise a ConfigError for weights stored as integers, unless the model is quantized."""
    if getattr(model.config, "quantization_config", None) is not None:
        return
    floating = {name.rpartition(".")[2] for name, _ in model.named_parameters()}
    with refused(folder):
        names = [n for n in tensors.integers(folder) if n.rpartition(".")[2] in floating]
        tensors.refuse_whole_numbers(folder, names)


@contextmanager
def refused(folder: Path) -> Iterator[None]:
    """Turn any exception of transformers about a folder into a ConfigError that names it."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # invalid files raise all kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{folder} cannot be loaded: {reason[:500].rstrip('.')}.") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A loaded model, its inputs, and notes for the user.

    `corrected` says whether the positions of its prompts are not those of transformers.
    """

    model: Any
    inputs: Inputs
    notes: tuple[str, ...]
    corrected: bool = False


def open_model(spec: str, options: ModelOptions) -> tuple[Opened, Path]:
    """Open the model of a hub id or folder; return it and the folder.

    Everything in the small files is checked before weights are downloaded or read.

    Raises:
        ConfigError: For a model that cannot answer about videos here.
    """
    small = small_files(spec)
    with internvl_chat.readable(small, spec) as readable:
        return _opened(spec, small, readable, options)


def _opened(spec: str, small: Path, readable: Path, options: ModelOptions) -> tuple[Opened, Path]:
    """Open a model whose small files are also in a layout of transformers, in `readable`."""
    model_type = check_family(readable, spec)
    if model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise ConfigError(f"{spec} is {an(model_type)}, which transformers supports for text only.")
    with refused(readable):
        config = AutoConfig.from_pretrained(readable, **SAFE)
    if config.is_encoder_decoder:
        raise ConfigError(
            f"{spec}: {model_type} reads text with an encoder, which is not supported."
        )
    inputs, notes = frames_of(readable, model_type, options)
    folder = with_weights(spec, small)
    model = load(AutoModelForImageTextToText, folder, options, config)
    corrected = places.correct(model) and inputs.as_video
    return Opened(model=model, inputs=inputs, notes=notes, corrected=corrected), folder


def frames_of(
    folder: Path, model_type: str, options: ModelOptions
) -> tuple[Inputs, tuple[str, ...]]:
    """How a checkpoint's processor is given frames, and notes for the user."""
    processor, takes_videos, note = load_processor(folder, model_type)
    with refused(folder):
        inputs, place = _inputs(processor, model_type, options, takes_videos=takes_videos)
    told = None if options.frames_as == IMAGES else note
    return inputs, tuple(each for each in (told, place) if each is not None)


def _inputs(
    processor: Any, model_type: str, options: ModelOptions, *, takes_videos: bool
) -> tuple[Inputs, str | None]:
    """Inputs with a video, or with images if that is wanted or the model takes no video; a note.

    Raises:
        ConfigError: For `--frames-as` with a value that the model does not take.
    """
    note, wanted = None, options.frames_as
    if wanted not in FRAMES_AS:
        raise ConfigError(f"There is no --frames-as {wanted}. Choose {', '.join(FRAMES_AS)}.")
    how: dict[str, Any] = {"model_type": model_type, "how": Shown.of(options)}
    if takes_videos and wanted != IMAGES:
        try:
            return Inputs(processor, as_video=True, **how), None
        except InputError as error:
            note = f"{model_type} gets the frames of a video as separate images: {error}"
    if wanted == VIDEO:
        raise ConfigError(
            f"{model_type} takes no video here: leave out --frames-as {VIDEO}, or give "
            f"--frames-as {IMAGES}. A processor of videos needs torchvision: {INSTALL}."
        )
    return Inputs(processor, as_video=False, **how), note
