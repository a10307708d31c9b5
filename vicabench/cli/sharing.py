"""A command that has all the options of another one, whatever they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any


def with_options_of(
    other: Callable[..., None], *, but: Collection[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `other`, except those named in `but`, as `**options`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        mine = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        theirs = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(other, eval_str=True).parameters.items()
            if name not in but and name not in own.parameters
        ]
        signature = own.replace(parameters=[*mine, *theirs])
        command.__signature__ = signature  # type: ignore[attr-defined]
        return command

    return decorate


def changed(other: Callable[..., None], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of the options of `other` differ from their defaults, as they are typed."""
    parameters = inspect.signature(other).parameters
    names = [name for name, value in options.items() if value != parameters[name].default]
    return tuple("--" + name.replace("_", "-") for name in names)
