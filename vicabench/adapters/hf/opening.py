"""From a name to a model that is loaded and knows how frames are put before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from vica.errors import InputError

from vicabench.adapters.hf.checkpoint import check_family, small_files, with_weights
from vicabench.adapters.hf.inputs import Inputs
from vicabench.adapters.hf.loading import SAFE, load, refused
from vicabench.adapters.hf.processors import load_processor
from vicabench.errors import ConfigError
from vicabench.text import an
from vicabench.types import ModelOptions


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A loaded model, its inputs, and what a reader should know."""

    model: Any
    inputs: Inputs
    notes: tuple[str, ...]


def open_model(spec: str, options: ModelOptions) -> tuple[Opened, Path]:
    """The model of a hub id or folder, and that folder.

    All that the small files tell is checked before weights are downloaded or read. ConfigError
    for a model that cannot answer about videos here.
    """
    small = small_files(spec)
    model_type = check_family(small, spec)
    if model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise ConfigError(f"{spec} is {an(model_type)}, which transformers has for text alone.")
    with refused(small):
        config = AutoConfig.from_pretrained(small, **SAFE)
    if config.is_encoder_decoder:
        raise ConfigError(
            f"{spec}: {model_type} reads text with an encoder: it cannot be run here."
        )
    processor, takes_videos, note = load_processor(small, model_type)
    with refused(small):
        inputs, place = _inputs(processor, model_type, takes_videos=takes_videos)
    folder = with_weights(spec, small)
    model = load(AutoModelForImageTextToText, folder, options)
    notes = tuple(each for each in (note, place) if each is not None)
    return Opened(model=model, inputs=inputs, notes=notes), folder


def _inputs(processor: Any, model_type: str, *, takes_videos: bool) -> tuple[Inputs, str | None]:
    """Frames as a video, or as images if the chat template has no place for a video; and a note."""
    note = None
    if takes_videos:
        try:
            return Inputs(processor, as_video=True, model_type=model_type), None
        except InputError as error:
            note = f"{model_type} gets the frames of a video as separate images: {error}"
    return Inputs(processor, as_video=False, model_type=model_type), note
