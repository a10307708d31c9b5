"""Turning text, videos and images into tensors: the checkpoints' `AutoProcessor`.

Shapes: F frames, H and W pixels, C = 3 colours, B samples, S ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoProcessor, BatchFeature, ProcessorMixin
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from vica.chat import PLACEHOLDER, token_ids
from vica.checkpoint import HUB_OPTIONS, configured, read_tokenizer
from vica.config import FAMILIES, ViCA2Config, ViCAConfig
from vica.errors import InputError, counted
from vica.hub import fetch
from vica.images import crops
from vica.merging import Visual, stacked
from vica.preprocessing import (
    can_preprocess,
    hiera_pixels,
    hiera_pixels_on_device,
    siglip_levels,
    siglip_pixels,
    siglip_pixels_on_device,
    squared,
)

FLOAT = 4
"""Bytes per colour channel of a preprocessed pixel (float32)."""
Frames = NDArray[np.uint8]
"""A video: frames [F, H, W, 3], uint8 RGB."""
Picture = NDArray[np.uint8] | Image.Image
"""An image: [H, W, 3] uint8 RGB, or a Pillow image."""


class ViCAProcessor(ProcessorMixin):
    """The tokenizer, and the preprocessing set by the model's configuration.

    `processor(text=..., videos=frames)` returns the tensors that `model(**inputs)` and
    `model.generate(**inputs)` take. `<image>` in the text stands for a video or image.
    """

    tokenizer: PreTrainedTokenizerBase
    config: ViCAConfig

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: ViCAConfig) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            tokenizer=tokenizer, chat_template=CHAT_TEMPLATE
        )
        self.config = config

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The attributes that transformers saves and loads by itself."""
        return ["tokenizer"]

    @classmethod
    def from_pretrained(  # type: ignore[override]  # fewer arguments than theirs
        cls, spec: str | Path, **options: Any
    ) -> Self:
        """Load the processor of a folder or hub id, without downloading weights.

        Raises:
            CheckpointError: As for a model's `from_pretrained`.
        """
        hub = {name: options[name] for name in HUB_OPTIONS if options.get(name) is not None}
        folder = fetch(spec, weights=False, **hub)
        config = options.get("config")
        if not isinstance(config, ViCAConfig):
            config, _ = configured(folder)
        return cls(read_tokenizer(folder), config)

    def save_pretrained(  # type: ignore[override]  # fewer arguments than theirs
        self,
        folder: str | Path,
        **options: Any,  # noqa: ARG002
    ) -> None:
        """Write the tokenizer; all other settings are in the model's `config.json`."""
        self.tokenizer.save_pretrained(folder)

    def __call__(
        self,
        text: str | Sequence[str],
        videos: Frames | Sequence[Frames] | None = None,
        images: Picture | Sequence[Picture] | None = None,
        *,
        return_tensors: str = "pt",
        padding_side: str = "left",
    ) -> BatchFeature:
        """Turn one or several texts, and the videos or images in them, into tensors.

        Returns:
            `input_ids` [B, S] with -200 for each `<image>`, and `attention_mask` [B, S]; with
            videos or images also `pixel_values`, `visual_sizes` and, for ViCA2,
            `hiera_pixel_values`.

        Raises:
            InputError: The texts and the videos or images do not fit together, or both videos
                and images are given.
        """
        if return_tensors != "pt":
            raise InputError(f"return_tensors={return_tensors!r}: only 'pt' is supported")
        if videos is not None and images is not None:
            raise InputError("pass videos or images, not both: their order would be unknown")
        texts = [text] if isinstance(text, str) else list(text)
        visuals = [
            *map(self.video, _each(videos, dimensions=4)),
            *map(self.image, _each(images, dimensions=3)),
        ]
        wanted = sum(text.count(PLACEHOLDER) for text in texts)
        if wanted != len(visuals):
            raise InputError(
                f"the text has {wanted} {PLACEHOLDER} for "
                f"{counted(len(visuals), 'video or image', 'videos or images')}: "
                f"write {PLACEHOLDER} where each belongs"
            )
        return BatchFeature({**self.tokens(texts, padding_side), **stacked(visuals)})

    def tokens(self, texts: Sequence[str], side: str = "left") -> dict[str, torch.Tensor]:
        """`input_ids` [B, S], -200 for each `<image>`, and `attention_mask`, padded on `side`."""
        rows = [token_ids(text, self.tokenizer) for text in texts]
        longest = max(map(len, rows))
        pad = self.tokenizer.pad_token_id or 0
        ids, mask = [], []
        for row in rows:
            gap, ones = longest - len(row), [1] * len(row)
            fill, zeros = [pad] * gap, [0] * gap
            ids.append([*fill, *row] if side == "left" else [*row, *fill])
            mask.append([*zeros, *ones] if side == "left" else [*ones, *zeros])
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}

    def video(
        self,
        frames_FHWC: Frames,
        device: torch.device | str | None = None,
        *,
        levels: bool = False,
    ) -> Visual:
        """Preprocess a video: all frames for SigLIP, the configured share of them for Hiera.

        Args:
            frames_FHWC: uint8 RGB frames [F, H, W, 3].
            device: If a GPU, the uint8 frames are copied there once and preprocessed there (113 MB
                for SigLIP at 64 frames, 13 MB a frame for Hiera); otherwise on the CPU. SigLIP's
                pixels are equal either way, Hiera's to within 0.05 of a grey level.
            levels: Return uint8, a fraction of the bytes, to send to another process; the model
                computes the same pixels from them on its device.
        """
        frames_FHWC = _checked(frames_FHWC, dimensions=4)
        if self.config.square_frames:
            size = (frames_FHWC.shape[1], frames_FHWC.shape[2])
            if size[0] != size[1]:
                square = self.video(squared(frames_FHWC), device, levels=levels)
                return replace(square, frame_size=size)
        if device is not None and can_preprocess(torch.device(device)):
            # Only a copy from pinned memory is asynchronous.
            pinned_FHWC = torch.tensor(frames_FHWC).pin_memory()
            return self.video_on_device(pinned_FHWC.to(device, non_blocking=True))
        indices = self.config.layout.spatial_indices(len(frames_FHWC))
        semantic = siglip_levels if levels else siglip_pixels
        return Visual(
            pixels_FCHW=semantic(frames_FHWC, self.config.siglip_size),
            hiera_pixels_FCHW=self._spatial(frames_FHWC[indices], levels=levels),
            frame_size=self._square_of(frames_FHWC.shape),
        )

    def video_on_device(self, frames_FHWC: torch.Tensor) -> Visual:
        """Preprocess uint8 frames [F, H, W, 3] that are on a device, there, in torch.

        The device must support float64. The CPU works too, but Pillow is faster there.
        """
        config, hiera = self.config, None
        if isinstance(config, ViCA2Config):
            share_FHWC = frames_FHWC[config.layout.spatial_indices(len(frames_FHWC))]
            hiera = hiera_pixels_on_device(share_FHWC, config.hiera_size)
        pixels_FCHW = siglip_pixels_on_device(frames_FHWC, config.siglip_size)
        return Visual(
            pixels_FCHW=pixels_FCHW,
            hiera_pixels_FCHW=hiera,
            frame_size=self._square_of(frames_FHWC.shape),
        )

    def _square_of(self, shape: Sequence[int]) -> tuple[int, int] | None:
        """The size of frames of this shape where they must be squares; raises for others."""
        if not self.config.square_frames:
            return None
        if shape[1] != shape[2]:
            raise InputError("the frames must be squares, as `video` pads them")
        return shape[1], shape[2]

    def image(self, picture: Picture, *, levels: bool = False) -> Visual:
        """Preprocess an image: the whole and its tiles for SigLIP, the whole for Hiera.

        `levels` is as in `video`. Raises InputError for Cambrian-S, of which only videos are read.
        """
        if self.config.square_frames:
            raise InputError(f"pass videos: images are not supported for {self.config.family_name}")
        if isinstance(picture, Image.Image):
            image = picture.convert("RGB")
        else:
            image = Image.fromarray(_checked(picture, dimensions=3))
        side, pinpoints = self.config.siglip_size, self.config.pinpoints
        semantic = siglip_levels if levels else siglip_pixels
        return Visual(
            pixels_FCHW=semantic(crops(image, pinpoints, side), side),
            hiera_pixels_FCHW=self._spatial(np.asarray(image)[None], levels=levels),
            image_size=(image.height, image.width),
        )

    def _spatial(self, frames_FHWC: Frames, *, levels: bool) -> torch.Tensor | None:
        if not isinstance(self.config, ViCA2Config):
            return None
        made = 3 * FLOAT * self.config.hiera_size**2
        if levels and frames_FHWC[:1].nbytes <= made:  # for larger frames the pixels are smaller
            return torch.tensor(frames_FHWC).movedim(-1, 1)
        return hiera_pixels(frames_FHWC, self.config.hiera_size)


CHAT_TEMPLATE = (
    "{% if messages[0].role != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content if part.type in ('image', 'video') %}<image>\n{% endfor %}"
    "{% for part in message.content if part.type == 'text' %}{{ part.text }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""`vica.chat.conversation` as a template, for `processor.apply_chat_template`."""


def _each(visuals: Any, *, dimensions: int) -> list[Any]:
    """One video or image, or several, as a list."""
    if visuals is None:
        return []
    one = isinstance(visuals, Image.Image) or getattr(visuals, "ndim", 0) == dimensions
    return [visuals] if one else list(visuals)


def _checked(pixels: NDArray[np.uint8], *, dimensions: int) -> NDArray[np.uint8]:
    """Raise InputError unless these are uint8 RGB pixels."""
    shape: Sequence[int] = getattr(pixels, "shape", ())
    good = len(shape) == dimensions and shape[-1] == 3 and 0 not in shape
    if not good or not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        names = "[frames, height, width, 3]" if dimensions == 4 else "[height, width, 3]"
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise InputError(f"pixels must be a numpy array {names} of uint8, not {kind} {list(shape)}")
    return pixels


for _class in FAMILIES.values():
    AutoProcessor.register(_class, ViCAProcessor)
