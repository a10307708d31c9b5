"""Language models that complete a text, without any video: `openai:NAME`, `hf:ORG/NAME`.

They turn final answers into numbers and letters (`vicabench canonicalize`), and judge
descriptions (`vicabench judge`). A new one is a module with `text_model(argument, options)` and
one line in `TEXT_MODELS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a model wrote, and what it took as far as that is known.

    `stop` says what ended it (`eos`, `length`, ...); `cost` is in the currency of the price table.
    """

    text: str
    stop: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    cost: float | None = None


class TextModel(Protocol):
    """Completes prompts. `concurrency` calls of `complete` may run at once, in threads."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply, the model's name among it; JSON values only."""

    @property
    def concurrency(self) -> int:
        """How many prompts it takes at once, 1 at least."""

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """The reply to a prompt that is the user's whole turn.

        A UserError stops the command; any other exception is the failure of this prompt alone.
        """
