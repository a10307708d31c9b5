"""Encode a video once for all questions about it.

If the architecture allows it, the common prefix of all prompts, mainly the video, is prefilled
once, and each question continues from its keys and values. Afterwards the cache is cut back to the
prefix, so there is one copy of it for any number of questions. Otherwise the vision tower still
runs once, but each question's prefill reads the video's tokens again.

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
from transformers import DynamicCache, GenerationConfig, LogitsProcessorList
from transformers.cache_utils import DynamicLayer
from vica.errors import BudgetError, InputError
from vica.generation import settled
from vica.predictor import Stopwatch, common
from vica.sampling import GREEDY, Drawn, Sampling, Seed, processors

from vicabench.adapters.hf.inputs import Inputs, Seen, Tokens, moved
from vicabench.errors import counted

LOG = logging.getLogger(__name__)
VERIFIED = frozenset(
    {"internvl", "llava_next_video", "llava_onevision", "qwen2_5_vl", "qwen2_vl", "qwen3_vl"}
)
"""Model types whose answers after a shared prefill are tested against whole prompts."""
ONE_REPLY = {"num_beams": 1, "num_return_sequences": 1, "cache_implementation": None}
EOS, LENGTH = "eos", "length"
VISION, PREFILL, ANSWERS = "vision", "prefill", "answers"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply of a model.

    Attributes:
        text: The text without special tokens.
        ids: The new ids, with the token that ends the reply.
        prompt_tokens: The length of the prompt.
        stop: `eos`, or `length` if the reply was cut.
        logits: The float32 scores [V] of each step, if they were requested.
    """

    text: str
    ids: tuple[int, ...]
    prompt_tokens: int
    stop: str
    logits: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """An encoded video.

    Attributes:
        given: The model's inputs for the video, passed with each prompt.
        prefix: The ids whose keys and values are in the `cache`; empty without a cache.
        cache: None if the prefill is not shared: then `given` has the features of the frames.
    """

    seen: Seen
    given: Mapping[str, Any]
    prefix: tuple[int, ...] = ()
    cache: DynamicCache | None = None


def why_not_shared(model: Any, inputs: Inputs) -> str | None:
    """Why this model cannot share the prefill of a video; None if it can."""
    if not inputs.exact:
        return "its processor changes more of a prompt than the place of the frames"
    kind = model.config.model_type
    if kind not in VERIFIED:
        return f"sharing the prefill was never verified for {kind}"
    if {type(layer) for layer in DynamicCache(config=model.config).layers} != {DynamicLayer}:
        return "a layer of its language model does not keep the whole prefix"
    return None


