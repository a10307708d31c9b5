"""The options of a run as a file that `vicabench run --config` reads, to repeat or continue it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def asked_as(
    name: str | Path,
    *,
    revision: str | None,
    config: str | None,
    split: str | None,
    **options: Any,
) -> dict[str, Any] | None:
    """The options of `vicabench run` that select these questions; None if it has none for them."""
    if split is not None:
        return None
    pinned = f"{name}@{revision}" if revision else str(name)
    if config is not None:
        options["subset"] = config
    return {"benchmark": pinned, **options}


def repeated(asked: Mapping[str, Any] | None, **options: Any) -> str | None:
    """The options of a run in YAML, without those that are None or empty; None without `asked`.

    Paths are as they were given, so a relative one is relative to the folder of the command.
    """
    if asked is None:
        return None
    import yaml  # noqa: PLC0415  (40 ms, for runs alone)

    given = {"model": options["model"], **asked, **options}
    values = {name: _plain(value) for name, value in given.items() if value not in (None, "", ())}
    text = str(yaml.safe_dump(values, sort_keys=False))
    return f"# `vicabench run --config FILE` repeats or continues this run.\n{text}"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(map(str, value)) if isinstance(value, list | tuple) else value
