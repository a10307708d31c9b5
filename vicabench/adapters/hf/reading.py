"""A video encoded once, and every question about it read after that.

Where the architecture allows it, what all prompts begin with is prefilled once, the video above
all, and each question goes on from its keys and values; these are cut back to the shared part
afterwards, so that there is one copy of them however many questions there are. Elsewhere the
vision tower still runs once, but each question's prefill reads the video's tokens again.

Shapes: V rows of the vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer
from vica.errors import BudgetError, InputError
from vica.generation import settled
from vica.predictor import Stopwatch, common

from vicabench.adapters.hf.inputs import Inputs, Seen, Tokens, moved
from vicabench.errors import counted

LOG = logging.getLogger(__name__)
VERIFIED = frozenset(
    {"internvl", "llava_next_video", "llava_onevision", "qwen2_5_vl", "qwen2_vl", "qwen3_vl"}
)
"""Model types whose answers after a shared prefill are tested to be those of whole prompts."""
GREEDY = {"num_beams": 1, "num_return_sequences": 1, "cache_implementation": None}
EOS, LENGTH = "eos", "length"
VISION, PREFILL, ANSWERS = "vision", "prefill", "answers"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply: its text without special tokens, its ids with its end, and what it took.

    `logits` are the float32 scores [V] of each step, where they were asked for.
    """

    text: str
    ids: tuple[int, ...]
    prompt_tokens: int
    stop: str
    logits: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """A video that was seen and encoded, and what the model is `given` of it with each prompt.

    `prefix` are the ids whose keys and values are in the `cache`; without one there are none, and
    the features of the frames are given each time.
    """

    seen: Seen
    given: Mapping[str, Any]
    prefix: tuple[int, ...] = ()
    cache: DynamicCache | None = None


def why_not_shared(model: Any, inputs: Inputs) -> str | None:
    """Why the prefill of a video cannot be shared with this model; None if it can."""
    if not inputs.exact:
        return "its processor changes more of a prompt than the place of the frames"
    kind = model.config.model_type
    if kind not in VERIFIED:
        return f"sharing the prefill was never verified for {kind}"
    if {type(layer) for layer in DynamicCache(config=model.config).layers} != {DynamicLayer}:
        return "a layer of its language model does not keep the whole prefix"
    return None


