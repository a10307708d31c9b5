"""`--model hf:ORG/NAME` or `hf:./folder`: any video model of transformers answers questions."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from time import perf_counter
from typing import Any, ClassVar

from transformers.utils.logging import disable_progress_bar
from vica.errors import MemoryShortError
from vica.predictor import is_memory_error, release

from vicabench.adapters.checkpoints import identity
from vicabench.adapters.devices import name_of, shown
from vicabench.adapters.extras import explained
from vicabench.adapters.hf.inputs import Inputs, Seen
from vicabench.adapters.hf.model import Opened, open_model
from vicabench.adapters.hf.reading import Encoded, Reader, Reply
from vicabench.errors import ConfigError
from vicabench.harnesses.prompts import vsi_bench
from vicabench.types import AdapterContext, Agreement, Answer, ModelOptions, Question, Spent, Video


def agreement(question_id: str, shared: Reply, alone: Reply) -> Agreement:
    """Both replies to one question compared, by ids and, as long as they go together, by logits."""
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
WORDINGS = (ModelOptions().wording, "vsi-bench")
"""The adapter's own, if none is given, is that of VSI-Bench."""
EXAMPLES = tuple(
    Question(id="", video="", task="", text="{question}", answer="", options=options)
    for options in ((), ("A. {option}", "B. {option}"))
)
"""One of each kind, to identify a prompt by."""
NOTES = ("transformers_version", "_from_model_config", "max_time")
"""In a generation configuration, but without a bearing on answers."""


@dataclass(frozen=True, kw_only=True)
class HFAdapter:
    """A loaded model and how it is asked; `settings` is all that can change an answer.

    `ahead` prepares later videos in another thread, and has a tokenizer of its own for that.
    `notes` are told once, with the first video: what a reader of the answers has to know.
    """

    reader: Reader
    ahead: Inputs
    options: ModelOptions
    settings: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)
    needs_video: bool = True
    accepts_options: ClassVar[tuple[str, ...]] = (
        "device",
        "dtype",
        "attention",
        "blind",
        "max_new_tokens",
        "wording",
    )

    @property
    def spent(self) -> Spent:
        """Seconds and tokens of the reader's stages so far."""
        watch = self.reader.spent
        return Spent(seconds=dict(watch.seconds), tokens=dict(watch.tokens))

    @property
    def device_name(self) -> str:
        """The device as its maker calls it, or its type."""
        return name_of(self.reader.model.device)

    def prepare(self, video: Video) -> Seen:
        """The pixels of the frames, or of grey ones in their place, as the processor makes them."""
        return self._see(video, self.ahead)

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """One answer per question; a failing question fails alone.

        The time for encoding the video is shared out evenly among its questions.
        """
        self._say_notes()
        started = perf_counter()
        texts = [self._text(video, vsi_bench(question)) for question in questions]
        encoded = self._encode(video, texts)
        share = (perf_counter() - started) / len(questions)
        for question, text in zip(questions, texts, strict=True):
            yield self._answered(encoded, text, question.id, share)

    def about(self, video: Video) -> Callable[[Sequence[str]], list[Answer]]:
        """Encode a video and give back what answers any texts about it, as often as it is asked.

        A text is asked as it is, not in a benchmark's wording. ConfigError for a video that does
        not fit in the context or in memory.
        """
        self._say_notes()
        # Two texts with nothing in common: the prefix is what any two prompts share.
        with explained():
            encoded = self._encode(video, [self._text(video, text) for text in ("A", "b")])

        def ask(texts: Sequence[str]) -> list[Answer]:
            return [
                self._answered(encoded, self._text(video, text), str(number), 0.0)
                for number, text in enumerate(texts)
            ]

        return ask

    def _say_notes(self) -> None:
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

    def _answered(self, encoded: Encoded, text: str, name: str, share: float) -> Answer:
        """The answer to one prompt, or the error that came of it."""
        started = perf_counter()
        try:
            reply = self.reader.answer(encoded, text)
        except Exception as error:  # whatever it is, the other questions can be answered
            LOG.exception("%s", name)
            if is_memory_error(error):
                release(self.reader.model.device)
            return Answer(question_id=name, error=f"hf: {type(error).__name__}: {error}")
        return _answer(reply, name, share + perf_counter() - started)


class SharingAdapter(HFAdapter):
    """A model whose prefill is shared by the questions about a video, which can be verified."""

    def both_ways(self, video: Video, questions: Sequence[Question]) -> Iterator[Agreement]:
        """Each question answered from a shared prefill, and by its whole prompt alone."""
        self._say_notes()
        texts = [self._text(video, vsi_bench(question)) for question in questions]
        encoded = self._encode(video, texts)
        whole = self._encode(video, ())
        for question, text in zip(questions, texts, strict=True):
            shared = self.reader.answer(encoded, text, keep_logits=True)
            alone = self.reader.answer(whole, text, keep_logits=True)
            yield agreement(question.id, shared, alone)


def build(argument: str, context: AdapterContext) -> HFAdapter:
    """Load the checkpoint that `argument` names; ConfigError if it cannot be."""
    if not argument:
        raise ConfigError("Say which checkpoint: --model hf:ORG/NAME, or --model hf:./folder")
    if context.options.wording not in WORDINGS:
        raise ConfigError(f"hf: models are asked in {WORDING} wording: leave out --wording.")
    if not sys.stderr.isatty():
        disable_progress_bar()  # a log file has no use for it
    opened, folder = open_model(argument, context.options)
    return adapter_around(opened, context.options, identity(folder), (HFAdapter, SharingAdapter))


def adapter_around(
    opened: Opened,
    options: ModelOptions,
    checkpoint: Mapping[str, str],
    kinds: tuple[type[HFAdapter], type[HFAdapter]],
) -> HFAdapter:
    """The adapter around a loaded model; `checkpoint` says which weights it has.

    It is of the second of the `kinds` if the prefill of a video is shared, else of the first.
    """
    reader = Reader(opened.model, opened.inputs, max_new_tokens=options.max_new_tokens)
    notes = [] if reader.why is None else [_fallback(reader)]
    return kinds[reader.shares](
        reader=reader,
        ahead=opened.inputs.copy(),
        options=options,
        settings=_settings(opened, reader, options, checkpoint),
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
        "prompt": {"wording": WORDING, "sha256": _prompt_digest(inputs)},
        "blind": options.blind,
    }


def _prompt_digest(inputs: Inputs) -> str:
    """SHA-256 of the prompts for an example of each kind of question."""
    prompts = [inputs.text(vsi_bench(example), frames=2) for example in EXAMPLES]
    return hashlib.sha256("".join(prompts).encode()).hexdigest()


def _answer(reply: Reply, name: str, seconds: float) -> Answer:
    return Answer(
        question_id=name,
        response=reply.text,
        seconds=seconds,
        prompt_tokens=reply.prompt_tokens,
        new_tokens=len(reply.ids),
        stop=reply.stop,
    )
