"""Language models that complete a text, without any video: `openai:NAME`, `hf:ORG/NAME`.

They turn final answers into numbers and letters (`vicabench canonicalize`), and judge
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

CALLED = (
    *("base_url", "concurrency", "request_timeout", "max_retries", "retry_wait"),
    *("max_requests", "max_cost", "prices"),
)
LOADED = ("device", "dtype", "attention")


class TextModel(Protocol):
    """Completes prompts. `concurrency` calls of `complete` may run at once, in threads."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply besides the prompt, `model` its name; JSON values."""

    @property
    def concurrency(self) -> int:
        """How many prompts it takes at once, 1 at least."""

    @property
    def account(self) -> Account | None:
        """What was sent so far and what it came to; None where nothing is sent."""

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """The reply to a prompt that is the user's whole turn.

        A UserError stops the command; any other exception is the failure of this prompt alone.
        """


@contextmanager
def text_model(spec: str, options: ModelOptions, *, seed: int = 0) -> Iterator[TextModel]:
    """The model that `spec` names, until the block ends.

    ConfigError for another name, an option that would be ignored, a missing key or package, or a
    checkpoint that cannot be loaded.
    """
    name, _, argument = spec.partition(":")
    if name not in MODELS or not argument:
        raise ConfigError(
            f"--model {spec} names no language model. Known are openai:NAME (with --base-url, any "
            "server that speaks its API), gemini:NAME, and hf:ORG/NAME or hf:./folder."
        )
    open_model, accepted = MODELS[name]
    if unused := [option for option in options.given() if option not in accepted]:
        typed = ", ".join("--" + option.replace("_", "-") for option in unused)
        raise ConfigError(f"--model {spec} does not know {typed}: leave that out.")
    try:
        with explained():
            model, close = open_model(spec, options, seed)
    except UserError:
        raise
    except Exception as error:  # memory can be short, and libraries raise what they like
        raise ConfigError(
            f"--model {spec} cannot be opened: {type(error).__name__}: {error}."
        ) from error
    try:
        yield model
    finally:
        close()


Opened = tuple[TextModel, Callable[[], None]]


def _called(spec: str, options: ModelOptions, seed: int) -> Opened:
    """A model behind an API, and what closes its connections."""
    module = importlib.import_module("vicabench.adapters.api.text")
    model = module.text_model(spec, options=options, seed=seed)
    return model, model.close


def _loaded(spec: str, options: ModelOptions, _seed: int) -> Opened:
    """A checkpoint that runs here: one prompt at a time."""
    module = importlib.import_module("vicabench.adapters.hf.text")
    model = module.text_model(spec.partition(":")[2], options)
    return Local(model=model, settings={"model": spec, **model.settings}), lambda: None


@dataclass(frozen=True, kw_only=True)
class Local:
    """A model in this process; its replies are greedy and sent nowhere."""

    model: Any
    settings: Mapping[str, Any]
    concurrency: int = 1
    account: None = None

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """The reply; what the model raises is the failure of this prompt."""
        text = self.model.complete(prompt, max_new_tokens)
        return Completion(text=text, stop="", usage=Usage())


MODELS: Mapping[str, tuple[Callable[[str, ModelOptions, int], Opened], tuple[str, ...]]] = {
    "openai": (_called, CALLED),
    "gemini": (_called, CALLED),
    "hf": (_loaded, LOADED),
}
"""By the name that a spec begins with: what opens it, and the options that it knows."""