class Reader:
    """A model that reads videos and answers greedily; one thread at a time may use it.

    `why` says why the prefill is not shared, None where it is; `vision_once` whether the vision
    tower runs once a video also then. `settings` are those of the decoding.
    `spent` adds up the seconds and tokens of the stages `vision`, `prefill`, which is that of what
    is shared, and `answers`, which begin with reading the rest of a prompt.
    """

    def __init__(self, model: Any, inputs: Inputs, *, max_new_tokens: int) -> None:
        self.model, self.inputs = model, inputs
        self.why = why_not_shared(model, inputs)
        self.shares = self.why is None
        self.vision_once = bool(model._supports_mm_encoder_outputs())
        self.spent = Stopwatch()
        length = len(inputs.processor.tokenizer)
        options = {"max_new_tokens": max_new_tokens, **GREEDY}
        self.settings, self._scoring, _ = settled(model.generation_config, options, length)
        self._prefilling = changed(self.settings, max_new_tokens=1)  # none of which is kept
        ends = self.settings.eos_token_id
        self._ends = {*ends} if isinstance(ends, list) else {ends}

    @torch.no_grad()
    def encode(self, seen: Seen, prompts: Sequence[str]) -> Encoded:
        """Run the vision tower on a video, and prefill what these prompts begin with.

        Without prompts nothing is prefilled, and each is read in full. Raises BudgetError for more
        tokens than the context holds.
        """
        with self.spent.measure(VISION, self.model.device):
            given = self._encoded(seen)
        shared = self._shared(seen, prompts) if self.shares else None
        if shared is None:
            return Encoded(seen=seen, given=given)
        cache = DynamicCache(config=self.model.config)
        with self.spent.measure(PREFILL, self.model.device):
            self._generate(shared, self._prefilling, {**given, "cache": cache})
        self.spent.tokens[PREFILL] += len(shared.ids)
        # The features, which can be large, are not wanted any more.
        return Encoded(seen=seen, given=_sizes(given), prefix=shared.ids, cache=cache)

    @torch.no_grad()
    def answer(self, encoded: Encoded, text: str, *, keep_logits: bool = False) -> Reply:
        """The reply to a prompt about an encoded video.

        Raises InputError for a prompt that does not begin as those it was encoded for, or holds
        placeholders of its own, BudgetError for one that overflows the context, and ScoresError
        for scores that are no numbers.
        """
        tokens = self.inputs.tokens(encoded.seen, text)
        ids = tokens.ids
        check_context(self.model, len(ids))
        with self.spent.measure(ANSWERS, self.model.device), self._continued(encoded, ids) as given:
            how = changed(self.settings, return_dict_in_generate=True, output_logits=keep_logits)
            found = self._generate(tokens, how, given)
        new = found.sequences[0, len(ids) :].tolist()
        self.spent.tokens[ANSWERS] += len(new)
        return Reply(
            text=self.inputs.processor.tokenizer.decode(new, skip_special_tokens=True),
            ids=tuple(new),
            prompt_tokens=len(ids),
            stop=EOS if new and new[-1] in self._ends else LENGTH,
            logits=tuple(step[0].float().cpu() for step in found.logits or ()),
        )

    def _shared(self, seen: Seen, prompts: Sequence[str]) -> Tokens | None:
        """What all prompts that can be asked begin with, but for a last token of their own.

        None where that is not the whole video.
        """
        if seen.tokens is None:
            LOG.warning("The prefill of a video is not shared: its prompts do not begin alike")
            return None
        rows = []
        for text in prompts:
            with suppress(InputError):  # which is told when it is asked
                rows.append(self.inputs.tokens(seen, text))
        if not rows:
            return None
        length = min(len(common([row.ids for row in rows])), *(len(row.ids) - 1 for row in rows))
        check_context(self.model, length)
        return rows[0].first(length) if length >= len(seen.tokens.ids) else None

    def _encoded(self, seen: Seen) -> dict[str, Any]:
        """What the model is given of a video, with the features of its frames if it takes them."""
        tensors = moved(seen, self.model.device, self.model.dtype)
        if not self.vision_once:
            return tensors
        made = self.model._prepare_multimodal_encoder_kwargs_for_generation(dict(tensors))
        return {**_sizes(tensors), **made}

    @contextmanager
    def _continued(self, encoded: Encoded, ids: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        """What the model is given for a prompt; a cache is as long as before afterwards."""
        cache = encoded.cache
        if cache is None:
            yield encoded.given
            return
        if tuple(ids[: len(encoded.prefix)]) != encoded.prefix or len(ids) <= len(encoded.prefix):
            raise InputError("the prompt does not begin as the encoded video does: encode it again")
        if hasattr(self.model.base_model, "rope_deltas"):
            # Kept from the prefix they would be too large for what follows a video whose times
            # reach beyond the tokens after it; without them, positions are the whole prompt's.
            self.model.base_model.rope_deltas = None
        try:
            yield {**encoded.given, "cache": cache}
        finally:
            _cut_back(cache, len(encoded.prefix))

    def _generate(
        self, tokens: Tokens, settings: GenerationConfig, given: Mapping[str, Any]
    ) -> Any:
        """What `generate` finds for a prompt of these tokens."""
        device = self.model.device
        ids_BS = torch.tensor([tokens.ids], device=device)
        types = {name: torch.tensor([row], device=device) for name, row in tokens.types.items()}
        return self.model.generate(
            input_ids=ids_BS,
            attention_mask=torch.ones_like(ids_BS),
            generation_config=settings,
            logits_processor=self._scoring,
            **types,
            **given,
        )


def check_context(model: Any, count: int) -> None:
    """BudgetError if a prompt of so many tokens is longer than the model's context."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None and count > limit:
        raise BudgetError(
            f"the prompt has {counted(count, 'token')}, {count - limit:,} more than the context of "
            f"{limit:,}: use fewer frames or a shorter text"
        )


def _cut_back(cache: Any, length: int) -> None:
    """Leave in a DynamicCache the first `length` tokens in every layer.

    Not `crop`, which takes as many from all: an answer that failed half-way through the model, for
    lack of memory, has left its tokens in the layers before that only.
    """
    for layer in cache.layers:
        if layer.is_initialized:
            layer.keys = layer.keys[..., :length, :]
            layer.values = layer.values[..., :length, :]


def changed(settings: GenerationConfig, **changes: Any) -> GenerationConfig:
    """A copy of settings with some of them changed."""
    copy = deepcopy(settings)
    copy.update(**changes)
    return copy


def _sizes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of a video is about its shape, from which positions follow, and not its pixels."""
    return {
        name: each
        for name, each in given.items()
        if not name.startswith("pixel") and name != "mm_encoder_outputs"
    }
