"""How a video is shown to a model behind an API: what comes first in every message about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vicabench.types import ModelOptions, Video

GREY = 128
"""As the local models' `--blind`."""


class Showing(Protocol):
    """Makes of a video the first parts of a message."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How, as far as it can change an answer; JSON values."""

    def encode(self, video: Video) -> Any:
        """What can be made ahead of time, while another video is answered."""

    def show(self, video: Video, encoded: Any) -> AbstractContextManager[Sequence[Any]]:
        """The parts, for as long as they can be used; CallError if it cannot be shown."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The sampled frames as JPEG files of the size and quality in `options`.

    `part` makes a part of a message of each. The same frames give the same bytes, so that a
    server finds them in its cache.
    """

    options: ModelOptions
    part: Callable[[bytes], Any]

    @property
    def settings(self) -> dict[str, Any]:
        """What a frame is made into."""
        o = self.options
        frame = {"image_size": o.image_size, "jpeg_quality": o.jpeg_quality, "blind": o.blind}
        return {"video": "frames as JPEG", **frame}

    def encode(self, video: Video) -> list[Any]:
        """A part for each frame."""
        frames_THWC = video.frames_THWC
        if self.options.blind:
            frames_THWC = np.full_like(frames_THWC, GREY)
        return [self.part(self._jpeg(frame_HWC)) for frame_HWC in frames_THWC]

    def show(self, video: Video, encoded: list[Any]) -> AbstractContextManager[list[Any]]:  # noqa: ARG002
        """They are what was encoded."""
        return nullcontext(encoded)

    def _jpeg(self, frame_HWC: NDArray[np.uint8]) -> bytes:
        """A frame, uint8 RGB, as a file; none is made larger than it is."""
        image = Image.fromarray(frame_HWC)
        side = self.options.image_size
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = BytesIO()
        image.save(file, "JPEG", quality=self.options.jpeg_quality)
        return file.getvalue()
