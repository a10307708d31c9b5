"""Answering many questions about one video from one encoding and prefill."""

from __future__ import annotations

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
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

from vica.attention import SDPA
from vica.chat import PLACEHOLDER, PLACEHOLDER_ID, prompt, token_ids
from vica.continuations import Continuations, attending
from vica.decoding import Decoding, Limit, Observer, decode, decoding_settings
from vica.errors import BudgetError, InputError, MemoryShortError, counted
from vica.layers import Layers, why_not
from vica.memory import frames_at_once, in_groups, is_memory_error, release
from vica.merging import Visual
from vica.modeling import ViCA
from vica.prefix import Prefix, prefill
from vica.processing import Frames, ViCAProcessor
from vica.sampling import Seed


class Stopwatch:
    """Total seconds and tokens of each stage since construction."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.tokens: Counter[str] = Counter()

    @contextmanager
    def measure(self, stage: str, device: torch.device) -> Iterator[None]:
        """Add the time that the block takes, including the work it queued on the device."""
        started = perf_counter()
        try:
            yield
        finally:
            if device.type == "cuda":  # kernels run asynchronously
                torch.cuda.synchronize(device)
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - started


EOS, LENGTH = "eos", "length"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's answer: its text without special tokens, its token counts, and why it ended.

    `raw` keeps the special tokens, which separate the parts of a Thinking reply. `ids` are all
    generated ids, including the end token. `prompt_tokens` includes visual tokens. `stop` is
    `eos` or `length`.
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
    """Build the reply of these new ids; without one of `ends` at the end, `stop` is `length`."""
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
"""Token ids; -200 stands for a video."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A whole conversation (`vica.chat.prompt`) with one `<image>`, and limits for its reply.

    If `max_new_tokens` is None, the call's limit applies. `stop_ids` end the reply in addition to
    the model's end tokens. A sampled reply is that of its `seed`.
    """

    text: str
    max_new_tokens: int | None = None
    stop_ids: tuple[int, ...] = ()
    seed: Seed | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedVideo:
    """The prefilled prefix that all prompts about a video share; immutable.

    `ids` are the prefix's token ids with -200 for the video, which takes `visual_tokens` positions
    in the cache. The cache takes 56 KiB per token for the 7B models in bfloat16.
    """

    ids: tuple[int, ...]
    visual_tokens: int
    cache: Prefix

    @property
    def length(self) -> int:
        """The number of prefilled tokens."""
        return self.cache.length

    def length_of(self, ids: Ids) -> int:
        """The number of tokens of a prompt, including the video's."""
        return len(ids) - 1 + self.visual_tokens

    def shared_by(self, prompts: Sequence[Ids]) -> int:
        """How many of `ids` all these prompts begin with, leaving each at least one more token.

        Raises:
            InputError: The shared part does not include the video, or a prompt has a second one.
        """
        shared = min(len(common([self.ids, ids])) for ids in prompts)
        if PLACEHOLDER_ID not in self.ids[:shared]:
            raise InputError(
                "the prompt does not begin like the encoded prefix: encode the video with it"
            )
        if any(PLACEHOLDER_ID in ids[shared:] for ids in prompts):
            raise InputError("the prompt has more than one <image>, but one video was encoded")
        return min(shared, *(len(ids) - 1 for ids in prompts))


