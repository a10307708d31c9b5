"""Encode a video once for all questions about it, and answer them together.

If the architecture allows it, the common prefix of all prompts, mainly the video, is prefilled
once. All questions then run through the model together from one copy of its keys and values
(`vica.prefix`), and those that finish leave the batch. Otherwise the vision tower still runs once,
but each question's prefill reads the video's tokens again.

Shapes: K questions, L tokens of a prompt, V rows of the vocabulary.
"""

from __future__ import annotations

import inspect
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList
from vica.continuations import Continuations, attending
from vica.decoding import Limit, decode
from vica.errors import BudgetError, InputError
from vica.generation import settled
from vica.predictor import Stopwatch, common
from vica.prefix import Prefix, prefill
from vica.sampling import GREEDY, Drawn, Sampling, Seed, processors

from vicabench.adapters.hf.choosing import Choice, caught
from vicabench.adapters.hf.inputs import Inputs, Seen, Tokens, moved
from vicabench.adapters.hf.sharing import why_not_shared
from vicabench.errors import counted

LOG = logging.getLogger(__name__)
ONE_REPLY = {"num_beams": 1, "num_return_sequences": 1, "cache_implementation": None}
COMPARED = 64
"""How many steps' logits are kept; bounds the memory they take."""
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
        ids: The ids of the `prefix`; empty without one.
        prefix: None if the prefill is not shared: then `given` has the features of the frames.
    """

    seen: Seen
    given: Mapping[str, Any]
    ids: tuple[int, ...] = ()
    prefix: Prefix | None = None


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
        self.vision_once = "mm_encoder_outputs" in inspect.signature(model.forward).parameters
        self.spent = Stopwatch()
        length = len(inputs.processor.tokenizer)
        own = sampling.repetition_penalty
        penalty = {} if own is None else {"repetition_penalty": own}
        options = {"max_new_tokens": max_new_tokens, **ONE_REPLY, **penalty}
        self.settings, self._scoring, _ = settled(model.generation_config, options, length)
        ends = self.settings.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [ends])

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
        with self.spent.measure(PREFILL, self.model.device):
            placed = self._places(shared, given)
            inputs = given if placed is None else {**given, "position_ids": placed[:, None]}
            prefix = prefill(self.model, **self._rows(shared), **inputs)
        self.spent.tokens[PREFILL] += len(shared.ids)
        # The features can be large, and the prefix replaces them.
        return Encoded(seen=seen, given=_sizes(given), ids=shared.ids, prefix=prefix)

    def prompt(self, encoded: Encoded, text: str) -> Tokens:
        """The tokens of a prompt about an encoded video.

        Raises:
            InputError: For a prompt without the encoded prefix, or a question with placeholders.
            BudgetError: For a prompt that is longer than the context.
        """
        tokens, length = self.inputs.tokens(encoded.seen, text), len(encoded.ids)
        check_context(self.model, len(tokens.ids))
        if encoded.ids and (tokens.ids[:length] != encoded.ids or len(tokens.ids) == length):
            raise InputError(
                "the prompt does not begin with the encoded prefix: encode the video again"
            )
        return tokens

    @torch.no_grad()
    def answer(
        self,
        encoded: Encoded,
        prompts: Sequence[Tokens],
        seeds: Sequence[Seed] | None = None,
        *,
        keep_logits: bool = False,
    ) -> list[Reply]:
        """Answer prompts about a video: together if it has a prefix, else one after another.

        Args:
            encoded: What `encode` returned.
            prompts: What `prompt` returned for it.
            seeds: Those of sampled replies; 0 each if left out.
            keep_logits: Keep the logits of the first steps.

        Raises:
            ScoresError: For logits that are NaN.
        """
        with self.spent.measure(ANSWERS, self.model.device):
            drawn = [0] * len(prompts) if seeds is None else seeds
            if encoded.prefix is not None:
                replies = self._together(encoded, encoded.prefix, prompts, drawn, keep=keep_logits)
            else:
                pairs = zip(prompts, drawn, strict=True)
                replies = [self._alone(encoded, p, seed, keep=keep_logits) for p, seed in pairs]
        self.spent.tokens[ANSWERS] += sum(len(reply.ids) for reply in replies)
        return replies

    def _together(
        self,
        encoded: Encoded,
        prefix: Prefix,
        prompts: Sequence[Tokens],
        seeds: Sequence[Seed],
        *,
        keep: bool,
    ) -> list[Reply]:
        seen: dict[int, list[Tensor]] = defaultdict(list)

        def observe(index: int, step: int, logits_V: Tensor) -> None:
            if step < COMPARED:
                seen[index].append(logits_V.cpu())

        limit = Limit(max_new_tokens=self.settings.max_new_tokens, stops=self._ends)
        ids, device = [each.ids for each in prompts], self.model.device
        drawn = seeds if self.sampling.temperature else None
        choose = Choice(ids, self._processors(prompts), drawn, device)
        with attending(self.model):
            batch = Continuations(self.model, prefix)
            logits_KV = batch.start(*self._tails(encoded, prompts))
            limits = [limit] * len(prompts)
            rows = decode(batch, logits_KV, limits, choose, observe if keep else None)
        return [
            self._reply(new, each, seen[index])
            for index, (new, each) in enumerate(zip(rows, prompts, strict=True))
        ]

    def _alone(self, encoded: Encoded, prompt: Tokens, seed: Seed, *, keep: bool) -> Reply:
        how = changed(self.settings, return_dict_in_generate=True, output_logits=keep)
        scoring = self._scores(prompt)
        if self.sampling.temperature:
            scoring.append(Drawn(seed))
        output = self._generate(prompt, how, scoring, **encoded.given)
        new = output.sequences[0, len(prompt.ids) :].tolist()
        kept = [step[0].float().cpu() for step in (output.logits or ())[:COMPARED]]
        return self._reply(new, prompt, kept)

    def _reply(self, new: Sequence[int], prompt: Tokens, logits: Sequence[Tensor]) -> Reply:
        return Reply(
            text=self.inputs.processor.tokenizer.decode(new, skip_special_tokens=True),
            ids=tuple(new),
            prompt_tokens=len(prompt.ids),
            stop=EOS if new and new[-1] in self._ends else LENGTH,
            logits=tuple(logits),
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
            with suppress(InputError):  # `prompt` raises it again for this prompt
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
        features = {}
        for kind in ("image", "video"):
            encode = getattr(self.model.base_model, f"get_{kind}_features", None)
            pixels = {"image": "pixel_values", "video": "pixel_values_videos"}[kind]
            if encode is not None and pixels in tensors:
                features[kind] = encode(**_accepted(encode, tensors), return_dict=True)
        return {**_sizes(tensors), "mm_encoder_outputs": features}

    def _places(self, tokens: Tokens, given: Mapping[str, Any]) -> Tensor | None:
        """The positions [3, L] of a prompt's tokens in time, height and width.

        Returns:
            None for a model that counts all tokens alike.
        """
        locate = getattr(self.model.base_model, "get_rope_index", None)
        if locate is None:
            return None
        places_3BL, _ = locate(**_accepted(locate, {**self._rows(tokens), **given}))
        return places_3BL[:, 0]  # type: ignore[no-any-return]

    def _tails(
        self, encoded: Encoded, prompts: Sequence[Tokens]
    ) -> tuple[list[tuple[int, ...]], list[Tensor] | None]:
        """The ids behind the prefix of each prompt, and their positions if they are not counted."""
        length = len(encoded.ids)
        placed = [self._places(each, encoded.given) for each in prompts]
        tails = [each[:, length:] for each in placed if each is not None]
        return [each.ids[length:] for each in prompts], tails or None

    def _processors(self, prompts: Sequence[Tokens]) -> list[LogitsProcessorList]:
        """What `generate` would do to the scores of each prompt."""
        made: dict[int, LogitsProcessorList] = {}  # they can depend on the length of the prompt
        for each in prompts:
            if len(each.ids) not in made:
                plain, scoring = Tokens(ids=each.ids, types={}), self._scores(each)
                made[len(each.ids)] = self._generate(
                    plain, self.settings, scoring, custom_generate=caught
                )
        return [made[len(each.ids)] for each in prompts]

    def _scores(self, prompt: Tokens) -> LogitsProcessorList:
        """What we do to the scores behind a prompt, before a draw."""
        return LogitsProcessorList([*self._scoring, *processors(self.sampling, len(prompt.ids))])

    def _rows(self, tokens: Tokens) -> dict[str, Tensor]:
        """The model's inputs for a prompt of these tokens."""
        rows = {"input_ids": tokens.ids, **tokens.types}
        return {name: torch.tensor([r], device=self.model.device) for name, r in rows.items()}

    def _generate(
        self,
        tokens: Tokens,
        settings: GenerationConfig,
        scoring: LogitsProcessorList,
        **given: Any,
    ) -> Any:
        """Call `generate` for a prompt of these tokens."""
        rows = self._rows(tokens)
        return self.model.generate(
            **rows,
            attention_mask=torch.ones_like(rows["input_ids"]),
            generation_config=settings,
            logits_processor=scoring,
            **given,
        )


def _accepted(function: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a function names."""
    known = inspect.signature(function).parameters
    return {name: each for name, each in arguments.items() if name in known}


def check_context(model: Any, count: int) -> None:
    """Raise a BudgetError if a prompt of `count` tokens is longer than the context."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None and count > limit:
        raise BudgetError(
            f"the prompt has {counted(count, 'token')}, {count - limit:,} more than the context of "
            f"{limit:,}: use fewer frames or a shorter text"
        )


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
