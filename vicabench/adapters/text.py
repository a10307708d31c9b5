"""Language models that complete texts: `openai:NAME`, `hf:ORG/NAME`.

Such models turn final answers into numbers and letters (`vicabench canonicalize`) and judge
descriptions (`vicabench judge`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from vicabench.adapters.api.account import Account, Completion, Usage
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError, UserError
from vicabench.types import ModelOptions

API_OPTIONS = (
    *("base_url", "concurrency", "request_timeout", "max_retries", "retry_wait"),
    *("max_requests", "max_cost", "prices"),
)
LOCAL_OPTIONS = ("device", "dtype", "attention")


class TextModel(Protocol):
    """Completes prompts; `complete` may be called in `concurrency` threads at once."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply besides the prompt, with the name as `model`; JSON values."""

    @property
    def concurrency(self) -> int:
        """How many prompts it completes at once, at least 1."""

    @property
    def account(self) -> Account | None:
        """The counts of all calls so far; None for a local model."""

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """Return the reply to a prompt, which is the user's whole turn.

        A UserError stops the command; any other exception is a failure of this prompt only.
        """


@contextmanager
def text_model(spec: str, options: ModelOptions, *, seed: int = 0) -> Iterator[TextModel]:
    """Open the model that `spec` names for the block.

    Raises:
        ConfigError: For an unknown name, an option that would be ignored, a missing key or
            package, or a checkpoint that cannot be loaded.
    """
    name, _, argument = spec.partition(":")
    if name not in MODELS or not argument:
        raise ConfigError(
            f"--model {spec} does not name a language model. Write openai:NAME (with --base-url, "
            "for any server with its API), gemini:NAME, anthropic:NAME, hf:ORG/NAME or hf:./folder."
        )
    open_model, accepted = MODELS[name]
    if unused := [option for option in options.given() if option not in accepted]:
        typed = ", ".join("--" + option.replace("_", "-") for option in unused)
        raise ConfigError(f"--model {spec} does not accept {typed}: leave it out.")
    try:
        with explained():
            model, close = open_model(spec, options, seed)
    except UserError:
        raise
    except Exception as error:  # libraries raise any exception, for example if memory is short
        raise ConfigError(
            f"--model {spec} cannot be opened: {type(error).__name__}: {error}."
        ) from error
    try:
        yield model
    finally:
        close()


Opened = tuple[TextModel, Callable[[], None]]


def _open_api(spec: str, options: ModelOptions, seed: int) -> Opened:
    """A model behind an API, and the function that closes its connections."""
    module = importlib.import_module("vicabench.adapters.api.text")
    model = module.text_model(spec, options=options, seed=seed)
    return model, model.close


def _open_local(spec: str, options: ModelOptions, _seed: int) -> Opened:
    """A checkpoint in this process."""
    module = importlib.import_module("vicabench.adapters.hf.text")
    model = module.text_model(spec.partition(":")[2], options)
    return Local(model=model, settings={"model": spec, **model.settings}), lambda: None


@dataclass(frozen=True, kw_only=True)
class Local:
    """A model in this process, decoded greedily, one prompt at a time."""

    model: Any
    settings: Mapping[str, Any]
    concurrency: int = 1
    account: None = None

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """Return the reply; an exception of the model is a failure of this prompt."""
        text = self.model.complete(prompt, max_new_tokens)
        return Completion(text=text, stop="", usage=Usage())


MODELS: Mapping[str, tuple[Callable[[str, ModelOptions, int], Opened], tuple[str, ...]]] = {
    "openai": (_open_api, API_OPTIONS),
    "gemini": (_open_api, API_OPTIONS),
    "anthropic": (_open_api, API_OPTIONS),
    "hf": (_open_local, LOCAL_OPTIONS),
}
"""By the prefix of a spec: the function that opens the model, and the options it accepts."""
