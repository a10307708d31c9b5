"""Optional abilities of an adapter, beyond `vicabench.types.Adapter`.

Each ability is a protocol. An adapter has it if it has the method or property; it need not inherit
from the protocol. docs/adapters.md has an example.

All methods and properties are used in the process that answers, in the thread of `answer`. Only
`prepare` runs in another thread: what it shares with `answer` needs a lock.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from vicabench.errors import ConfigError
from vicabench.types import Adapter, AdapterContext, Agreement, Answer, Question, Spent, Video


@runtime_checkable
class Prepares(Protocol):
    """Preprocesses the next videos, and copies them to the device, during `answer`."""

    def prepare(self, video: Video) -> Any:
        """Return what `answer` will find in `video.prepared`.

        Called once per video, in order, in another thread than `answer`, as soon as the frames
        are decoded; `--prefetch` bounds how many videos are ahead. Not called with `--no-video`.
        An exception fails only that video. Return None to leave the work to `answer`.
        """


@runtime_checkable
class Measures(Protocol):
    """Measures its stages, so that a run can show where the time went."""

    @property
    def spent(self) -> Spent | None:
        """Seconds and tokens by stage since the adapter was built; None if unknown.

        Read in the thread of `answer`: before the first video and at the end of the run, in a
        worker after every video. An invalid value causes a warning, and costs no answer.
        """


@runtime_checkable
class CountsCalls(Protocol):
    """Calls an API and counts the calls, which are shown at the end of a run."""

    @property
    def calls(self) -> Mapping[str, float | None] | None:
        """Counts by name since the adapter was built, such as `cost`; None if unknown.

        Read like `spent`. Counts of several workers are summed, except for names that begin with
        `price_`.
        """


@runtime_checkable
class Stops(Protocol):
    """May stop answering, for example when its budget is spent."""

    @property
    def stopped(self) -> str | None:
        """Why no more questions are answered; None while there is no reason.

        Read in the thread of `answer` before a video is decoded, if the process of the run
        answers. Once it is a text, no more videos are decoded, and the text is the error of their
        questions. Workers do not read it: there, `answer` has to return the errors.
        """


@runtime_checkable
class NamesDevice(Protocol):
    """Knows the device that it runs on."""

    @property
    def device_name(self) -> str | None:
        """The product name of the device (`NVIDIA H200`), recorded in `config.json`.

        Read once, after the adapter is built.
        """


@runtime_checkable
class Samples(Protocol):
    """Knows whether its replies vary, so that `--repeats` is not wasted on equal ones."""

    @property
    def samples(self) -> bool:
        """Whether a second reply to a question can be another one.

        Read once, after the adapter is built. With `--repeats`, `answer` gets each question
        several times, in one call, with the numbers from 0 on as its `repeat`.
        """


@runtime_checkable
class Reusable(Protocol):
    """Answers another benchmark with the model that it has loaded, given the same options."""

    def for_context(self, context: AdapterContext) -> Adapter:
        """Return an adapter of the same model for the benchmark of this context.

        Called between the runs of one command; the old adapter is not used again.
        """


@runtime_checkable
class TakesOptions(Protocol):
    """Accepts options for models, such as `--device`; all others are refused."""

    @property
    def accepts_options(self) -> Collection[str]:
        """Names of the accepted fields of `ModelOptions`; their values are in `context.options`.

        Read once, after the adapter is built. Usually a class attribute: `("device", "dtype")`.
        """


Ask = Callable[[Sequence[str]], Sequence[Answer]]
"""Answers texts about one encoded video: one Answer per text, in their order."""


@runtime_checkable
class AnswersAbout(Adapter, Protocol):
    """Answers any text about a video: `vicabench ask`."""

    def about(self, video: Video) -> Ask:
        """Encode a video and return a function that answers texts about it.

        Called once. The returned function is called once with all texts of the command line, or
        once for every typed line.
        """


@runtime_checkable
class AnswersBothWays(Adapter, Protocol):
    """Answers from a shared prefill and from each whole prompt by itself: `vicabench verify`."""

    def both_ways(self, video: Video, questions: Sequence[Question]) -> Iterable[Agreement]:
        """Return one Agreement per question.

        Called once per video; `answer` is not called. An exception fails only that video.
        """


_SEE = "See docs/adapters.md."
METHODS = {
    "answer": ("video", "questions"),
    "prepare": ("video",),
    "about": ("video",),
    "both_ways": ("video", "questions"),
}
PROPERTIES = (
    *("settings", "spent", "calls", "stopped", "device_name", "accepts_options"),
    "samples",
)


def check_abilities(model: str, adapter: Adapter) -> None:
    """Refuse an adapter with an ability that could not be used.

    Only definitions are checked: no property is evaluated but `accepts_options`.

    Raises:
        ConfigError: For a method with the wrong parameters, a method in place of a property, or a
            single text as `accepts_options`.
    """
    for name, parameters in METHODS.items():
        shape = f"{name}({', '.join(parameters)})"
        if not _may_be_called(adapter, name, parameters):
            raise ConfigError(f"--model {model}: an adapter's {name} is a method {shape}. {_SEE}")
    for name in PROPERTIES:
        if callable(inspect.getattr_static(adapter, name, None)):
            raise ConfigError(
                f"--model {model}: an adapter's {name} is a value or a @property, not a "
                f"method. {_SEE}"
            )
    if isinstance(adapter, TakesOptions) and isinstance(adapter.accepts_options, str):
        raise ConfigError(
            f"--model {model}: an adapter's accepts_options is a tuple of names, as in "
            f'("device",), not a text. {_SEE}'
        )


def _may_be_called(adapter: Adapter, name: str, parameters: tuple[str, ...]) -> bool:
    """Whether the adapter lacks a method, or has one that takes these arguments."""
    if inspect.getattr_static(adapter, name, None) is None:
        return True
    method = getattr(adapter, name)
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(*parameters)
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        return True
    return True
