"""What the adapters of all providers share: the questions about a video are asked together.

Every question's message begins with the same bytes, those of the video. The first question goes
alone: servers that keep what they have read of a prompt have the video then, and take or charge
less for the others; asked all at once they would each read it. The first also learns which
settings a model refuses, and whether it can be asked at all. The rest go at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from vicabench.adapters.api.calls import Model, refusal
from vicabench.adapters.api.completion import Completion, Usage
from vicabench.adapters.api.failures import CallError
from vicabench.adapters.api.showing import Showing
from vicabench.errors import ConfigError
from vicabench.harnesses.prompts import NUMBER_ONLY, vsi_bench_api
from vicabench.options import ApiOptions
from vicabench.types import Answer, ModelOptions, Question, Video

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
