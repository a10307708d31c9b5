"""A video that is prefilled, and prompts that go on from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from vica.chat import PLACEHOLDER_ID
from vica.continuing import PrefixCache
from vica.errors import InputError

Ids = Sequence[int]
"""Token ids, -200 for a video."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A whole conversation (`vica.chat.prompt`) with one `<image>`, and where its reply ends.

    `max_new_tokens` is that of the call if None; `stop_ids` end the reply beside the model's own
    ends.
    """

    text: str
    max_new_tokens: int | None = None
    stop_ids: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedVideo:
    """What the prompts about a video have in common, prefilled. It is never changed.

    `ids` are its tokens with -200 for the video, whose place `visual_tokens` tokens of the cache
    take. Its memory is that of the cache: for the 7B models 56 KiB a token in bfloat16.
    """

    ids: tuple[int, ...]
    visual_tokens: int
    cache: PrefixCache

    @property
    def length(self) -> int:
        """Tokens that are prefilled."""
        return self.cache.length

    def length_of(self, ids: Ids) -> int:
        """The tokens of a prompt, the video's included."""
        return len(ids) - 1 + self.visual_tokens

    def shared_by(self, prompts: Sequence[Ids]) -> int:
        """How many of `ids` these prompts begin with, each leaving at least one of its own.

        Raises InputError unless the video is among them and none has a second.
        """
        shared = min(len(common([self.ids, ids])) for ids in prompts)
        if PLACEHOLDER_ID not in self.ids[:shared]:
            raise InputError("the prompt does not begin as the encoded video does: encode it again")
        if any(PLACEHOLDER_ID in ids[shared:] for ids in prompts):
            raise InputError("the prompt has more than one <image>, but one video was encoded")
        return min(shared, *(len(ids) - 1 for ids in prompts))


def common(prompts: Sequence[Ids]) -> list[int]:
    """The ids that all prompts begin with."""
    # What the first and the last in order share, all between them share too.
    rows = sorted(list(ids) for ids in prompts)
    pairs = zip(rows[0], rows[-1], strict=False)
    return [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


def prefix_of(prompts: Sequence[Ids]) -> list[int]:
    """The ids to prefill for these prompts: all they begin with, but for a last one of their own.

    Raises InputError unless the one video is among them.
    """
    shared = common(prompts)[: min(len(ids) for ids in prompts) - 1]
    if shared.count(PLACEHOLDER_ID) != 1:
        raise InputError("prompts about one video begin alike, up to their one <image> at least")
    return shared
