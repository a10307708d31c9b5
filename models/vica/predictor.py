"""One video, many questions: encode and prefill a video once, then answer all that is asked of it.

`Predictor.encode` gives an `EncodedVideo`, a value that holds the keys and values of what the
prompts have in common, the video above all. `Predictor.answer` reads the rest of each prompt and
decodes all the replies together; the prefix is never copied. In exact arithmetic the replies are
those of one prompt at a time (`vica.answering`).

Shapes: F frames, N visual tokens, S ids of a prompt's own, K prompts, D width.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from vica.chat import PLACEHOLDER, PLACEHOLDER_ID, prompt, token_ids
from vica.continuing import Continuations, PrefixCache
from vica.decoding import Greedy, Limit, Observer, decode, greedy_settings
from vica.encoded import EncodedVideo, Prompt, prefix_of
from vica.errors import BudgetError, InputError, MemoryShortError
from vica.memory import is_memory_error, release
from vica.modeling import ViCA
from vica.processing import Frames, ViCAProcessor
from vica.replies import Reply, reply_of
from vica.stopwatch import Stopwatch
from vica.visuals import Visual
from vica.wording import counted

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
