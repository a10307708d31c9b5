"""Models behind an API asked with text alone: what judges and reads answers, not videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from vicabench.adapters.api.account import Account, CallError, Completion
from vicabench.adapters.api.calls import Model, refusal
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError
from vicabench.options import ApiOptions

DEFAULTS = ApiOptions()


class TextModel:
    """A model that completes texts; a context manager, to close its connections.

    `settings` is all that can change a reply, `account` what was sent and what it came to.
    """

    def __init__(self, model: Model, part: Callable[[str], Any]) -> None:
        self._model, self._part = model, part

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply besides the prompt, as JSON values."""
        return self._model.settings

    @property
    def account(self) -> Account:
        """What was sent so far, and what it came to."""
        return self._model.calls.account

    @property
    def concurrency(self) -> int:
        """How many calls are made at once; more of them wait for their turn."""
        return self._model.calls.options.concurrency

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """The reply to a prompt, from any thread; CallError if there is none.

        ConfigError if no other prompt could have fared better: a wrong key, no such model.
        """
        try:
            return self._model.calls.run(self._model.reply([self._part(prompt)], max_new_tokens))
        except CallError as error:
            raise refusal(error, self._model) from None

    def close(self) -> None:
        """Close the connections; what is asked afterwards fails."""
        self._model.calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def text_model(spec: str, *, options: ApiOptions = DEFAULTS, seed: int = 0) -> TextModel:
    """The model that `openai:NAME` or `gemini:NAME` names, to be asked with texts.

    ConfigError for another spec, a missing key or package, or options that cannot be.
    """
    provider, _, name = spec.partition(":")
    if provider not in ("openai", "gemini") or not name:
        raise ConfigError(f"{spec} is no model behind an API: openai:NAME or gemini:NAME is.")
    with explained():
        if provider == "openai":
            from vicabench.adapters.api import openai  # noqa: PLC0415

            return TextModel(openai.ChatModel(name, options, seed), openai.text_part)
        from vicabench.adapters.api import gemini  # noqa: PLC0415

        return TextModel(gemini.GeminiModel(name, options, seed), gemini.text_part)
