"""Ask any API the questions about a video, and show it the video."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from io import BytesIO
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vicabench.adapters.api.account import CallError, Completion, Usage
from vicabench.adapters.api.calls import Model, refusal
from vicabench.adapters.blind import shown
from vicabench.errors import ConfigError
from vicabench.harnesses.prompts import (
    AUTO,
    BENCHMARK,
    EXAMPLES,
    NUMBER_ONLY,
    Asking,
    asking_of,
    known_wordings,
    vsi_bench_api,
)
from vicabench.options import ApiOptions
from vicabench.types import AdapterContext, Answer, ModelOptions, Question, Video


class Showing(Protocol):
    """Turns a video into the first parts of a message."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What can change an answer, as JSON values."""

    def encode(self, video: Video) -> Any:
        """Encode the video ahead of time, while another one is answered."""

    def show(self, video: Video, encoded: Any) -> AbstractContextManager[Sequence[Any]]:
        """Yield the parts for as long as they are needed; CallError if that fails."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Shows the sampled frames as JPEGs in the size and quality of `options`.

    `part` turns a JPEG into a part of a message. The same frames give the same bytes, so that a
    server can find them in its cache.
    """

    options: ModelOptions
    part: Callable[[bytes], Any]

    @property
    def settings(self) -> dict[str, Any]:
        """How frames are encoded."""
        o = self.options
        frame = {"image_size": o.image_size, "jpeg_quality": o.jpeg_quality, "blind": o.blind}
        return {"video": "frames as JPEG", **frame}

    def encode(self, video: Video) -> list[Any]:
        """Make a part for each frame."""
        frames_THWC = shown(video.frames_THWC, blind=self.options.blind)
        return [self.part(self._jpeg(frame_HWC)) for frame_HWC in frames_THWC]

    def show(self, video: Video, encoded: list[Any]) -> AbstractContextManager[list[Any]]:  # noqa: ARG002
        """Return the encoded parts."""
        return nullcontext(encoded)

    def _jpeg(self, frame_HWC: NDArray[np.uint8]) -> bytes:
        """Encode a frame, uint8 RGB, as JPEG; small frames are not enlarged."""
        image = Image.fromarray(frame_HWC)
        side = self.options.image_size
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = BytesIO()
        image.save(file, "JPEG", quality=self.options.jpeg_quality)
        return file.getvalue()


_OF_CALLS = tuple(f.name for f in fields(ApiOptions) if f.name not in ("as_frames", "batch"))
SHARED = ("max_new_tokens", "blind", "wording", *_OF_CALLS)
"""The options that every provider's adapter takes."""
NO_SAMPLING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class ApiAdapter:
    """A model behind an API.

    Attributes:
        settings: All that can change an answer.
        showing: Turns a video into the parts that every message about it begins with.
        text: Turns a text into the last part of a message.
    """

    model: Model
    options: ModelOptions
    settings: Mapping[str, Any]
    showing: Showing
    text: Callable[[str], Any]
    asking: Asking | None = None
    needs_video: bool = True
    accepts_options: ClassVar[tuple[str, ...]] = SHARED

    @property
    def calls(self) -> dict[str, Any]:
        """The counts of all calls so far."""
        return self.model.calls.account.record()

    @property
    def stopped(self) -> str | None:
        """Why no more questions are asked; None while there is no reason."""
        error = self.model.calls.account.stopped
        return None if error is None else str(error)

    def prepare(self, video: Video) -> Any:
        """Encode the video while another one is answered."""
        return self.showing.encode(video)

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Yield one answer per question as replies arrive; a failing question affects no other.

        Raises:
            ConfigError: If the server refuses all calls from the start.
        """
        encoded = video.prepared if video.prepared is not None else self.showing.encode(video)
        try:
            with self.showing.show(video, encoded) as shown:
                yield from self._asked(shown, video, questions)
        except CallError as error:  # the video could not be shown
            yield from (self._failed(question, error) for question in questions)

    def close(self) -> None:
        """Close the connections; not needed at the end of a process."""
        self.model.calls.close()

    def _asked(
        self, shown: Sequence[Any], video: Video, questions: Sequence[Question]
    ) -> Iterator[Answer]:
        calls = self.model.calls
        yield calls.run(self._ask(shown, video, questions[0]))
        yield from calls.each([self._ask(shown, video, question) for question in questions[1:]])

    async def _ask(self, shown: Sequence[Any], video: Video, question: Question) -> Answer:
        parts = self.parts(shown, video, question)
        try:
            limit = self.options.max_new_tokens
            return answer_of(question, await self.model.reply(parts, limit, question.repeat))
        except CallError as error:
            return self._failed(question, error)

    def parts(self, shown: Sequence[Any], video: Video, question: Question) -> list[Any]:
        """The parts of the message about a video that is shown by `shown`."""
        if self.asking is None:
            return [*shown, self.text(vsi_bench_api(question))]
        text = self.text(self.asking.text(question, video))
        return [text, *shown] if self.asking.wording.before_frames else [*shown, text]

    def _failed(self, question: Question, error: CallError) -> Answer:
        """The record of a failed call; ConfigError if no call can succeed."""
        reason = refusal(error, self.model)
        if isinstance(reason, ConfigError):
            raise reason from None
        return failed(question, error)


def answer_of(question: Question, reply: Completion) -> Answer:
    """The answer in a reply."""
    usage = reply.usage
    return Answer(
        question_id=question.id,
        repeat=question.repeat,
        response=reply.text,
        seconds=reply.seconds,
        prompt_tokens=usage.prompt_tokens,
        new_tokens=usage.new_tokens,
        stop=reply.stop,
        usage=_known(
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cost=reply.cost,
            attempts=reply.attempts,
            served_by=reply.served_by,
            without=", ".join(reply.without) or None,
        ),
    )


def failed(question: Question, error: CallError) -> Answer:
    """The record of a call without an answer, with the tokens and the cost that it took."""
    usage = error.usage or Usage()
    return Answer(
        question_id=question.id,
        repeat=question.repeat,
        error=str(error),
        prompt_tokens=usage.prompt_tokens,
        new_tokens=usage.new_tokens,
        usage=_known(
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cost=error.cost,
            attempts=error.attempts,
        ),
    )


def _known(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def benchmark_asking(context: AdapterContext) -> Asking | None:
    """How the benchmark itself asks, if it does; ConfigError for a wording of another adapter."""
    asking, own = asking_of(context), (AUTO, BENCHMARK, "vsi-bench")
    if asking is None and context.options.wording not in own:
        raise ConfigError(
            "Models behind an API are asked in the benchmark's wording, in VSI-Bench's own for "
            f"GPT and Gemini, or in that of a harness: there is no --wording "
            f"{context.options.wording}. Choose one of {known_wordings(own)}."
        )
    return asking


def settings_of(
    model: Model, showing: Showing, options: ModelOptions, asking: Asking | None
) -> dict[str, Any]:
    """All settings of an adapter that can change an answer, as JSON values."""
    texts = "".join(vsi_bench_api(example) for example in EXAMPLES)
    wording = f"VSI-Bench's own, for GPT and Gemini ({NUMBER_ONLY})"
    own = {"wording": wording, "sha256": hashlib.sha256(texts.encode()).hexdigest()}
    return {
        **model.settings,
        **showing.settings,
        "max_new_tokens": options.max_new_tokens,
        "prompt": asking.settings if asking else own,
    }
