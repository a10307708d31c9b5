"""What a model answered, and how that is read from the ids it generated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vica.modeling import ViCA
from vica.processing import ViCAProcessor

EOS, LENGTH = "eos", "length"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's answer: its text without special tokens, what it took, and what ended it.

    `raw` keeps the special tokens, which part a Thinking reply; `ids` are all that was generated,
    the end included; `prompt_tokens` counts the visual ones too; `stop` is `eos` or `length`.
    """

    text: str
    raw: str
    ids: tuple[int, ...]
    prompt_tokens: int
    stop: str

    @property
    def new_tokens(self) -> int:
        """How many tokens were generated."""
        return len(self.ids)


def reply_of(
    processor: ViCAProcessor, new: Sequence[int], *, ends: Collection[int], prompt_tokens: int
) -> Reply:
    """The reply of these new ids, which end with one of `ends` unless the length ended them."""
    new = list(new)
    ended = bool(new) and new[-1] in ends
    return Reply(
        text=str(processor.tokenizer.decode(new, skip_special_tokens=True)).strip(),
        raw=str(processor.tokenizer.decode(new[:-1] if ended else new)),
        ids=tuple(new),
        prompt_tokens=prompt_tokens,
        stop=EOS if ended else LENGTH,
    )


def end_ids(model: ViCA) -> list[int]:
    """The ids that end a reply."""
    ends = model.generation_config.eos_token_id
    return [] if ends is None else ends if isinstance(ends, list) else [ends]
