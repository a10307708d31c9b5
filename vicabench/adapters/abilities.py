"""What an adapter may offer beside `vicabench.types.Adapter`: each ability is a protocol.

An adapter offers an ability by having the method or the property; it inherits nothing. Whoever
writes one reads this file, and docs/adapters.md for an example.

All of it is called in the process that answers, and in the thread of `answer`, except `prepare`,
which runs in a thread beside it: what both of them touch needs a lock.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from vicabench.errors import ConfigError
from vicabench.types import Adapter, Agreement, Answer, Question, Spent, Video


@runtime_checkable
class Prepares(Protocol):
    """Preprocesses the next videos while the present one is answered.

    Preprocess and copy to the device here.
    """

    def prepare(self, video: Video) -> Any:
        """Return what `answer` will find in `video.prepared`.

        Called once a video, in order, in one thread beside that of `answer`, as soon as the
        frames are decoded; `--prefetch` bounds how many videos are ahead. With `--no-video` it is
        not called. An exception fails that video alone. None leaves the work to `answer`.
        """


@runtime_checkable
class Measures(Protocol):
    """Measures its stages, so that the run can print where the time went."""

    @property
    def spent(self) -> Spent | None:
        """Seconds and tokens by stage since the adapter was built; None if not known.

        Read in the thread of `answer`: before the first video, at the end of the run, and by a
        worker after every video. A wrong value is warned of, and costs no answer.
        """


@runtime_checkable
class CountsCalls(Protocol):
    """Calls an API, and counts the calls for the account at the end of a run."""

    @property
    def calls(self) -> Mapping[str, float | None] | None:
        """Counts by name since the adapter was built, as `requests` or `cost`; None if unknown.

        Read as `spent` is. Counts are summed over several workers, but for names that begin with
        `price_`.
        """


@runtime_checkable
class Stops(Protocol):
    """May decide to answer nothing more, for example when its budget is spent."""

    @property
    def stopped(self) -> str | None:
        """Why no further question is answered; None as long as there is no reason.

        Read in the thread of `answer` before a video is decoded, if the process of the run
        answers. Once there is a text no more videos are decoded, and the text is the error of
        their questions. Workers do not read it: `answer` has to give the errors there.
        """


@runtime_checkable
class NamesDevice(Protocol):
    """Knows the device that it runs on."""

    @property
    def device_name(self) -> str | None:
        """The device as its maker calls it (`NVIDIA H200`), kept in `config.json`.

        Read once, after the adapter is built.
        """


@runtime_checkable
class TakesOptions(Protocol):
    """Takes options for models, such as `--device`; all others are refused when they are given."""

    @property
    def accepts_options(self) -> Collection[str]:
        """Names of fields of `ModelOptions`, whose values are in `context.options`.

        Read once, after the adapter is built. A class attribute: `("device", "max_new_tokens")`.
        """


Ask = Callable[[Sequence[str]], Sequence[Answer]]
"""Answers texts about one encoded video: one Answer a text, in their order."""


@runtime_checkable
class AnswersAbout(Adapter, Protocol):
    """Answers any text about a video: `vicabench ask`."""

    def about(self, video: Video) -> Ask:
        """Encode a video once, and return the function that answers texts about it.

        Called once; what it returns is called once with all the texts of the command line, or
        once for every line that is typed.
        """


@runtime_checkable
class AnswersBothWays(Adapter, Protocol):
    """Answers from a shared prefill and from each whole prompt alone: `vicabench verify`."""

    def both_ways(self, video: Video, questions: Sequence[Question]) -> Iterable[Agreement]:
        """Return one Agreement a question.

        Called once a video; `answer` is not called. An exception fails that video alone.
        """


_SEE = "See docs/adapters.md."
METHODS = {
    "answer": ("video", "questions"),
    "prepare": ("video",),
    "about": ("video",),
    "both_ways": ("video", "questions"),
}
PROPERTIES = ("settings", "spent", "calls", "stopped", "device_name", "accepts_options")


def check_abilities(model: str, adapter: Adapter) -> None:
    """Refuse an adapter with an ability that could not be used.

    Looks at definitions only: no property is evaluated but `accepts_options`.

    Raises:
        ConfigError: For a method that does not take what it will be given, a method in place of a
            property, or a single text as `accepts_options`.
    """
    for name, given in METHODS.items():
        shape = f"{name}({', '.join(given)})"
        if not _may_be_called(adapter, name, given):
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


def _may_be_called(adapter: Adapter, name: str, given: tuple[str, ...]) -> bool:
    """Whether the adapter lacks a method, or has it and it takes so many arguments."""
    if inspect.getattr_static(adapter, name, None) is None:
        return True
    method = getattr(adapter, name)
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(*given)
    except TypeError:
        return False
    except ValueError:  # written in C: nothing is known of its arguments
        return True
    return True
