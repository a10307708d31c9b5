"""What of the models' library a user can put right, said in vicabench's own kinds of error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vica.errors import VicaError

from vicabench.errors import ConfigError

INSTALL = 'pip install "vicabench[models]"'
PACKAGES = {"accelerate", "PIL", "safetensors", "tokenizers", "torch", "transformers", "yaml"}
"""What the extra `models` brings, by the names that are imported."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn what `vica` refuses, and the lack of what it needs, into a ConfigError."""
    try:
        yield
    except VicaError as error:
        raise ConfigError(f"{str(error).rstrip('.?')}.") from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PACKAGES:
            raise
        raise ConfigError(f"Models need the package {error.name}: {INSTALL}") from error
