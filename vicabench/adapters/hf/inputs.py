"""From frames and questions to what a model reads: the chat template, and each token once.

The processor sees the frames once a video, with one prompt. What it put in the place of the
placeholder stands in all other prompts too, so those are only tokenised.

Shapes: T frames, H, W, C as in `Video`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers.video_utils import VideoMetadata
from vica.errors import InputError

MILLISECONDS = 1000
TYPES = "token_type_ids"
"""How the names end of what tells apart the tokens of a prompt; those of a text are 0."""
FRAME_OPTIONS: Mapping[str, Mapping[str, Any]] = {"internvl": {"crop_to_patches": False}}
"""How a frame differs from a photograph as an image: InternVL reads each frame of a video whole."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a processor made of a video, for any prompt: `tensors`, and the ids in its place.

    `head` are the ids before the video and `count` the placeholders that stand for it in a text.
    `types` say of what kind each token of the head and the video is, under the names models know.
    """

    tensors: Mapping[str, Any]
    head: tuple[int, ...]
    ids: tuple[int, ...]
    count: int
    types: Mapping[str, tuple[int, ...]]

    def types_of(self, length: int) -> dict[str, list[int]]:
        """The kinds of the first `length` tokens of a prompt: after the video all is text."""
        return {
            name: [*kinds[:length], *[0] * (length - len(kinds))]
            for name, kinds in self.types.items()
        }


class Inputs:
    """What one model is given: `as_video` frames are one video, else an image each.

    Raises InputError for a processor or a chat template without a place for them.
    """

    def __init__(self, processor: Any, *, as_video: bool, model_type: str) -> None:
        self.processor, self.as_video = processor, as_video
        self.options = dict(FRAME_OPTIONS.get(model_type, {})) if not as_video else {}
        name = "video_token" if as_video else "image_token"
        token = getattr(processor, name, None)
        if not isinstance(token, str):
            raise InputError(f"{type(processor).__name__} has no {name}: it cannot be given frames")
        self._placeholder = int(processor.tokenizer.convert_tokens_to_ids(token))
        text = self.text("?", 1)
        _ends(self._short(text), self._placeholder, text)

    def copy(self) -> Inputs:
        """The same with a processor of its own: a tokenizer serves one thread at a time."""
        other = copy(self)
        other.processor = deepcopy(self.processor)
        return other

    def text(self, question: str, frames: int) -> str:
        """The whole prompt: the frames, then the question, as the chat template has it."""
        place = {"type": "video"} if self.as_video else {"type": "image"}
        places = [place] * (1 if self.as_video else frames)
        turn = {"role": "user", "content": [*places, {"type": "text", "text": question}]}
        return str(self.processor.apply_chat_template([turn], add_generation_prompt=True))

    def see(
        self, frames_THWC: NDArray[np.uint8], seconds: Sequence[float], duration: float
    ) -> Seen:
        """What the processor makes of a video. InputError if its prompt does not fit together."""
        text = self.text("?", len(frames_THWC))
        if self.as_video:
            visual = {
                "videos": [frames_THWC],
                "video_metadata": [_clock(frames_THWC, seconds, duration)],
                "do_sample_frames": False,
            }
        else:
            visual = {"images": [[Image.fromarray(frame) for frame in frames_THWC]]}
        made = self.processor(
            text=[text],
            return_tensors="pt",
            add_special_tokens=self._adds_special(text),
            **visual,
            **self.options,
        )
        return self._cut(text, made)

    def _cut(self, text: str, made: Mapping[str, Any]) -> Seen:
        """What of a processed prompt is about the video."""
        short, long = self._short(text), made["input_ids"][0].tolist()
        first, last = _ends(short, self._placeholder, text)
        tail = short[last + 1 :]
        end = len(long) - len(tail)
        types = {name: each[0].tolist() for name, each in made.items() if name.endswith(TYPES)}
        plain = not any(any(kinds[end:]) for kinds in types.values())
        if long[:first] != short[:first] or long[end:] != tail or not plain:
            raise InputError(f"{type(self.processor).__name__} changes more than the placeholders")
        per_token = {"input_ids", "attention_mask", *types}
        return Seen(
            tensors={name: each for name, each in made.items() if name not in per_token},
            head=tuple(short[:first]),
            ids=tuple(long[first:end]),
            count=short.count(self._placeholder),
            types={name: tuple(kinds[:end]) for name, kinds in types.items()},
        )

    def ids(self, seen: Seen, text: str) -> list[int]:
        """The ids of a prompt about a video. InputError for one with placeholders of its own."""
        short = self._short(text)
        first, last = _ends(short, self._placeholder, text)
        if tuple(short[:first]) != seen.head or short.count(self._placeholder) != seen.count:
            raise InputError("the question holds a placeholder of an image or a video")
        return [*seen.head, *seen.ids, *short[last + 1 :]]

    def _short(self, text: str) -> list[int]:
        """The ids of a prompt with placeholders as they stand in the text."""
        special = self._adds_special(text)
        return list(self.processor.tokenizer(text, add_special_tokens=special)["input_ids"])

    def _adds_special(self, text: str) -> bool:
        """Whether the tokenizer has to add what the template did not write."""
        first = self.processor.tokenizer.bos_token
        return not (first and text.startswith(first))


def _clock(
    frames_THWC: NDArray[np.uint8], seconds: Sequence[float], duration: float
) -> VideoMetadata:
    """When each frame is, counted in milliseconds: processors count in frames of the file."""
    return VideoMetadata(
        total_num_frames=max(round(MILLISECONDS * duration), len(seconds), 1),
        fps=MILLISECONDS,
        frames_indices=[round(MILLISECONDS * each) for each in seconds],
        duration=duration,
        height=frames_THWC.shape[1],
        width=frames_THWC.shape[2],
    )


def _ends(ids: Sequence[int], placeholder: int, text: str) -> tuple[int, int]:
    """Where the first and the last placeholder of a prompt are."""
    places = [place for place, token in enumerate(ids) if token == placeholder]
    if not places:
        raise InputError(f"the chat template has no place for the frames: {text[:80]!r}")
    return places[0], places[-1]


def moved(seen: Seen, device: Any, dtype: Any) -> dict[str, Any]:
    """The tensors of a video on a device, its pixels in the model's dtype."""
    return {
        name: value.to(device, dtype if name.startswith("pixel_values") else None)
        if isinstance(value, Tensor)
        else value
        for name, value in seen.tensors.items()
    }
