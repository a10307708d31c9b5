"""How the questions about a video are asked of any API, and how the video is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from io import BytesIO
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vicabench.adapters.api.account import CallError, Completion, Usage
from vicabench.adapters.api.calls import Model, refusal
from vicabench.errors import ConfigError
from vicabench.harnesses.prompts import NUMBER_ONLY, vsi_bench_api
from vicabench.options import ApiOptions
from vicabench.types import Answer, ModelOptions, Question, Video

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


EXAMPLES = tuple(
    Question(id="", video="", task="", text="{question}", answer="", options=options)
    for options in ((), ("A. {option}", "B. {option}"))
)
SHARED = ("max_new_tokens", "blind", *(f.name for f in fields(ApiOptions) if f.name != "as_frames"))
"""The options that every provider's adapter takes."""


@dataclass(frozen=True, kw_only=True)
class ApiAdapter:
    """A model behind an API; `settings` is all that can change an answer.

    `showing` makes of a video what every message about it begins with, `text` of a text the part
    that ends it.
    """

    model: Model
    options: ModelOptions
    settings: Mapping[str, Any]
    showing: Showing
    text: Callable[[str], Any]
    needs_video: bool = True
    accepts_options: ClassVar[tuple[str, ...]] = SHARED

    @property
    def calls(self) -> dict[str, Any]:
        """The account of all calls so far."""
        return self.model.calls.account.record()

    @property
    def stopped(self) -> str | None:
        """Why nothing more will be asked; None while there is no reason."""
        found = self.model.calls.account.stopped
        return None if found is None else str(found)

    def prepare(self, video: Video) -> Any:
        """What is shown of the video, made while another one is answered."""
        return self.showing.encode(video)

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer per question as the replies come; a failing question fails alone.

        ConfigError if the server refuses from the start whatever is asked of it.
        """
        encoded = video.prepared if video.prepared is not None else self.showing.encode(video)
        try:
            with self.showing.show(video, encoded) as shown:
                yield from self._asked(shown, questions)
        except CallError as error:  # the video could not be shown
            yield from (self._failed(question, error) for question in questions)

    def close(self) -> None:
        """Close the connections; a run ends without it, a longer-lived program may want to."""
        self.model.calls.close()

    def _asked(self, shown: Sequence[Any], questions: Sequence[Question]) -> Iterator[Answer]:
        calls = self.model.calls
        yield calls.run(self._ask(shown, questions[0]))
        yield from calls.each([self._ask(shown, question) for question in questions[1:]])

    async def _ask(self, shown: Sequence[Any], question: Question) -> Answer:
        parts = [*shown, self.text(vsi_bench_api(question))]
        try:
            return answered(question, await self.model.reply(parts, self.options.max_new_tokens))
        except CallError as error:
            return self._failed(question, error)

    def _failed(self, question: Question, error: CallError) -> Answer:
        """The record of a call without an answer; ConfigError if no call can bring one."""
        found = refusal(error, self.model)
        if isinstance(found, ConfigError):
            raise found from None
        return failed(question, error)


def answered(question: Question, reply: Completion) -> Answer:
    """The answer that a reply is."""
    usage = reply.usage
    return Answer(
        question_id=question.id,
        response=reply.text,
        seconds=reply.seconds,
        prompt_tokens=usage.prompt_tokens,
        new_tokens=usage.new_tokens,
        stop=reply.stop,
        usage=_known(
            cached_tokens=usage.cached_tokens,
            cost=reply.cost,
            attempts=reply.attempts,
            served_by=reply.served_by,
            without=", ".join(reply.without) or None,
        ),
    )


def failed(question: Question, error: CallError) -> Answer:
    """The record of a call that brought no answer, and of what it took nevertheless."""
    usage = error.usage or Usage()
    return Answer(
        question_id=question.id,
        error=str(error),
        prompt_tokens=usage.prompt_tokens,
        new_tokens=usage.new_tokens,
        usage=_known(cached_tokens=usage.cached_tokens, cost=error.cost, attempts=error.attempts),
    )


def _known(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def settings_of(model: Model, showing: Showing, options: ModelOptions) -> dict[str, Any]:
    """All of an adapter that can change an answer, as JSON values."""
    texts = "".join(vsi_bench_api(example) for example in EXAMPLES)
    wording = f"VSI-Bench's own, for GPT and Gemini ({NUMBER_ONLY})"
    return {
        **model.settings,
        **showing.settings,
        "max_new_tokens": options.max_new_tokens,
        "prompt": {"wording": wording, "sha256": hashlib.sha256(texts.encode()).hexdigest()},
    }