def common(prompts: Sequence[Ids]) -> list[int]:
    """The longest common prefix of the prompts' ids."""
    # All rows share what the first and the last in sorted order share.
    rows = sorted(list(ids) for ids in prompts)
    pairs = zip(rows[0], rows[-1], strict=False)
    return [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


def prefix_of(prompts: Sequence[Ids]) -> list[int]:
    """The ids to prefill: the common prefix, leaving each prompt at least one more token.

    Raises:
        InputError: The common prefix does not hold exactly one video.
    """
    # The logits of the first reply token come from a prompt's last id, so it is not prefilled.
    shared = common(prompts)[: min(len(ids) for ids in prompts) - 1]
    if shared.count(PLACEHOLDER_ID) != 1:
        raise InputError(
            "prompts about one video must begin alike, at least up to their one <image>"
        )
    return shared


LOG = logging.getLogger(__name__)
VISION, PREFILL, ANSWERS = "vision", "prefill", "answers"
"""The stages of a predictor's `spent`."""


class Predictor:
    """A model that answers many questions about one video.

    When memory is short, `vision_batch` is halved for good and `group_size` for the current call;
    the logs (`vica.predictor`, `vica.memory`) report it. `spent` holds the seconds and tokens of
    the stages `vision`, `prefill` and `answers`. Not thread-safe.

    The layers run in a short form (`vica.layers`), for which the model's weights are laid out anew,
    unless they are of a kind that only transformers can run.

    Args:
        model: The model, whole on one device.
        processor: Its processor.
        group_size: How many questions are answered together; 0 means all of a call.
        vision_batch: How many frames an encoder sees at once; 0 for `vica.memory.frames_at_once`.
        compile: Compile the encoders and the layers' parts outside attention with torch.

    Raises:
        InputError: The model is spread over devices, or its attention has a window.
    """

    def __init__(
        self,
        model: ViCA,
        processor: ViCAProcessor,
        *,
        group_size: int = 0,
        vision_batch: int = 0,
        compile: bool = False,  # noqa: A002  # as torch calls it
    ) -> None:
        if group_size < 0 or vision_batch < 0:
            raise InputError(
                "group_size must be 0 (all) or more, and vision_batch 0 (auto) or more"
            )
        _check(model)
        self.model, self.processor = model, processor
        self.group_size, self.vision_batch = group_size, vision_batch
        self.spent = Stopwatch()
        self._layers = None if why_not(model) else Layers(model, compile=compile)
        if compile:
            compile_parts(model, layers=self._layers is None)

    @property
    def kernel(self) -> str | None:
        """The attention kernel that was measured to be fastest for a prefill; None without one."""
        backend = self._layers and self._layers.backend
        return backend.name.removesuffix("_ATTENTION").lower() if backend else None

    @torch.no_grad()
    def encode(self, video: Frames | Visual, prompts: Sequence[str] = ()) -> EncodedVideo:
        """Encode a video and prefill the common prefix of `prompts`.

        Args:
            video: uint8 RGB frames [F, H, W, 3], or the processor's output for them.
            prompts: Without any, the video and the text before it are prefilled.

        Raises:
            InputError: The prompts do not share the video.
            BudgetError: The prefix has more tokens than the context holds.
            MemoryShortError: The device has too little memory for the video.
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
                    "memory is too short to encode this video: use fewer frames, a smaller dtype "
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
        """Answer each prompt, in order.

        Args:
            encoded: What `encode` returned.
            prompts: Each must begin like the encoded prefix.
            observe: Called with a prompt's index, the step and its logits [V].
            options: Settings of generation (`max_new_tokens`, `repetition_penalty` ...), and
                `sampling`, a `Sampling`, to draw replies.

        Raises:
            InputError: A prompt does not begin like the encoded prefix.
            BudgetError: A prompt overflows the context.
            ScoresError: The model's logits are NaN or infinite.
            MemoryShortError: Memory is too short for a single question.
        """
        asked = [each if isinstance(each, Prompt) else Prompt(text=each) for each in prompts]
        rows = [self._checked(encoded, each.text) for each in asked]

        def together(part: range) -> list[Reply]:
            watch = None if observe is None else _from(part.start, observe)
            here = slice(part.start, part.stop)
            return self._together(encoded, asked[here], rows[here], watch, options)

        try:
            groups = in_groups(len(asked), self.group_size, together, self.model.device)
            return [reply for group in groups for reply in group]
        except Exception as error:
            if is_memory_error(error):
                raise MemoryShortError(
                    "memory is too short for a single question about this video: use fewer frames, "
                    "fewer new tokens, a smaller dtype or a larger device"
                ) from error
            raise

    def _prefix(self, prompts: Sequence[str]) -> list[int]:
        """The ids to prefill: these prompts' common prefix, or without any, all prompts' prefix."""
        if prompts:
            return prefix_of([self._ids(text) for text in prompts])
        ids = self._ids(prompt(PLACEHOLDER))
        return ids[: ids.index(PLACEHOLDER_ID) + 1]

    def _ids(self, text: str) -> list[int]:
        return token_ids(text, self.processor.tokenizer)

    def _block(self, visual: Visual) -> Tensor:
        """The tokens [N, D] of a video; encodes fewer frames at once when memory is short."""
        if not self.vision_batch:
            self.vision_batch = frames_at_once(self.model.model.frame_bytes, self.model.device)
        while True:
            self.model.model.frames_at_once = self.vision_batch
            try:
                return self.model.encode(visual)
            except Exception as error:
                if self.vision_batch == 1 or not is_memory_error(error):
                    raise
            release(self.model.device)
            self.vision_batch //= 2
            LOG.warning("Memory is short: encoding %d frames at a time", self.vision_batch)

    def _prefill(self, ids: Sequence[int], block_ND: Tensor) -> Prefix:
        """The keys and values of the prefix, from the model's forward pass.

        The ids are known here, so that the host need not wait for the device to find the video.
        """
        self._fits(len(ids) - 1 + len(block_ND))
        place = ids.index(PLACEHOLDER_ID)
        embed, device = self.model.get_input_embeddings(), block_ND.device
        text_TD = embed(torch.tensor([*ids[:place], *ids[place + 1 :]], device=device))
        embeds_LD = torch.cat([text_TD[:place], block_ND.to(text_TD), text_TD[place:]])
        if self._layers and self.model.config._attn_implementation == SDPA:
            return self._layers.prefill(embeds_LD)
        return prefill(self.model, inputs_embeds=embeds_LD[None])

    def _checked(self, encoded: EncodedVideo, text: str) -> list[int]:
        """The ids of a prompt; raises if it cannot be answered from this encoded video."""
        ids = self._ids(text)
        encoded.shared_by([ids])
        self._fits(encoded.length_of(ids))
        return ids

    def _fits(self, length: int) -> None:
        """Raise BudgetError for a prompt of more tokens than the context holds."""
        limit = self.model.config.tokenizer_model_max_length
        if length > limit:
            raise BudgetError(
                f"the prompt has {counted(length, 'token')}, {length - limit:,} more than the "
                f"context of {limit:,}: use fewer frames, more pooling or a shorter text"
            )

    def _together(
        self,
        encoded: EncodedVideo,
        asked: Sequence[Prompt],
        rows: Sequence[list[int]],
        observe: Observer | None,
        options: dict[str, Any],
    ) -> list[Reply]:
        """The replies to some prompts, prefilled and decoded together."""
        how = decoding_settings(self.model, options)
        limits = [_limit(each, how) for each in asked]
        choose = how.chooser([each.seed for each in asked])
        shared = encoded.shared_by(rows)
        prefix = encoded.cache.first(encoded.length_of(rows[0][:shared]))
        continuations = Continuations(self.model, prefix, self._layers)
        own = [ids[shared:] for ids in rows]
        with attending(self.model):
            with self.spent.measure(PREFILL, self.model.device):
                logits_KV = continuations.start(own)
            with self.spent.measure(ANSWERS, self.model.device):
                new_ids = decode(continuations, logits_KV, limits, choose, observe)
        self.spent.tokens[PREFILL] += sum(map(len, {tuple(ids) for ids in own}))
        self.spent.tokens[ANSWERS] += sum(map(len, new_ids))
        return [
            reply_of(self.processor, new, ends=limit.stops, prompt_tokens=encoded.length_of(ids))
            for new, limit, ids in zip(new_ids, limits, rows, strict=True)
        ]


def _check(model: ViCA) -> None:
    """Raise InputError for a model on several devices, or with windowed attention."""
    if len({*getattr(model, "hf_device_map", {"": model.device}).values()}) > 1:
        raise InputError("a predictor needs its model on one device: load it without device_map")
    if {*getattr(model.config, "layer_types", ())} - {"full_attention"}:
        raise InputError("a predictor needs full attention in every layer, without a window")


def _limit(asked: Prompt, how: Decoding) -> Limit:
    own = asked.max_new_tokens
    if own is not None and (own < 1 or not how.own_limits):
        raise InputError(
            "a prompt's max_new_tokens must be 1 or more"
            if own < 1
            else "a prompt cannot set max_new_tokens when forced_eos_token_id is set"
        )
    return Limit(
        max_new_tokens=how.max_new_tokens if own is None else own,
        stops=frozenset({*how.ends, *asked.stop_ids}),
    )


def compile_parts(model: ViCA, *, layers: bool) -> None:
    """Compile the encoders, and if asked each layer's MLP and norms, with dynamic lengths.

    Layers in their short form have regions of their own.
    """
    # Whole layers would be recompiled for every position in the cache.
    for name, part in model.model.named_children():
        if name.endswith("_tower"):
            part.compile()
    for layer in cast(Sequence[Qwen2DecoderLayer], model.model.layers if layers else ()):
        for part in (layer.mlp, layer.input_layernorm, layer.post_attention_layernorm):
            part.compile(dynamic=True)


def _from(start: int, observe: Observer) -> Observer:
    """An observer for a group whose first prompt has the index `start`."""
    return lambda index, step, logits_V: observe(start + index, step, logits_V)
