"""Defaults of options from elsewhere: `VICABENCH_*` variables, and the file of `--config`.

What is typed wins over the file, and the file over the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from vicabench.cli.usage import is_flag, value_type
from vicabench.errors import ConfigError, an, did_you_mean

PREFIX = "VICABENCH_"
ASKING = ("run", "describe", "scaling-curve", "ask", "verify")
SHARED = (
    *("model", "benchmark", "subset", "data", "videos", "frames", "wording", "max_new_tokens"),
    *("device", "dtype", "attention", "decoder", "video_timeout", "workers", "prefetch"),
    *("frame_cache", "frame_cache_size", "base_url", "concurrency", "prices"),
)
"""Options that mean the same in all of `ASKING`: VICABENCH_DEVICE is their default in each."""
LARGEST = 1 << 20
"""Maximum bytes of a configuration file."""
LISTS = ("tasks", "devices")
"""Options that take a comma-separated list, for which a file may have a list."""
ORIGINS = "vicabench.origins"
"""The key in a context's `meta` for where defaults come from, by the name of the parameter."""


def from_environment(command: Any, ctx: Any) -> dict[str, Any]:
    """The defaults of a command's options that variables set, by the name of the parameter.

    `VICABENCH_RUN_FRAMES` is for `vicabench run --frames` and wins over `VICABENCH_FRAMES`.

    Raises:
        ConfigError: For a variable of this command that names none of its options.
    """
    place = _place(ctx)
    own = f"{PREFIX}{'_'.join(place)}_".upper().replace("-", "_")
    options = options_by_name(command)
    _refuse_unknown(own, options, " ".join(place))
    found: dict[str, Any] = {}
    for name, option in options.items():
        variables = [own + name.upper()]
        if place[:1] and place[0] in ASKING and name in SHARED:
            variables.append(PREFIX + name.upper())
        given = next((variable for variable in variables if os.environ.get(variable)), None)
        if given is not None:
            text = os.environ[given]
            found[option.name] = text.split() if option.multiple else text
            ctx.meta.setdefault(ORIGINS, {})[option.name] = given
    return found


def _refuse_unknown(own: str, options: Mapping[str, Any], place: str) -> None:
    for variable in os.environ:
        name = variable.removeprefix(own)
        if variable.startswith(own) and name.lower() not in options:
            near = did_you_mean(name, [known.upper() for known in options], before=own)
            raise ConfigError(f"{variable}: vicabench {place} has no such option.{near}")


def _place(ctx: Any) -> list[str]:
    """The names of a command and of the groups that it is in, without the program's."""
    names: list[str] = []
    while ctx.parent is not None:
        names.insert(0, ctx.info_name)
        ctx = ctx.parent
    return names


def options_by_name(command: Any) -> dict[str, Any]:
    """The options of a command by their long names, with underscores."""
    return {
        max(option.opts, key=len).removeprefix("--").replace("-", "_"): option
        for option in command.params
        if option.param_type_name == "option" and option.expose_value
    }


def from_file(ctx: typer.Context, file: Path | None) -> Path | None:
    """The callback of `--config`: make the values of the file defaults of the command.

    Raises:
        ConfigError: If the file cannot be read, names an unknown option, or has a value of the
            wrong type.
    """
    if file is None or ctx.resilient_parsing:
        return file
    options = options_by_name(ctx.command)
    options.pop("config", None)
    for key, value in _content(file).items():
        name = key.replace("-", "_") if isinstance(key, str) else ""
        if name not in options:
            raise ConfigError(
                f"{file}: {_shown(key)} is not an option of this command."
                f"{did_you_mean(name, options)}"
            )
        if value is None:
            continue
        option = options[name]
        default = _checked(f"{file}: {key}", name, value, ctx.command, option)
        ctx.default_map = {**(ctx.default_map or {}), option.name: default}
        ctx.meta.setdefault(ORIGINS, {})[option.name] = f"{file}"
    return file


def _content(file: Path) -> Mapping[Any, Any]:
    """The mapping in a YAML file; ConfigError for anything else."""
    import yaml

    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ConfigError(f"{file} is too large for a file of options. Name another one.")
        content = yaml.safe_load(data)
    except OSError as error:
        raise ConfigError(f"--config {file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"--config {file} is not valid YAML: {reason}.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--config {file} has no options: write lines such as frames: 32.")
    return content


def _checked(place: str, name: str, value: Any, command: Any, option: Any) -> Any:
    """The value as a default of the option; ConfigError for a wrong type."""
    if option.multiple:
        many = value if isinstance(value, list) else [value]
        return [_text(place, one) for one in many]
    if is_flag(option):
        return _typed(place, value, bool, "true or false")
    kind = value_type(command, option.name)
    if kind is int:
        return _typed(place, value, int, "a whole number")
    if kind is float:
        return _typed(place, value, (int, float), "a number")
    if name in LISTS and isinstance(value, list):
        return ",".join(_text(place, one) for one in value)
    return _text(place, value)


def _typed(place: str, value: Any, kind: Any, wanted: str) -> Any:
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        raise ConfigError(f"{place} must be {wanted}, not {_shown(value)}.")
    return value


def _text(place: str, value: Any) -> str:
    """A text; also a number, which YAML makes of `devices: 0`."""
    large = isinstance(value, int) and abs(value) >= 2**63  # also beyond what Python prints
    if isinstance(value, bool) or large or not isinstance(value, str | int | float):
        raise ConfigError(f"{place} must be a text, not {_shown(value)}. Put quotes around it.")
    return str(value)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return an("object" if isinstance(value, dict) else "list")
    try:
        return repr(value)[:80]
    except ValueError:  # Python reads longer numbers than it writes
        return "such a number"


def origin_note(ctx: Any, message: str) -> str:
    """Where the values that a message is about come from, if they were not typed; or nothing."""
    notes = []
    for name, origin in ctx.meta.get(ORIGINS, {}).items():
        source = ctx.get_parameter_source(name)
        option = next(p for p in ctx.command.params if p.name == name)
        if source is None or source.name != "DEFAULT_MAP":
            continue
        spelled = max(option.opts, key=len)
        value = str((ctx.default_map or {}).get(name))
        if re.search(rf"{re.escape(spelled)}(?![\w-])", message) or f"'{value}'" in message:
            notes.append(f"{spelled} {value} is from {origin}.")
    return " ".join(notes)
