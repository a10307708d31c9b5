"""Models in Python: an object, any callable, or `--model ./my.py:Name` from a file.

A callable takes `(video, questions)` and gives one reply a question, in their order: texts, or
`Answer`s. An object has the methods of `vicabench.types.Adapter`. A class in a file is built with
nothing, the `AdapterContext`, or an empty argument and the context, by how many it takes.

A file's code runs with all the rights of the user: it is read only if `--model` names it.
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
    """What makes an adapter once it is known what is asked."""

    def build(self, context: AdapterContext) -> Adapter:
        """The adapter, ready to answer."""


Respond = Callable[[Video, Sequence[Question]], Iterable[str | Answer]]
ENDING = ".py"


@dataclass(frozen=True, kw_only=True)
class CallableAdapter:
    """An adapter around a callable; `settings` say which one, for the run's configuration."""

    respond: Respond
    settings: Mapping[str, Any]
    needs_video: bool = True
    accepts_options: tuple[str, ...] = field(default=())

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer per question.

        Raises:
            ValueError: If there are more or fewer replies than questions.
            TypeError: For a reply that is neither a text nor an Answer.
        """
        given = self.respond(video, questions)
        if isinstance(given, str | Mapping):
            raise TypeError(
                f"expected a list with a reply to each question, got {an(_kind(given))}"
            )
        for question, reply in zip(questions, given, strict=True):
            yield _answer(question, reply)


def _answer(question: Question, reply: object) -> Answer:
    if isinstance(reply, Answer):
        return reply
    if isinstance(reply, str):
        return Answer(question_id=question.id, response=reply)
    raise TypeError(f"a reply is a text or an Answer, not {an(_kind(reply))}")


def adapter_of(
    model: object, context: AdapterContext, settings: Mapping[str, Any] | None = None
) -> Adapter:
    """The adapter that an object or a callable is, or makes when it has a `build(context)`.

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
        return model  # type: ignore[return-value]  # it has all of an Adapter
    if callable(model):
        stated = settings or {"family": "python", "name": named(model)}
        return CallableAdapter(respond=model, settings=stated)
    raise ConfigError(
        f"An object of type {_kind(model)} cannot answer. Give a model's name, "
        "vicabench.HF(model, processor), an adapter, or a callable (video, questions) -> replies."
    )


def named(model: object) -> str:
    """What a model in memory is called: its `name`, or that of its function or class."""
    name = getattr(model, "name", None) or getattr(model, "__name__", None)
    return str(name) if name else type(model).__name__


def is_file(spec: str) -> bool:
    """Whether `--model` names something in a Python file."""
    path, colon, _ = spec.rpartition(":")
    return bool(colon) and path.endswith(ENDING)


def build(argument: str, context: AdapterContext) -> Adapter:
    """The adapter that `FILE.py:NAME` names.

    Raises:
        ConfigError: If the file cannot be read or run, or has nothing of that name.
    """
    path, _, name = argument.rpartition(":")
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"--model {argument}: {file} cannot be read: {error.strerror}. Name a Python file and "
            "what is in it: ./my.py:Name"
        ) from None
    module = _imported(file, argument)
    if not hasattr(module, name):
        offered = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
        raise ConfigError(f"--model {argument}: {file} has no {name!r}. It has {offered}.")
    made: Any = getattr(module, name)
    if inspect.isclass(made):
        made = _instance(made, context)
    digest = hashlib.sha256(content).hexdigest()
    settings = {"family": "python", "name": name, "file_sha256": digest}
    return adapter_of(made, context, settings)


def _instance(made: Callable[..., Any], context: AdapterContext) -> Any:
    """An object of a class that takes nothing, the context, or `(argument, context)`."""
    taken = len(inspect.signature(made).parameters)
    return made(*("", context)[2 - min(taken, 2) :])


def _imported(file: Path, argument: str) -> ModuleType:
    """Run a file as a module of its own name, which stays importable for pickles of its classes."""
    name = f"_vicabench_{file.stem}"
    found = importlib.util.spec_from_file_location(name, file)
    if found is None or found.loader is None:
        raise ConfigError(f"--model {argument}: {file} cannot be imported.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(
            f"--model {argument}: {file} cannot be run: {type(error).__name__}: {error}."
        ) from error
    return module


def _kind(value: object) -> str:
    return type(value).__name__
