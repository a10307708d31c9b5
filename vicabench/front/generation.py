"""The settings of generation in a file: `--generation FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vicabench.errors import ConfigError, did_you_mean
from vicabench.options import SAMPLING

GENERATION = "generation"
"""The option's name."""
SETTINGS = ("max_new_tokens", *SAMPLING)
"""The settings that a file may have."""


def with_generation(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with those in the file of `generation`, if there is one; what is typed wins.

    `generation` may also be a mapping.

    Raises:
        ConfigError: The file cannot be read, is not a mapping, or has an unknown setting.
    """
    given = dict(given)
    source = given.pop(GENERATION, None)
    if source is None:
        return given
    content = source if isinstance(source, Mapping) else _content(Path(source))
    place = "generation" if isinstance(source, Mapping) else f"--generation {source}"
    for name in content:
        if name not in SETTINGS:
            near = did_you_mean(str(name), SETTINGS)
            raise ConfigError(
                f"{place}: {str(name)[:80]!r} is not a setting of generation here. Settings are "
                f"{', '.join(SETTINGS)}.{near}"
            )
    return {**content, **given}


def _content(file: Path) -> Mapping[Any, Any]:
    """The mapping in a file of JSON, or of YAML, which includes it."""
    import yaml  # noqa: PLC0415  (40 ms, for this option alone)

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--generation {file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"--generation {file} is not JSON or YAML: {reason}.") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"--generation {file} has no settings: write max_new_tokens: 16.")
    return content
