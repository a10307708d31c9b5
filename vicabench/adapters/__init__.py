"""Ways to answer: one file an adapter, found by the name that `--model` begins with.

`--model NAME:ARGUMENT` asks the module of that name for `build(argument, context)`. Adapters of
other packages are found through the entry-point group `vicabench.adapters`; see
docs/adapters.md.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from importlib.metadata import entry_points

from vicabench.errors import ConfigError, UserError
from vicabench.types import Adapter, AdapterContext

ADAPTERS = {
    "baseline": "vicabench.adapters.baselines",
    "replay": "vicabench.adapters.replay",
}
GROUP = "vicabench.adapters"

Build = Callable[[str, AdapterContext], Adapter]


def build_adapter(spec: str, context: AdapterContext) -> Adapter:
    """The adapter that `spec` names, ready to answer.

    ConfigError naming the known adapters if there is none of that name, or saying why this one
    cannot be built.
    """
    name, _, argument = spec.partition(":")
    build = _find(name, spec)
    try:
        adapter = build(argument, context)
        json.dumps(dict(adapter.settings), allow_nan=False)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"The adapter of --model {spec} cannot be built: {type(error).__name__}: {error}."
        ) from error
    return adapter


def _find(name: str, spec: str) -> Build:
    if name in ADAPTERS:
        build: Build = importlib.import_module(ADAPTERS[name]).build
        return build
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in installed:
        known = ", ".join(f"{known}:..." for known in [*ADAPTERS, *sorted(installed)])
        raise ConfigError(
            f"No adapter answers for --model {spec}. Known are {known}; other packages add "
            f"theirs through the entry-point group '{GROUP}' (docs/adapters.md)."
        )
    try:
        loaded: Build = installed[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"The adapter '{name}' ({installed[name].value}) could not be loaded: {error}."
        ) from error
    return loaded
