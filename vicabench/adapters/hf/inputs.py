"""Frames and questions as the inputs of a model; frames are processed only once.

The processor processes the frames once per video, with one prompt. The tokens that it inserts for
the placeholders are the same in all other prompts, so those are only tokenised. A processor that
changes more than the placeholders processes the frames again with each prompt.

Shapes: T frames, H, W, C as in `Video`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers.video_utils import VideoMetadata
from vica.errors import InputError

from vicabench.adapters.hf.pixels import Shown
from vicabench.wording import Wording

MILLISECONDS = 1000
TYPES = "token_type_ids"
"""The end of the names of inputs with the kind of each token; 0 is a token of text."""
FRAME_OPTIONS: Mapping[str, Mapping[str, Any]] = {"internvl": {"crop_to_patches": False}}
"""Options for frames that are given as images: InternVL does not tile the frames of a video."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The ids of a prompt, and the kind of each token by the names of the model's inputs."""

    ids: tuple[int, ...]
    types: Mapping[str, tuple[int, ...]]

    def first(self, length: int) -> Tokens:
        """The first `length` tokens."""
        return Tokens(
            ids=self.ids[:length],
            types={name: kinds[:length] for name, kinds in self.types.items()},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A processed video, for any prompt.

    Attributes:
        tensors: The processor's outputs other than tokens.
        visual: The processor's arguments for the frames, if each prompt is processed with them.
        tokens: The tokens of a prompt up to the end of the video; None in the same case.
        head: The ids before the video.
        count: The number of placeholders for the video in a prompt.
    """

    tensors: Mapping[str, Any]
    visual: Mapping[str, Any]
    tokens: Tokens | None = None
    head: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Pixels:
    """Frames for a processor.

    Attributes:
        clock: The time of each frame of a video; None if they are given as images.
        options: The processor's options for them.
    """

    frames_THWC: NDArray[np.uint8]
    clock: VideoMetadata | None
    options: Mapping[str, Any]


class Inputs:
    """Makes the inputs of one model.

    Attributes:
        as_video: Whether the frames are given as one video, else as one image each.
        exact: Whether the processor changes only placeholders, so that the frames are processed
            once per video.

    Raises:
        InputError: For a processor or a chat template without a placeholder for frames.
    """

    def __init__(
        self, processor: Any, *, as_video: bool, model_type: str, how: Shown | None = None
    ) -> None:
        self.processor, self.as_video = processor, as_video
        self.how = how or Shown()
        self._wording: Wording | None = None
        self.how.check(processor, as_video=as_video)
        self.options = dict(FRAME_OPTIONS.get(model_type, {})) if not as_video else {}
        name = "video_token" if as_video else "image_token"
        token = getattr(processor, name, None)
        if not isinstance(token, str):
            raise InputError(f"{type(processor).__name__} has no {name}: it cannot be given frames")
        self._placeholder = int(processor.tokenizer.convert_tokens_to_ids(token))
        self.exact = True
        probe = self.see(np.zeros((2, 64, 64, 3), np.uint8), (0.0, 1.0), 2.0)
        self.exact = probe.tokens is not None

    def copy(self) -> Inputs:
        """A copy with its own processor, because a tokenizer serves one thread at a time."""
        other = copy(self)
        other.processor = deepcopy(self.processor)
        return other

    def worded(self, wording: Wording | None) -> None:
        """Label the frames that are given as images as this wording says."""
        self._wording = wording

    def text(self, question: str, frames: int, *, before: str = "") -> str:
        """The whole prompt by the chat template: a text, the frames, then the question."""
        places = [{"type": "video"}] if self.as_video else [*self._places(frames)]
        texts = [_said(text) for text in (before, question)]
        turn = {"role": "user", "content": [*texts[0], *places, *texts[1]]}
        turns = [*self.how.turns, turn]
        return str(self.processor.apply_chat_template(turns, add_generation_prompt=True))

    def _places(self, frames: int) -> Iterator[dict[str, str]]:
        """The places of images, with the labels of the wording around each."""
        if self._wording is None:
            yield from [{"type": "image"}] * frames
            return
        for front, end in self._wording.labels(frames):
            yield from [*_said(front), {"type": "image"}, *_said(end)]

    def pixels(
        self, frames_THWC: NDArray[np.uint8], seconds: Sequence[float], duration: float
    ) -> Pixels:
        """The frames as a processor gets them, with their times."""
        options = dict(self.options)
        if self.how.resizes:
            frames_THWC = self.how.resized(frames_THWC, self.processor, as_video=self.as_video)
            options["do_resize"] = False
        seconds, duration = self.how.times(seconds, duration)
        clock = _clock(frames_THWC, seconds, duration) if self.as_video else None
        return Pixels(frames_THWC=frames_THWC, clock=clock, options=options)

    def unexpanded(self, text: str, frames: int) -> list[int]:
        """The ids of a prompt with one placeholder for each video or image.

        Raises:
            InputError: For a question with placeholders.
        """
        ids, plain = self._short(text), self._short(self.text("", frames))
        if ids.count(self._placeholder) != plain.count(self._placeholder):
            raise InputError("the question contains a placeholder for an image or a video")
        return ids

    def see(
        self,
        frames_THWC: NDArray[np.uint8],
        seconds: Sequence[float],
        duration: float,
        *,
        before: str = "",
    ) -> Seen:
        """Process a video, behind a text if there is one.

        Raises:
            InputError: For a template without a placeholder for a video.
        """
        pixels = self.pixels(frames_THWC, seconds, duration)
        visual: dict[str, Any] = dict(pixels.options)
        if pixels.clock is not None:
            visual |= {
                "videos": [pixels.frames_THWC],
                "video_metadata": [pixels.clock],
                "do_sample_frames": False,
            }
        else:
            visual |= {"images": [[Image.fromarray(frame) for frame in pixels.frames_THWC]]}
        text = self.text("" if before else "?", len(frames_THWC), before=before)
        _ends(self._short(text), self._placeholder, text)
        return self._cut(text, self._processed(text, visual), visual)

    def tokens(self, seen: Seen, text: str) -> Tokens:
        """The tokens of a prompt about a video; InputError if the question has placeholders."""
        if seen.tokens is None:
            return _tokens(self._processed(text, seen.visual))
        short = self._short(text)
        first, last = _ends(short, self._placeholder, text)
        if tuple(short[:first]) != seen.head or short.count(self._placeholder) != seen.count:
            raise InputError("the question contains a placeholder for an image or a video")
        tail = tuple(short[last + 1 :])
        plain = (0,) * len(tail)
        return Tokens(
            ids=(*seen.tokens.ids, *tail),
            types={name: (*kinds, *plain) for name, kinds in seen.tokens.types.items()},
        )

    def _processed(self, text: str, visual: Mapping[str, Any]) -> Mapping[str, Any]:
        special = self._adds_special(text)
        made: Mapping[str, Any] = self.processor(
            text=[text], return_tensors="pt", add_special_tokens=special, **visual
        )
        return made

    def _cut(self, text: str, made: Mapping[str, Any], visual: Mapping[str, Any]) -> Seen:
        """Cut the part about the video out of a processed prompt."""
        tokens, short = _tokens(made), self._short(text)
        tensors = {name: each for name, each in made.items() if not _is_of_tokens(name)}
        first, last = _ends(short, self._placeholder, text)
        tail = tuple(short[last + 1 :])
        end = len(tokens.ids) - len(tail)
        same = tokens.ids[:first] == tuple(short[:first]) and tokens.ids[end:] == tail
        if not self.exact or not same or any(any(kinds[end:]) for kinds in tokens.types.values()):
            return Seen(tensors=tensors, visual=visual)
        return Seen(
            tensors=tensors,
            visual={},
            tokens=tokens.first(end),
            head=tuple(short[:first]),
            count=short.count(self._placeholder),
        )

    def _short(self, text: str) -> list[int]:
        """The ids of a prompt with its placeholders not expanded."""
        special = self._adds_special(text)
        return list(self.processor.tokenizer(text, add_special_tokens=special)["input_ids"])

    def _adds_special(self, text: str) -> bool:
        """Whether the tokenizer has to add special tokens that the template did not write."""
        first = self.processor.tokenizer.bos_token
        return not (first and text.startswith(first))


def _said(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}] if text else []


def moved(seen: Seen, device: Any, dtype: Any) -> dict[str, Any]:
    """The tensors of a video on a device, with pixels in the model's dtype."""
    return {
        name: value.to(device, dtype if name.startswith("pixel_values") else None)
        if isinstance(value, Tensor)
        else value
        for name, value in seen.tensors.items()
    }


def _clock(
    frames_THWC: NDArray[np.uint8], seconds: Sequence[float], duration: float
) -> VideoMetadata:
    """The time of each frame, as indices of a file with 1000 frames per second."""
    return VideoMetadata(
        total_num_frames=max(round(MILLISECONDS * duration), len(seconds), 1),
        fps=MILLISECONDS,
        frames_indices=[round(MILLISECONDS * each) for each in seconds],
        duration=duration,
        height=frames_THWC.shape[1],
        width=frames_THWC.shape[2],
    )


def _is_of_tokens(name: str) -> bool:
    return name in {"input_ids", "attention_mask"} or name.endswith(TYPES)


def _tokens(made: Mapping[str, Any]) -> Tokens:
    types = {name: tuple(each[0].tolist()) for name, each in made.items() if name.endswith(TYPES)}
    return Tokens(ids=tuple(made["input_ids"][0].tolist()), types=types)


def _ends(ids: Sequence[int], placeholder: int, text: str) -> tuple[int, int]:
    """The positions of the first and the last placeholder of a prompt."""
    places = [place for place, token in enumerate(ids) if token == placeholder]
    if not places:
        raise InputError(f"the chat template has no place for the frames: {text[:80]!r}")
    return places[0], places[-1]
