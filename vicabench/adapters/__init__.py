"""Find the adapter that `--model` names, and build it.

`--model NAME:ARGUMENT` calls `build(argument, context)` of the adapter module of that name. Other
packages add adapters through the entry-point group `vicabench.adapters` (docs/adapters.md).
`./my.py:Name` is an adapter in a file. A folder, or a hub id of the form `owner/name`, is a
checkpoint; its configuration says whether it is ViCA's or another model of transformers.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from vicabench.adapters import python
from vicabench.adapters.abilities import TakesOptions, check_abilities
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError, UserError, did_you_mean, similar
from vicabench.reference import model_zoo
from vicabench.types import Adapter, AdapterContext, ModelOptions

ADAPTERS = {
    "anthropic": "vicabench.adapters.api.anthropic",
    "baseline": "vicabench.adapters.baselines",
    "gemini": "vicabench.adapters.api.gemini",
    "hf": "vicabench.adapters.hf.adapter",
    "openai": "vicabench.adapters.api.openai",
    "replay": "vicabench.adapters.replay",
    "vica": "vicabench.adapters.vica",
    "vllm": "vicabench.adapters.vllm.adapter",
}
CHECKPOINTS = "vicabench.adapters.family"
"""The adapter module for a folder or a hub id without a prefix."""
SHIPPED = {
    name: Path(__file__).parent.parent / "checkpoints" / name
    for name in ("vica2-rooms", "vica2-rooms-base")
}
"""Checkpoints in the package: one that answers, and one that training starts from."""
TEXT_ONLY = "vicabench.adapters.text_only"
GROUP = "vicabench.adapters"

Build = Callable[[str, AdapterContext], Adapter]


def build_adapter(spec: str, context: AdapterContext, *, placed: str | None = None) -> Adapter:
    """Build the adapter that `spec` names, ready to answer.

    Args:
        placed: The device for adapters that know devices; unlike the option `--device`, it is
            ignored by others.

    Raises:
        ConfigError: For an unknown name, or an adapter that cannot be built.
    """
    build, argument = find_adapter(spec)
    try:
        with explained():
            if context.options.text_only and not never_looks(spec):
                build, argument = importlib.import_module(TEXT_ONLY).build, spec
            adapter = build(argument, _on(placed, context))
        check_abilities(spec, adapter)
        json.dumps(dict(adapter.settings), allow_nan=False)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"The adapter of --model {spec} cannot be built: {type(error).__name__}: {error}."
        ) from error
    refuse_unused(spec, adapter, context.options)
    return adapter


def _on(placed: str | None, context: AdapterContext) -> AdapterContext:
    if placed is None:
        return context
    return replace(context, options=replace(context.options, device=placed))


def refuse_unused(spec: str, adapter: Adapter, options: ModelOptions) -> None:
    """Raise a ConfigError for options that were given but the adapter does not accept."""
    accepted = adapter.accepts_options if isinstance(adapter, TakesOptions) else ()
    unused = [name for name in options.given() if name not in accepted]
    if unused:
        typed = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise ConfigError(f"--model {spec} does not accept {typed}: leave it out.")


def find_adapter(spec: str) -> tuple[Build, str]:
    """Find the function that builds the adapter of `spec`, and its argument.

    Raises:
        ConfigError: For an unknown adapter; the message names the known ones.
    """
    if spec in SHIPPED:
        spec = f"vica:{SHIPPED[spec]}"
    name, _, argument = spec.partition(":")
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name in installed and name not in ADAPTERS:
        return _load(installed[name]), argument
    if name in ADAPTERS:
        module = ADAPTERS[name]
    elif python.is_file(spec):
        return python.build, spec
    elif _is_checkpoint(spec):
        module, argument = CHECKPOINTS, spec
    else:
        known = ", ".join(f"{known}:..." for known in [*ADAPTERS, *sorted(installed)])
        raise ConfigError(
            f"There is no adapter for --model {spec}. Adapters are {known}; a checkpoint is a "
            "folder or a hub id such as nkkbr/ViCA2; ./my.py:Name is an adapter in your own file; "
            f"other packages add theirs through the entry-point group '{GROUP}' (docs/adapters.md)."
            f"{_similar(spec, installed)}"
        )
    with explained():
        return importlib.import_module(module).build, argument


def never_looks(spec: str) -> bool:
    """Whether it is known, without building the adapter of `spec`, that it needs no video."""
    build, _ = find_adapter(spec)
    module = sys.modules.get(build.__module__)
    return getattr(build, "needs_video", getattr(module, "NEEDS_VIDEO", True)) is False


def _similar(spec: str, installed: Iterable[str]) -> str:
    """A sentence that suggests a model or an adapter; empty if none has a similar name."""
    name, colon, argument = spec.partition(":")
    if colon:
        return did_you_mean(name, [*ADAPTERS, *installed], after=f":{argument}")
    published = {model.repo.partition("/")[2]: model.repo for model in model_zoo()}
    near = similar(spec, [*SHIPPED, *ADAPTERS, *published])
    return "" if near is None else f" Did you mean {published.get(near, near)}?"


def _is_checkpoint(spec: str) -> bool:
    """Whether `spec` is a folder, or has the form of a path or a hub id."""
    return Path(spec).is_dir() or ("/" in spec and ":" not in spec)


def _load(entry: EntryPoint) -> Build:
    try:
        loaded: Build = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"The adapter '{entry.name}' ({entry.value}) could not be loaded: {error}."
        ) from error
    return loaded
