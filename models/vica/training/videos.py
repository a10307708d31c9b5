"""What a conversation shows, read from its file and made ready for the encoders.

The original takes the next record where a video cannot be read, so that some are trained on twice
and nobody knows. Here it is an error that names the record, to be counted by whoever trains.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vica.chat import time_instruction
from vica.errors import DataError, VicaError
from vica.merging import Visual
from vica.processing import ViCAProcessor
from vica.training import imagefiles, parquetfiles
from vica.training.types import VIDEO, Conversation
from vica.video import VideoError, read_frames


class UnreadableError(VicaError):
    """A video or an image that is there but cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A video or image in uint8, as the model takes it, None for text alone.

    `time_instruction` says when each frame is; it is empty for all but videos.
    """

    visual: Visual | None
    time_instruction: str = ""


def see(conversation: Conversation, processor: ViCAProcessor, *, frames: int, timed: bool) -> Seen:
    """What a conversation shows: `frames` frames of a video spread evenly, or an image's tiles.

    With `timed` the text is told the times of the frames, as in the published training. Raises
    UnreadableError naming the record and the file.
    """
    path = conversation.visual
    if path is None:
        return Seen(visual=None)
    try:
        if conversation.kind == VIDEO:
            shown = read_frames(path, frames)
            times = time_instruction(shown.duration, shown.seconds) if timed else ""
            return Seen(
                visual=processor.video(shown.pixels_THWC, levels=True), time_instruction=times
            )
        return Seen(visual=processor.image(read_image(path), levels=True))
    except (VideoError, DataError, OSError, ValueError, SyntaxError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableError(
            f"{conversation.file}, record {conversation.index}: {path} cannot be read: {reason}"
        ) from error


def read_image(path: Path) -> Image.Image:
    """An image in RGB, from a file of its own or a row of a parquet file.

    Raises OSError, ValueError or SyntaxError, as Pillow does, for what is no image.
    """
    try:
        if parquetfiles.is_row(path):
            return parquetfiles.image(path).convert("RGB")
        with imagefiles.opened(path) as opened:
            return opened.convert("RGB")
    except Image.DecompressionBombError as error:
        raise OSError(f"the image is too large: {error}") from error
