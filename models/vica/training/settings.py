"""Settings by dotted name: changing them with `--set batch.pack=16`, checked by type."""

from __future__ import annotations

import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from vica.errors import RecipeError

HARMLESS = (
    "output",
    "shape",
    "saving.*",
    "logging.*",
    "limits.*",
    "hardware.workers",
    "hardware.gradient_checkpointing",
    "mixture.max_bad",
    "mixture.sources.*.media",
    "mixture.sources.*.published",
    "mixture.sources.*.visuals",
    "mixture.sources.*.published_of",
)
"""Patterns of dotted names of settings that change no weight."""


def is_harmless(name: str) -> bool:
    """Whether the setting with this dotted name changes no weight."""
    return any(fnmatchcase(name, pattern) for pattern in HARMLESS)


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested JSON values: values by dotted names such as `batch.pack`."""
    return dict(pair for key, value in values.items() for pair in _pairs(key, value))


def _pairs(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, list):
        value = {str(number): one for number, one in enumerate(value)}
    if not isinstance(value, Mapping):
        return [(name, value)]
    return [p for key, inner in value.items() for p in _pairs(f"{name}.{key}", inner)]


def digest_of(values: Mapping[str, Any]) -> str:
    """`sha256:` and a hash of JSON values, independent of their order."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


T = TypeVar("T")
NULLS = ("", "~", "null", "Null", "NULL")
"""How YAML writes null."""


def changed(config: T, settings: Iterable[str]) -> T:
    """The configuration with all `name=value` settings applied at once; later ones win.

    Values are YAML (`16`, `1e-5`, `null`, `true`), except for settings that take text, which is
    used literally (`2026-11-23`). Members of tuples go by number: `mixture.sources.0.media=/data`.

    Raises:
        RecipeError: A setting does not exist (lists similar names), or a value has a wrong type.
    """
    tree: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        *groups, last = name.strip().split(".")
        if not equals:
            raise RecipeError(f"--set {setting}: write NAME=VALUE, as in batch.pack=16")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
            if not isinstance(branch, dict):
                raise RecipeError(_unknown(name.strip(), config))
        branch[last] = text
    rebuilt: T = _rebuilt(config, tree, "", config)
    return rebuilt


def names(config: object, prefix: str = "") -> list[str]:
    """The dotted names of all settings."""
    if not is_dataclass(config) and not isinstance(config, tuple):
        return [prefix]
    return [
        name
        for key, value, _ in _members(config)
        for name in names(value, f"{prefix}.{key}" if prefix else key)
    ]


def _members(config: object) -> list[tuple[str, Any, Any]]:
    """Name, value and type of each member of a dataclass or tuple."""
    if isinstance(config, tuple):
        return [(str(number), value, type(value)) for number, value in enumerate(config)]
    hints = typing.get_type_hints(type(config))
    return [(f.name, getattr(config, f.name), hints[f.name]) for f in fields(config)]  # type: ignore[arg-type]


def _rebuilt(config: Any, tree: Mapping[str, Any], prefix: str, root: object) -> Any:
    """A dataclass or tuple with the members in `tree` replaced, all in one step."""
    known = {key: (value, hint) for key, value, hint in _members(config)}
    new: dict[str, Any] = {}
    for key, branch in tree.items():
        name = f"{prefix}{key}"
        if key not in known:
            raise RecipeError(_unknown(name, root))
        value, hint = known[key]
        group = is_dataclass(value) or isinstance(value, tuple)
        if isinstance(branch, dict) and not group:
            raise RecipeError(_unknown(f"{name}.{next(iter(branch))}", root))
        if group and not isinstance(branch, dict):
            inner = ", ".join(f"{name}.{member}" for member, _, _ in _members(value))
            raise RecipeError(f"{name} is a group of settings: set one of {inner}")
        new[key] = (
            _rebuilt(value, branch, f"{name}.", root) if group else _typed(name, branch, hint)
        )
    if isinstance(config, tuple):
        return tuple(new.get(str(number), old) for number, old in enumerate(config))
    return replace(config, **new)


def _unknown(name: str, root: object) -> str:
    known = names(root)
    endings = {k.rpartition(".")[2]: k for k in known}
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    near += [endings[e] for e in get_close_matches(name.rpartition(".")[2], endings, n=2)]
    listed = ", ".join(dict.fromkeys(near)) or ", ".join(known)
    return f"unknown setting {name!r}; similar names: {listed}"


def _typed(name: str, text: str, hint: Any) -> Any:
    import yaml  # noqa: PLC0415

    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if str in options and text.strip() not in NULLS:
        return text.strip()
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: date 2026-99-99
        raise RecipeError(f"{name}={text}: is not valid YAML: {error}") from error
    for option in options:
        good, converted = _as(option, value)
        if good:
            return converted
    raise RecipeError(f"{name}={text}: this takes {_described(options)}")


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def _as(hint: Any, value: Any) -> tuple[bool, Any]:
    """Whether a value has a type, and the value in that type."""
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint) and not isinstance(value, bool), value
    if hint is type(None):
        return value is None, None
    if hint is float:
        return _number(value)
    if hint in (bool, int):
        return type(value) is hint, value
    return False, value


def _number(value: Any) -> tuple[bool, float]:
    """Whether a value is a finite number, and the number; YAML 1.1 reads `1e-5` as text."""
    if isinstance(value, bool):
        return False, 0.0
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False, 0.0
    return math.isfinite(number), number


def _described(options: tuple[Any, ...]) -> str:
    known = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
    words = []
    for option in options:
        if typing.get_origin(option) is typing.Literal:
            words.append("one of " + ", ".join(map(str, typing.get_args(option))))
        else:
            words.append("null" if option is type(None) else known.get(option, "something else"))
    return " or ".join(words)
