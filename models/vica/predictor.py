"""One video, many questions: encode and prefill once, then answer every question."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from vica.chat import PLACEHOLDER, PLACEHOLDER_ID, prompt, token_ids
from vica.continuing import (
    Continuations,
    Greedy,
    Limit,
    Observer,
    PrefixCache,
    decode,
    greedy_settings,
)
from vica.errors import BudgetError, InputError, MemoryShortError, counted
from vica.merging import Visual
from vica.modeling import ViCA
from vica.processing import Frames, ViCAProcessor


class Stopwatch:
    """Seconds and tokens by stage, added up since it was made."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.tokens: Counter[str] = Counter()

    @contextmanager
    def measure(self, stage: str, device: torch.device) -> Iterator[None]:
        """Add the time that the block takes, with all it has asked of the device."""
        started = perf_counter()
        try:
            yield
        finally:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - started


_SAY = (
    "DefaultCPUAllocator",
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_memory_error(error: BaseException) -> bool:
    """Whether an error says that memory is short; torch has a class for some only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAY)


def release(device: torch.device) -> None:
    """Give back what a failed computation held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


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


LOG = logging.getLogger(__name__)
VISION, PREFILL, ANSWERS = "vision", "prefill", "answers"
"""The stages of a predictor's `spent`."""


class Predictor:
    """A model that is asked many questions about one video.

    `group_size` questions are answered together, all of a call if 0; `vision_batch` frames are in
    an encoder at once. When memory is short both are halved, groups for this call alone, and the
    log (`vica.predictor`) says so. `compile` lets torch compile the encoders and what the layers
    compute besides attention. `spent` adds up the seconds and tokens of the stages `vision`,
    `prefill` and `answers`. One thread at a time may use it. Raises InputError for a model that is
    spread over devices or whose attention has a window.
    """

    def __init__(
        self,
        model: ViCA,
        processor: ViCAProcessor,
        *,
        group_size: int = 0,
        vision_batch: int = 8,
        compile: bool = False,  # noqa: A002  # as torch calls it
    ) -> None:
        if group_size < 0 or vision_batch < 1:
            raise InputError("group_size is 0 (all) or more, vision_batch is 1 or more")
        _check(model)
        self.model, self.processor = model, processor
        self.group_size, self.vision_batch = group_size, vision_batch
        self.spent = Stopwatch()
        if compile:
            compile_parts(model)

    @torch.no_grad()
    def encode(self, video: Frames | Visual, prompts: Sequence[str] = ()) -> EncodedVideo:
        """Encode a video and prefill all that `prompts` have in common.

        `video` is uint8 frames [F, H, W, 3] or what the processor made of them. Without prompts
        the video is prefilled and what stands before it in every prompt. Raises InputError for
        prompts that do not share the video, BudgetError for more tokens than the context holds
        and MemoryShortError for a video that there is no memory for.
        """
        ids = self._prefix(prompts)
        if not isinstance(video, Visual):
            self.model.config.layout.video(len(video)).check(len(ids) - 1)
            video = self.processor.video(video)
        try:
            with self.spent.measure(VISION, self.model.device):
                block_ND = self._block(video)
            with self.spent.measure(PREFILL, self.model.device):
                cache = self._prefill(ids, block_ND)
        except Exception as error:
            if is_memory_error(error):
                raise MemoryShortError(
                    "there is no memory to encode this video: use fewer frames, a smaller dtype "
                    "or a larger device"
                ) from error
            raise
        self.spent.tokens[PREFILL] += cache.length
        return EncodedVideo(ids=tuple(ids), visual_tokens=len(block_ND), cache=cache)

    @torch.no_grad()
    def answer(
        self,
        encoded: EncodedVideo,
        prompts: Sequence[str | Prompt],
        *,
        observe: Observer | None = None,
        **options: Any,
    ) -> list[Reply]:
        """The reply to each prompt, in order.

        `options` are settings of greedy generation (`max_new_tokens`, `repetition_penalty` ...);
        `observe` is told a prompt's index, the step and its logits. Raises InputError for a
        prompt that does not begin as the encoded video does, BudgetError for one that overflows
        the context, ScoresError for scores that are no numbers and MemoryShortError where memory
        is short of a single question.
        """
        asked = [each if isinstance(each, Prompt) else Prompt(text=each) for each in prompts]
        rows = [self._checked(encoded, each.text) for each in asked]
        size = self.group_size or max(len(asked), 1)
        replies: list[Reply] = []
        while len(replies) < len(asked):
            part = slice(len(replies), len(replies) + size)
            watch = None if observe is None else _from(len(replies), observe)
            found = self._attempt(encoded, asked[part], rows[part], watch, options)
            if found is None:  # and what failed is gone by now, so that its memory is free again
                release(self.model.device)
                failed, size = len(asked[part]), len(asked[part]) // 2
                LOG.warning("Memory is short of %d questions at once: now %d", failed, size)
            replies += found or []
        return replies

    def _prefix(self, prompts: Sequence[str]) -> list[int]:
        """The ids that are prefilled for these prompts, or for any."""
        if prompts:
            return prefix_of([self._ids(text) for text in prompts])
        ids = self._ids(prompt(PLACEHOLDER))
        return ids[: ids.index(PLACEHOLDER_ID) + 1]

    def _ids(self, text: str) -> list[int]:
        return token_ids(text, self.processor.tokenizer)

    def _block(self, visual: Visual) -> Tensor:
        """The tokens [N, D] of a video, from fewer frames at once where memory is short."""
        while True:
            self.model.model.frames_at_once = self.vision_batch
            try:
                return self.model.encode(visual)
            except Exception as error:
                if self.vision_batch == 1 or not is_memory_error(error):
                    raise
            release(self.model.device)
            self.vision_batch //= 2
            LOG.warning("Memory is short: encoding %d frames at a time now", self.vision_batch)

    def _prefill(self, ids: Sequence[int], block_ND: Tensor) -> PrefixCache:
        """The keys and values of the prefix, by the model's own forward pass."""
        merged = self.model.merge(torch.tensor([ids], device=block_ND.device), [block_ND])
        cache = DynamicCache(config=self.model.config)
        self.model.model(inputs_embeds=merged.embeds_BLD, cache=cache, use_cache=True)
        layers = cast(list[DynamicLayer], cache.layers)
        return PrefixCache(
            keys=tuple(cast(Tensor, layer.keys)[0] for layer in layers),
            values=tuple(cast(Tensor, layer.values)[0] for layer in layers),
        )

    def _checked(self, encoded: EncodedVideo, text: str) -> list[int]:
        """The ids of a prompt that can be answered from this encoded video."""
        ids = self._ids(text)
        encoded.shared_by([ids])
        length, limit = encoded.length_of(ids), self.model.config.tokenizer_model_max_length
        if length > limit:
            raise BudgetError(
                f"the prompt has {counted(length, 'token')}, {length - limit:,} more than the "
                f"context of {limit:,}: use fewer frames, more pooling or a shorter text"
            )
        return ids

    def _attempt(
        self,
        encoded: EncodedVideo,
        asked: Sequence[Prompt],
        rows: Sequence[list[int]],
        observe: Observer | None,
        options: dict[str, Any],
    ) -> list[Reply] | None:
        """The replies to some prompts together; None if memory is short of so many."""
        try:
            return self._together(encoded, asked, rows, observe, options)
        except Exception as error:
            if not is_memory_error(error):
                raise
            if len(asked) == 1:
                raise MemoryShortError(
                    "memory is short of a single question about this video: use fewer frames, "
                    "fewer new tokens, a smaller dtype or a larger device"
                ) from error
        return None

    def _together(
        self,
        encoded: EncodedVideo,
        asked: Sequence[Prompt],
        rows: Sequence[list[int]],
        observe: Observer | None,
        options: dict[str, Any],
    ) -> list[Reply]:
        """The replies to some prompts, prefilled and decoded together."""
        greedy = greedy_settings(self.model, options)
        limits = [_limit(each, greedy) for each in asked]
        shared = encoded.shared_by(rows)
        going = Continuations(
            self.model.model, encoded.cache.first(encoded.length_of(rows[0][:shared]))
        )
        embed = self.model.get_input_embeddings()
        own = [torch.tensor(ids[shared:], device=self.model.device) for ids in rows]
        with self.spent.measure(PREFILL, self.model.device):
            hidden_KD = going.start([embed(ids_S) for ids_S in own])
        with self.spent.measure(ANSWERS, self.model.device):
            said = decode(self.model, going, hidden_KD, limits, greedy.processors, observe)
        self.spent.tokens[PREFILL] += sum(map(len, own))
        self.spent.tokens[ANSWERS] += sum(map(len, said))
        return [
            reply_of(self.processor, new, ends=limit.stops, prompt_tokens=encoded.length_of(ids))
            for new, limit, ids in zip(said, limits, rows, strict=True)
        ]


def _check(model: ViCA) -> None:
    """Raise InputError for a model whose layers are not all here, or do not see all of a prefix."""
    if len({*getattr(model, "hf_device_map", {"": model.device}).values()}) > 1:
        raise InputError("a predictor runs a model on one device: load it without device_map")
    if {*getattr(model.config, "layer_types", ())} - {"full_attention"}:
        raise InputError("a predictor needs layers that see the whole prefix, without a window")


def _limit(asked: Prompt, greedy: Greedy) -> Limit:
    own = asked.max_new_tokens
    if own is not None and (own < 1 or not greedy.own_limits):
        raise InputError(
            "a prompt's max_new_tokens is 1 or more"
            if own < 1
            else "a prompt cannot have max_new_tokens of its own beside forced_eos_token_id"
        )
    return Limit(
        max_new_tokens=greedy.max_new_tokens if own is None else own,
        stops=frozenset({*greedy.ends, *asked.stop_ids}),
    )


def compile_parts(model: ViCA) -> None:
    """Compile the encoders, and what each layer computes besides attention.

    Whole layers would be compiled again for each place in the cache. Lengths are dynamic.
    """
    for name, part in model.model.named_children():
        if name.endswith("_tower"):
            part.compile()
    for layer in cast(Sequence[Qwen2DecoderLayer], model.model.layers):
        for part in (layer.mlp, layer.input_layernorm, layer.post_attention_layernorm):
            part.compile(dynamic=True)


def _from(start: int, observe: Observer) -> Observer:
    """The observer of a group that begins at the prompt `start`."""
    return lambda index, step, logits_V: observe(start + index, step, logits_V)
