"""Turn errors of the `vica` library, and missing packages, into a ConfigError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vica.errors import VicaError

from vicabench.errors import ConfigError

LOCAL = ("accelerate", "PIL", "safetensors", "tokenizers", "torch", "transformers", "yaml")
EXTRAS = dict.fromkeys(LOCAL, "models")
EXTRAS |= dict.fromkeys(("anthropic", "openai", "google", "httpx2", "tenacity"), "api")
EXTRAS |= {"sklearn": "audit"}
"""The extra that installs a package, by the name under which it is imported."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn a VicaError, or the lack of an optional package, into a ConfigError."""
    try:
        yield
    except VicaError as error:
        raise ConfigError(f"{str(error).rstrip('.?')}.") from error
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        install = f'pip install "vicabench[{extra}]"'
        what = "Audits" if extra == "audit" else "Models"
        raise ConfigError(f"{what} need the package {error.name}: {install}") from error
