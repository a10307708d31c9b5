"""Answer with any video model of transformers: `--model hf:ORG/NAME` or `hf:./folder`."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from time import perf_counter
from typing import Any, ClassVar

from transformers.utils.logging import disable_progress_bar
from vica.errors import MemoryShortError
from vica.memory import in_groups, is_memory_error, release

from vicabench.adapters.blind import shown
from vicabench.adapters.checkpoints import identity
from vicabench.adapters.devices import name_of
from vicabench.adapters.extras import explained
from vicabench.adapters.hf import places
from vicabench.adapters.hf.inputs import Inputs, Seen, Tokens
from vicabench.adapters.hf.model import Opened, open_model
from vicabench.adapters.hf.reading import Encoded, Reader, Reply
from vicabench.adapters.sampling import sampling_of, seed_of
from vicabench.errors import ConfigError
from vicabench.harnesses.prompts import (
    AUTO,
    BENCHMARK,
    EXAMPLES,
    Asking,
    asking_of,
    known_wordings,
    vsi_bench,
)
from vicabench.options import SAMPLING
from vicabench.types import AdapterContext, Agreement, Answer, ModelOptions, Question, Spent, Video


def agreement(question_id: str, shared: Reply, alone: Reply) -> Agreement:
    """Compare two replies to one question by ids and, up to the first difference, by logits."""
    pairs = enumerate(zip_longest(shared.ids, alone.ids))
    parted = next((step for step, (a, b) in pairs if a != b), None)
    together = len(alone.ids) if parted is None else parted + 1
    steps = zip(shared.logits[:together], alone.logits[:together], strict=False)
    margin = None
    if parted is not None and parted < len(alone.logits):
        best, second = alone.logits[parted].topk(2).values.tolist()
        margin = best - second
    return Agreement(
        question_id=question_id,
        shared=shared.text,
        alone=alone.text,
        difference=max(float((ours_V - theirs_V).abs().max()) for ours_V, theirs_V in steps),
        parted=parted,
        margin=margin,
    )


LOG = logging.getLogger(__name__)
WORDING = "VSI-Bench's own"
WORDINGS = (AUTO, BENCHMARK, "vsi-bench")
"""Accepted values of `--wording`."""
NOTES = ("transformers_version", "_from_model_config", "max_time")
"""Entries of a generation configuration that do not change answers."""


@dataclass(frozen=True, kw_only=True)
class HFAdapter:
    """A loaded model and how it is asked.

    Attributes:
        ahead: Prepares the next videos in another thread, with its own tokenizer.
        settings: All that can change an answer.
        notes: Warnings about the answers, logged once with the first video.
    """

    reader: Reader
    ahead: Inputs
    options: ModelOptions
    settings: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)
    asking: Asking | None = None
    seed: int = 0
    needs_video: bool = True
    accepts_options: ClassVar[tuple[str, ...]] = (
        "device",
        "dtype",
        "attention",
        "blind",
        "max_new_tokens",
        "wording",
        "system",
        "frames_as",
        "min_pixels",
        "max_pixels",
        "total_pixels",
        "assume_fps",
        *SAMPLING,
    )

    @property
    def spent(self) -> Spent:
        """Seconds and tokens of the reader's stages so far."""
        watch = self.reader.spent
        return Spent(seconds=dict(watch.seconds), tokens=dict(watch.tokens))

    @property
    def samples(self) -> bool:
        """Whether a second reply to a question can be another one."""
        return self.reader.sampling.temperature > 0

    @property
    def device_name(self) -> str:
        """The product name of a GPU, or the type of another device."""
        return name_of(self.reader.model.device)

    def prepare(self, video: Video) -> Seen:
        """Process the frames, or grey ones in their place, for the model."""
        return self._see(video, self.ahead)

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Yield one answer per question; a failing question affects no other.

        Each question is given an equal share of the time for encoding the video.
        """
        self._log_notes()
        if self.asking and self.asking.wording.before_frames:
            yield from self._answer_behind(self.asking, video, questions)
            return
        started = perf_counter()
        texts = [self._text(video, self._worded(video, question)) for question in questions]
        encoded = self._encode(video, texts)
        share = (perf_counter() - started) / len(questions)
        yield from self._answers(encoded, texts, questions, share)

    def about(self, video: Video) -> Callable[[Sequence[str]], list[Answer]]:
        """Encode a video and return a function that answers texts about it.

        Texts are asked unchanged, not in a benchmark's wording.

        Raises:
            ConfigError: For a video that does not fit in the context or in memory.
        """
        self._log_notes()
        # Two texts with nothing in common, so that their shared prefix is that of all prompts.
        with explained():
            encoded = self._encode(video, [self._text(video, text) for text in ("A", "b")])

        def ask(texts: Sequence[str]) -> list[Answer]:
            whole = [self._text(video, text) for text in texts]
            return list(self._answers(encoded, whole, [_plain(n) for n in range(len(texts))], 0.0))

        return ask

    def for_context(self, context: AdapterContext) -> HFAdapter:
        """The same loaded model, asked about another benchmark."""
        asking = asking_of(context)
        prompt = asking.settings if asking else _own_prompt(self.reader.inputs)
        settings = {**self.settings, "prompt": prompt}
        return replace(
            self,
            options=context.options,
            asking=asking,
            seed=context.seed,
            settings=settings,
            notes=[],
        )

    def _worded(self, video: Video, question: Question) -> str:
        return self.asking.text(question, video) if self.asking else vsi_bench(question)

    def _answer_behind(
        self, asking: Asking, video: Video, questions: Sequence[Question]
    ) -> Iterator[Answer]:
        """Yield one answer per question whose text stands before the frames.

        Only the repeats of a question share its prefill.
        """
        frames_THWC = shown(video.frames_THWC, blind=self.options.blind)
        inputs = self.reader.inputs
        for one in {question.id: question for question in questions}.values():
            repeats = [question for question in questions if question.id == one.id]
            started = perf_counter()
            text = asking.text(one, video)
            seen = inputs.see(frames_THWC, video.seconds, video.duration, before=text)
            whole = inputs.text("", len(frames_THWC), before=text)
            encoded = self.reader.encode(seen, [whole] if len(repeats) > 1 else ())
            share = (perf_counter() - started) / len(repeats)
            yield from self._answers(encoded, [whole] * len(repeats), repeats, share)

    def _log_notes(self) -> None:
        while self.notes:
            LOG.warning("%s", self.notes.pop(0))

    def _see(self, video: Video, inputs: Inputs) -> Seen:
        frames_THWC = shown(video.frames_THWC, blind=self.options.blind)
        return inputs.see(frames_THWC, video.seconds, video.duration)

    def _text(self, video: Video, question: str) -> str:
        return self.reader.inputs.text(question, len(video.frames_THWC))

    def _encode(self, video: Video, texts: Sequence[str]) -> Encoded:
        seen = video.prepared or self._see(video, self.reader.inputs)
        try:
            return self.reader.encode(seen, texts)
        except Exception as error:
            if is_memory_error(error):
                raise MemoryShortError(
                    "there is no memory to encode this video: use fewer frames, a smaller dtype "
                    "or a larger device"
                ) from error
            raise

    def _answers(
        self, encoded: Encoded, texts: Sequence[str], questions: Sequence[Question], share: float
    ) -> Iterator[Answer]:
        """Yield the answer to each prompt, or an error record, in order.

        Args:
            share: Seconds that were spent for each of the prompts before.
        """
        found: dict[int, Tokens | Answer] = {}
        for index, (text, question) in enumerate(zip(texts, questions, strict=True)):
            try:
                found[index] = self.reader.prompt(encoded, text)
            except Exception as error:  # the other questions may be answered all the same
                found[index] = _failed(error, question)
        asked = [index for index, each in found.items() if isinstance(each, Tokens)]

        def ask(rows: range) -> list[Answer]:
            some = [asked[row] for row in rows]
            prompts = [each for i in some if isinstance(each := found[i], Tokens)]
            return self._group(encoded, prompts, [questions[i] for i in some], share)

        size = 1 if encoded.prefix is None else self.options.group_size
        groups = in_groups(len(asked), size, ask, self.reader.model.device)
        answered = (answer for group in groups for answer in group)
        for each in found.values():
            yield each if isinstance(each, Answer) else next(answered)

    def _group(
        self,
        encoded: Encoded,
        prompts: Sequence[Tokens],
        questions: Sequence[Question],
        share: float,
    ) -> list[Answer]:
        """The answers to some prompts together; if that fails, to each by itself."""
        started, count = perf_counter(), len(questions)
        seeds = [seed_of(self.seed, question) for question in questions]
        try:
            replies = self.reader.answer(encoded, prompts, seeds)
        except Exception as error:
            if is_memory_error(error) and count > 1:
                raise  # a smaller group is tried
            if count == 1:
                release(self.reader.model.device)
                return [_failed(error, questions[0])]
            LOG.warning("%d questions together failed, each is asked alone: %s", count, error)
        else:
            took = share + (perf_counter() - started) / count
            return [_answer(r, q, took) for r, q in zip(replies, questions, strict=True)]
        pairs = zip(prompts, questions, strict=True)
        return [answer for p, q in pairs for answer in self._group(encoded, [p], [q], share)]


def _failed(error: Exception, question: Question) -> Answer:
    LOG.error("%s", question.id, exc_info=error)
    why = f"hf: {type(error).__name__}: {error}"
    return Answer(question_id=question.id, repeat=question.repeat, error=why)


class SharingAdapter(HFAdapter):
    """Shares the prefill among the questions about a video, which `verify` can check."""

    accepts_options: ClassVar[tuple[str, ...]] = (*HFAdapter.accepts_options, "group_size")

    def both_ways(self, video: Video, questions: Sequence[Question]) -> Iterator[Agreement]:
        """Answer each question from a shared prefill, and from its whole prompt by itself."""
        self._log_notes()
        texts = [self._text(video, self._worded(video, question)) for question in questions]
        encoded = self._encode(video, texts)
        prompts = [self.reader.prompt(encoded, text) for text in texts]

        def ask(rows: range) -> list[Reply]:
            some = prompts[rows.start : rows.stop]
            return self.reader.answer(encoded, some, keep_logits=True)

        size, device = self.options.group_size, self.reader.model.device
        groups = in_groups(len(prompts), size if encoded.prefix else 0, ask, device)
        replies = [reply for group in groups for reply in group]
        whole = self._encode(video, ())
        for question, prompt, shared in zip(questions, prompts, replies, strict=True):
            (alone,) = self.reader.answer(whole, [prompt], keep_logits=True)
            yield agreement(question.id, shared, alone)


def build(argument: str, context: AdapterContext) -> HFAdapter:
    """Load the checkpoint that `argument` names; ConfigError if it cannot be loaded."""
    if not argument:
        raise ConfigError("Say which checkpoint: --model hf:ORG/NAME, or --model hf:./folder")
    if asking_of(context) is None and context.options.wording not in WORDINGS:
        raise ConfigError(
            f"hf: models are asked in the benchmark's wording, in {WORDING} or in that of a "
            f"harness: there is no --wording {context.options.wording}. Choose one of "
            f"{known_wordings(WORDINGS)}."
        )
    if not sys.stderr.isatty():
        disable_progress_bar()  # a progress bar would clutter a log file
    opened, folder = open_model(argument, context.options)
    return adapter_around(opened, context, identity(folder), (HFAdapter, SharingAdapter))


def adapter_around(
    opened: Opened,
    context: AdapterContext,
    checkpoint: Mapping[str, str],
    kinds: tuple[type[HFAdapter], type[HFAdapter]],
) -> HFAdapter:
    """Make the adapter around a loaded model.

    Args:
        checkpoint: Identifies the weights.
        kinds: The class of the adapter without and with a shared prefill.
    """
    options, asking = context.options, asking_of(context)
    opened.inputs.worded(asking.wording if asking else None)
    reader = Reader(
        opened.model,
        opened.inputs,
        max_new_tokens=options.max_new_tokens,
        sampling=sampling_of(options),
    )
    notes = [] if reader.why is None else [_fallback(reader)]
    return kinds[reader.shares](
        reader=reader,
        ahead=opened.inputs.copy(),
        options=options,
        settings=_settings(opened, reader, options, checkpoint)
        | ({"prompt": asking.settings} if asking else {}),
        asking=asking,
        seed=context.seed,
        notes=[*opened.notes, *notes],
    )


def _fallback(reader: Reader) -> str:
    vision = "" if reader.vision_once else ", and its vision tower sees the frames again"
    return (
        f"Fallback: each question's prefill reads the whole video again{vision}, because "
        f"{reader.why}"
    )


def _settings(
    opened: Opened, reader: Reader, options: ModelOptions, checkpoint: Mapping[str, str]
) -> dict[str, Any]:
    model, inputs = opened.model, opened.inputs
    stated = {
        **reader.settings.to_diff_dict(),
        "repetition_penalty": model.generation_config.repetition_penalty,
    }
    return {
        "family": "transformers",
        "model_type": model.config.model_type,
        "class": type(model).__name__,
        "processor": type(inputs.processor).__name__,
        "checkpoint": dict(checkpoint),
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
        "frames_as": "video" if inputs.as_video else "images",
        "frame_options": inputs.options,
        "prefill": f"for each question: {reader.why}" if reader.why else "once a video",
        "vision": "once a video" if reader.vision_once else "for each question",
        "generation": {name: value for name, value in stated.items() if name not in NOTES},
        "prompt": _own_prompt(inputs),
        "blind": options.blind,
        **inputs.how.settings,
        **({"positions": places.SAID} if opened.corrected else {}),
        **({"sampling": options.sampling} if options.sampling else {}),
    }


def _own_prompt(inputs: Inputs) -> dict[str, str]:
    return {"wording": WORDING, "sha256": _prompt_digest(inputs)}


def _prompt_digest(inputs: Inputs) -> str:
    """SHA-256 of the prompts for an example of each kind of question."""
    prompts = [inputs.text(vsi_bench(example), frames=2) for example in EXAMPLES]
    return hashlib.sha256("".join(prompts).encode()).hexdigest()


def _plain(number: int) -> Question:
    """The question about a text that is not one of a benchmark."""
    return Question(id=str(number), video="", task="", text="", answer="")


def _answer(reply: Reply, question: Question, seconds: float) -> Answer:
    return Answer(
        question_id=question.id,
        repeat=question.repeat,
        response=reply.text,
        seconds=seconds,
        prompt_tokens=reply.prompt_tokens,
        new_tokens=len(reply.ids),
        stop=reply.stop,
    )