class Reader:
    """A model that reads videos and answers, greedily or by `sampling`; not thread-safe.

    Attributes:
        why: Why the prefill is not shared; None if it is.
        vision_once: Whether the vision tower runs once per video even without a shared prefill.
        settings: The settings of the decoding.
        spent: Seconds and tokens of the stages `vision`, `prefill` (of the shared prefix) and
            `answers` (from the rest of a prompt on).
    """

    def __init__(
        self, model: Any, inputs: Inputs, *, max_new_tokens: int, sampling: Sampling = GREEDY
    ) -> None:
        self.model, self.inputs, self.sampling = model, inputs, sampling
        self.why = why_not_shared(model, inputs)
        self.shares = self.why is None
        self.vision_once = bool(model._supports_mm_encoder_outputs())
        self.spent = Stopwatch()
        length = len(inputs.processor.tokenizer)
        own = sampling.repetition_penalty
        penalty = {} if own is None else {"repetition_penalty": own}
        options = {"max_new_tokens": max_new_tokens, **ONE_REPLY, **penalty}
        self.settings, self._scoring, _ = settled(model.generation_config, options, length)
        self._prefilling = changed(self.settings, max_new_tokens=1)  # the token is not used
        ends = self.settings.eos_token_id
        self._ends = {*ends} if isinstance(ends, list) else {ends}

    @torch.no_grad()
    def encode(self, seen: Seen, prompts: Sequence[str]) -> Encoded:
        """Run the vision tower on a video, and prefill the common prefix of the prompts.

        Without prompts nothing is prefilled, and each prompt is read in full.

        Raises:
            BudgetError: For a prefix that is longer than the context.
        """
        with self.spent.measure(VISION, self.model.device):
            given = self._encoded(seen)
        shared = self._shared(seen, prompts) if self.shares else None
        if shared is None:
            return Encoded(seen=seen, given=given)
        cache = DynamicCache(config=self.model.config)
        with self.spent.measure(PREFILL, self.model.device):
            self._generate(shared, self._prefilling, {**given, "cache": cache}, self._scoring)
        self.spent.tokens[PREFILL] += len(shared.ids)
        # The features can be large, and the cache replaces them.
        return Encoded(seen=seen, given=_sizes(given), prefix=shared.ids, cache=cache)

    @torch.no_grad()
    def answer(
        self, encoded: Encoded, text: str, *, seed: Seed = 0, keep_logits: bool = False
    ) -> Reply:
        """Return the reply to a prompt about an encoded video; a sampled one is that of `seed`.

        Raises:
            InputError: For a prompt without the encoded prefix, or a question with placeholders.
            BudgetError: For a prompt that is longer than the context.
            ScoresError: For logits that are NaN or infinite.
        """
        tokens = self.inputs.tokens(encoded.seen, text)
        ids = tokens.ids
        check_context(self.model, len(ids))
        with self.spent.measure(ANSWERS, self.model.device), self._continued(encoded, ids) as given:
            how = changed(self.settings, return_dict_in_generate=True, output_logits=keep_logits)
            output = self._generate(tokens, how, given, self._scores(len(ids), seed))
        new = output.sequences[0, len(ids) :].tolist()
        self.spent.tokens[ANSWERS] += len(new)
        return Reply(
            text=self.inputs.processor.tokenizer.decode(new, skip_special_tokens=True),
            ids=tuple(new),
            prompt_tokens=len(ids),
            stop=EOS if new and new[-1] in self._ends else LENGTH,
            logits=tuple(step[0].float().cpu() for step in output.logits or ()),
        )

    def _shared(self, seen: Seen, prompts: Sequence[str]) -> Tokens | None:
        """The common prefix of all valid prompts, which leaves each at least one token.

        Returns:
            None if the prefix does not contain the whole video.
        """
        if seen.tokens is None:
            LOG.warning("The prefill of a video is not shared: its prompts have different prefixes")
            return None
        rows = []
        for text in prompts:
            with suppress(InputError):  # `answer` raises it again for this prompt
                rows.append(self.inputs.tokens(seen, text))
        if not rows:
            return None
        length = min(len(common([row.ids for row in rows])), *(len(row.ids) - 1 for row in rows))
        check_context(self.model, length)
        return rows[0].first(length) if length >= len(seen.tokens.ids) else None

    def _encoded(self, seen: Seen) -> dict[str, Any]:
        """The model's inputs for a video, with the features of its frames if it accepts them."""
        tensors = moved(seen, self.model.device, self.model.dtype)
        if not self.vision_once:
            return tensors
        features = self.model._prepare_multimodal_encoder_kwargs_for_generation(dict(tensors))
        return {**_sizes(tensors), **features}

    @contextmanager
    def _continued(self, encoded: Encoded, ids: Sequence[int]) -> Iterator[Mapping[str, Any]]:
        """Yield the model's inputs for a prompt; afterwards cut the cache back to its prefix."""
        cache = encoded.cache
        if cache is None:
            yield encoded.given
            return
        if tuple(ids[: len(encoded.prefix)]) != encoded.prefix or len(ids) <= len(encoded.prefix):
            raise InputError(
                "the prompt does not begin with the encoded prefix: encode the video again"
            )
        if hasattr(self.model.base_model, "rope_deltas"):
            # The offsets of the prefix alone would be too large if the times of the video reach
            # beyond the tokens after it; without them, positions are those of the whole prompt.
            self.model.base_model.rope_deltas = None
        try:
            yield {**encoded.given, "cache": cache}
        finally:
            _cut_back(cache, len(encoded.prefix))

    def _scores(self, length: int, seed: Seed) -> LogitsProcessorList:
        """What is done to the scores behind a prompt of this length, a draw included."""
        drawn = [Drawn(seed)] if self.sampling.temperature else []
        return LogitsProcessorList([*self._scoring, *processors(self.sampling, length), *drawn])

    def _generate(
        self,
        tokens: Tokens,
        settings: GenerationConfig,
        given: Mapping[str, Any],
        scoring: LogitsProcessorList,
    ) -> Any:
        """Call `generate` for a prompt of these tokens."""
        device = self.model.device
        ids_BS = torch.tensor([tokens.ids], device=device)
        types = {name: torch.tensor([row], device=device) for name, row in tokens.types.items()}
        return self.model.generate(
            input_ids=ids_BS,
            attention_mask=torch.ones_like(ids_BS),
            generation_config=settings,
            logits_processor=scoring,
            **types,
            **given,
        )


def check_context(model: Any, count: int) -> None:
    """Raise a BudgetError if a prompt of `count` tokens is longer than the context."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None and count > limit:
        raise BudgetError(
            f"the prompt has {counted(count, 'token')}, {count - limit:,} more than the context of "
            f"{limit:,}: use fewer frames or a shorter text"
        )


def _cut_back(cache: Any, length: int) -> None:
    """Cut a DynamicCache back to the first `length` tokens in every layer.

    `crop` would remove the same number of tokens from all layers. But an answer that failed inside
    the model, for lack of memory, has added its tokens only to the layers before that point.
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
    """The inputs that describe a video's shape, from which positions follow, without pixels."""
    return {
        name: each
        for name, each in given.items()
        if not name.startswith("pixel") and name != "mm_encoder_outputs"
    }
