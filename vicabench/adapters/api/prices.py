"""What tokens cost: a list that the user gives, for prices change and differ between contracts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.adapters.api.completion import Usage
from vicabench.errors import ConfigError

MILLION = 1_000_000
EXAMPLE = '{"MODEL": {"input": 2.5, "cached_input": 1.25, "output": 10}}'


@dataclass(frozen=True, kw_only=True)
class Price:
    """Of a million tokens each, in whatever currency the list is."""

    input: float
    output: float
    cached_input: float | None = None

    def of(self, usage: Usage) -> float | None:
        """What a call cost; None if the server did not count its tokens.

        Without a `cached_input` cached tokens cost what others do.
        """
        if usage.prompt_tokens is None or usage.new_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh = usage.prompt_tokens - cached
        total = fresh * self.input + cached * cached_price + usage.new_tokens * self.output
        return total / MILLION


def price_of(model: str, file: str) -> Price | None:
    """The price of a model in a JSON or YAML file of prices; None if no file is named.

    ConfigError for a file that cannot be read, or that has no good price for this model.
    """
    if not file:
        return None
    listed = _read(Path(file))
    if not isinstance(listed, dict) or model not in listed:
        raise ConfigError(f"--prices {file} has no price for {model}. It is of the form {EXAMPLE}")
    entry = listed[model]
    names = {"input", "output", "cached_input"}
    good = isinstance(entry, dict) and {"input", "output"} <= entry.keys() <= names
    if not good or not all(map(_is_price, entry.values())):
        raise ConfigError(
            f"--prices {file}: {model} needs input and output, may have cached_input, each a "
            f"number for a million tokens: {EXAMPLE}"
        )
    return Price(**{name: float(value) for name, value in entry.items()})


def _read(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix.lower() not in (".yaml", ".yml"):
            return json.loads(text)
        import yaml  # noqa: PLC0415  (of the extra, and for YAML alone)

        return yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"--prices {file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--prices {file} is not JSON: {error}.") from None


def _is_price(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0
