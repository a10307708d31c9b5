"""A checkpoint's own processor, and whether it takes frames as a video or as images.

Every video processor of transformers needs torchvision. Where that is not installed, models that
read several images get the frames as images, through the Pillow versions of their processors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
from transformers.models.auto.auto_mappings import PROCESSOR_MAPPING_NAMES
from transformers.utils.import_utils import is_torchvision_available

from vicabench.adapters.hf.loading import SAFE, refused
from vicabench.errors import ConfigError
from vicabench.text import an

INSTALL = "pip install torchvision (the build that fits your torch)"
VIDEO_ONLY = {"llava_next_video", "video_llava", "instructblipvideo"}
"""Models to which a frame of a video is something else than an image: far fewer tokens, pooled."""


def load_processor(folder: Path, model_type: str) -> tuple[Any, bool, str | None]:
    """The processor of a checkpoint, whether it can take a video, and what should be known of it.

    ConfigError for a checkpoint without a processor, and for one that cannot do without
    torchvision where that is not installed, with the command that installs it.
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
        return _without_videos(kind).from_pretrained(folder, **SAFE), False, note


def _without_videos(kind: Any) -> Any:
    """A processor class whose objects have no video processor, which needs torchvision."""

    def arguments(cls: type[Any], folder: Path, *_: Any, **options: Any) -> list[Any]:
        made: dict[str, Callable[[], Any]] = {
            "tokenizer": lambda: AutoTokenizer.from_pretrained(folder, **options),
            "image_processor": lambda: AutoImageProcessor.from_pretrained(folder, **options),
            "video_processor": lambda: None,
        }
        return [made[name]() for name in cls.get_attributes()]

    def check(self: Any, name: str, argument: Any) -> Any:
        if name == "video_processor":
            return None
        return kind.check_argument_for_proper_class(self, name, argument)

    members = {
        "_get_arguments_from_pretrained": classmethod(arguments),
        "check_argument_for_proper_class": check,
    }
    return type(kind.__name__, (kind,), members)
