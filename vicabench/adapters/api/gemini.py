"""`gemini:MODEL`: the video itself, uploaded once for all its questions, or the sampled frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from google.genai import types

from vicabench.adapters.api.adapter import SHARED, ApiAdapter, settings_of
from vicabench.adapters.api.generate import GeminiModel, text_part
from vicabench.adapters.api.showing import Frames, Showing
from vicabench.errors import ConfigError
from vicabench.types import AdapterContext, ModelOptions, Video

FASTEST = 24.0
"""The most frames a second that Gemini takes from a video."""
OF_FRAMES = ("image_size", "jpeg_quality", "blind")
"""Options that say nothing about a whole video."""


class GeminiAdapter(ApiAdapter):
    """The video or its frames, then the question."""

    accepts_options = (*SHARED, "as_frames")


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """Shows a video by its file, which is stored at Google while its questions are asked."""

    model: GeminiModel
    frames: int

    @property
    def settings(self) -> dict[str, Any]:
        """How Gemini samples it."""
        return {"video": "the whole file, of which Gemini takes frames / duration a second"}

    def encode(self, video: Video) -> None:
        """Nothing is made ahead of time: a file nobody may ever ask about is not uploaded."""

    @contextmanager
    def show(self, video: Video, encoded: None) -> Iterator[list[types.Part]]:  # noqa: ARG002
        """The part that names the file, which is deleted afterwards; CallError if it fails."""
        calls, names = self.model.calls, list[str]()
        try:
            file = calls.run(self.model.files.upload(video.path, names))
            rate = min(FASTEST, self.frames / video.duration) if video.duration > 0 else None
            yield [types.Part(file_data=file, video_metadata=types.VideoMetadata(fps=rate))]
        finally:
            calls.run(self.model.files.delete(names))


def build(argument: str, context: AdapterContext) -> GeminiAdapter:
    """The adapter of the model that `argument` names; ConfigError if it cannot be asked."""
    options = context.options
    if not argument:
        raise ConfigError("Say which model: --model gemini:MODEL")
    _refuse_unused(options)
    model = GeminiModel(argument, options, context.seed)
    showing: Showing = Uploaded(model=model, frames=context.frames)
    if options.as_frames:
        showing = Frames(options=options, part=_image)
    return GeminiAdapter(
        model=model,
        options=options,
        settings=settings_of(model, showing, options),
        showing=showing,
        text=text_part,
    )


def _refuse_unused(options: ModelOptions) -> None:
    unused = [name for name in options.given() if name in OF_FRAMES]
    if unused and not options.as_frames:
        typed = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise ConfigError(f"{typed}: Gemini gets the whole video. Add --as-frames, or leave out.")


def _image(jpeg: bytes) -> Any:
    return types.Part(inline_data=types.Blob(data=jpeg, mime_type="image/jpeg"))
