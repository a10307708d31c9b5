"""Models in Python: an object, a callable, or `--model ./my.py:Name`.

A callable takes `(video, questions)` and returns one reply per question, in their order: texts or
`Answer`s. An object has the methods of `vicabench.types.Adapter`. A class in a file is called with
no argument, with the `AdapterContext`, or with an empty text and the context, depending on how
many parameters it has.

The code of a file runs with all rights of the user; it is read only if `--model` names it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from vicabench.errors import ConfigError, an
from vicabench.types import Adapter, AdapterContext, Answer, Question, Video


@runtime_checkable
class Builder(Protocol):
    """Builds an adapter when the questions are known."""

    def build(self, context: AdapterContext) -> Adapter:
        """Build the adapter, ready to answer."""


Respond = Callable[[Video, Sequence[Question]], Iterable[str | Answer]]
SUFFIX = ".py"


@dataclass(frozen=True, kw_only=True)
class CallableAdapter:
    """An adapter around a callable; `settings` identify it in the run's configuration."""

    respond: Respond
    settings: Mapping[str, Any]
    needs_video: bool = True
    accepts_options: tuple[str, ...] = field(default=())

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Yield one answer per question.

        Raises:
            ValueError: If there are more or fewer replies than questions.
            TypeError: For a reply that is neither a text nor an Answer.
        """
        replies = self.respond(video, questions)
        if isinstance(replies, str | Mapping):
            raise TypeError(
                f"expected a list with a reply to each question, got {an(_kind(replies))}"
            )
        for question, reply in zip(questions, replies, strict=True):
            yield _answer(question, reply)


def _answer(question: Question, reply: object) -> Answer:
    if isinstance(reply, Answer):
        return reply
    if isinstance(reply, str):
        return Answer(question_id=question.id, repeat=question.repeat, response=reply)
    raise TypeError(f"a reply is a text or an Answer, not {an(_kind(reply))}")


def adapter_of(
    model: object, context: AdapterContext, settings: Mapping[str, Any] | None = None
) -> Adapter:
    """The adapter for an object or a callable; one with a `build` method builds it.

    Raises:
        ConfigError: For an object that cannot answer.
    """
    if isinstance(model, Builder):
        return model.build(context)
    if hasattr(model, "answer"):
        missing = [name for name in ("settings", "needs_video") if not hasattr(model, name)]
        if missing:
            raise ConfigError(
                f"{named(model)} has no {' and no '.join(missing)}, which an adapter needs: "
                "docs/adapters.md."
            )
        return model  # type: ignore[return-value]  # it has all members of an Adapter
    if callable(model):
        stated = settings or {"family": "python", "name": named(model)}
        return CallableAdapter(respond=model, settings=stated)
    raise ConfigError(
        f"An object of type {_kind(model)} cannot answer. Give a model's name, "
        "vicabench.HF(model, processor), an adapter, or a callable (video, questions) -> replies."
    )


def named(model: object) -> str:
    """The name of a model in memory: its `name`, or that of its function or class."""
    name = getattr(model, "name", None) or getattr(model, "__name__", None)
    return str(name) if name else type(model).__name__


def is_file(spec: str) -> bool:
    """Whether `--model` names something in a Python file."""
    path, colon, _ = spec.rpartition(":")
    return bool(colon) and path.endswith(SUFFIX)


def build(argument: str, context: AdapterContext) -> Adapter:
    """Build the adapter that `FILE.py:NAME` names.

    Raises:
        ConfigError: If the file cannot be read or run, or does not define the name.
    """
    path, _, name = argument.rpartition(":")
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"--model {argument}: {file} cannot be read: {error.strerror}. Name a Python file and "
            "an object in it: ./my.py:Name"
        ) from None
    module = _imported(file, argument)
    if not hasattr(module, name):
        offered = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
        raise ConfigError(f"--model {argument}: {file} has no {name!r}. It has {offered}.")
    model: Any = getattr(module, name)
    if inspect.isclass(model):
        model = _instance(model, context)
    digest = hashlib.sha256(content).hexdigest()
    settings = {"family": "python", "name": name, "file_sha256": digest}
    return adapter_of(model, context, settings)


def _instance(cls: Callable[..., Any], context: AdapterContext) -> Any:
    """Call a class that takes nothing, the context, or `(argument, context)`."""
    count = len(inspect.signature(cls).parameters)
    return cls(*("", context)[2 - min(count, 2) :])


def _imported(file: Path, argument: str) -> ModuleType:
    """Import a file as a module, which stays in `sys.modules` for pickles of its classes."""
    name = f"_vicabench_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--model {argument}: {file} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(
            f"--model {argument}: {file} cannot be run: {type(error).__name__}: {error}."
        ) from error
    return module


def _kind(value: object) -> str:
    return type(value).__name__
