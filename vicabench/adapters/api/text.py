"""API models asked with text only, to read and judge answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from vicabench.adapters.api.account import Account, CallError, Completion
from vicabench.adapters.api.calls import Model, refusal
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError
from vicabench.options import ApiOptions

DEFAULTS = ApiOptions()


class TextModel:
    """A model that completes texts; a context manager that closes its connections."""

    def __init__(self, model: Model, part: Callable[[str], Any]) -> None:
        self._model, self._part = model, part

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply besides the prompt, as JSON values."""
        return self._model.settings

    @property
    def account(self) -> Account:
        """The counts of all calls so far."""
        return self._model.calls.account

    @property
    def concurrency(self) -> int:
        """How many calls are made at once; further ones wait."""
        return self._model.calls.options.concurrency

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """Return the reply to a prompt; may be called from any thread.

        Raises:
            CallError: If there is no reply.
            ConfigError: If no other prompt would get one: a wrong key, an unknown model.
        """
        try:
            return self._model.calls.run(self._model.reply([self._part(prompt)], max_new_tokens))
        except CallError as error:
            raise refusal(error, self._model) from None

    def close(self) -> None:
        """Close the connections; later calls fail."""
        self._model.calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def text_model(spec: str, *, options: ApiOptions = DEFAULTS, seed: int = 0) -> TextModel:
    """Open the model that `openai:NAME`, `gemini:NAME` or `anthropic:NAME` names, for texts.

    Raises:
        ConfigError: For another spec, a missing key or package, or invalid options.
    """
    provider, _, name = spec.partition(":")
    if provider not in ("anthropic", "openai", "gemini") or not name:
        raise ConfigError(
            f"{spec} is not a model behind an API: name openai:NAME, gemini:NAME or anthropic:NAME."
        )
    with explained():
        if provider == "anthropic":
            from vicabench.adapters.api import anthropic  # noqa: PLC0415

            return TextModel(anthropic.MessagesModel(name, options), anthropic.text_part)
        if provider == "openai":
            from vicabench.adapters.api import openai  # noqa: PLC0415

            return TextModel(openai.ChatModel(name, options, seed), openai.text_part)
        from vicabench.adapters.api import gemini  # noqa: PLC0415

        return TextModel(gemini.GeminiModel(name, options, seed), gemini.text_part)
