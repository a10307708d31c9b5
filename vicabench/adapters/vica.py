"""ViCA, ViCA2, LLaVA and Cambrian-S: `--model nkkbr/ViCA2-50p`, `--model ./checkpoint`.

A video is encoded and prefilled once. All its questions are answered from that together, greedily,
in the wording of the models' own VSI-Bench evaluation.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from transformers.utils.logging import disable_progress_bar
from vica import (
    EncodedVideo,
    Predictor,
    Prompt,
    Reply,
    Sampling,
    ViCA,
    load_config,
    load_model,
    load_processor,
)
from vica.answering import both_ways, describe
from vica.chat import (
    PLACEHOLDER,
    prompt,
    split_reply,
    time_instruction,
    video_question,
    vsi_bench_question,
)
from vica.decoding import decoding_settings
from vica.errors import InputError
from vica.memory import is_memory_error, release
from vica.merging import Visual
from vica.processing import ViCAProcessor
from vica.sampling import GREEDY

from vicabench.adapters.blind import shown
from vicabench.adapters.checkpoints import identity, local_folder
from vicabench.adapters.devices import device_of, dtype_of, name_of
from vicabench.adapters.extras import explained
from vicabench.adapters.sampling import sampling_of, seed_of
from vicabench.errors import ConfigError, did_you_mean
from vicabench.harnesses.prompts import (
    AUTO,
    EXAMPLES,
    Asking,
    asking_of,
    known_wordings,
    stands_alone,
    vsi_bench,
)
from vicabench.options import local_names
from vicabench.types import AdapterContext, Agreement, Answer, ModelOptions, Question, Spent, Video

LOG = logging.getLogger(__name__)
_OWN = "ViCA's VSI-Bench evaluation"
FOREIGN = ("system", "frames_as", "min_pixels", "max_pixels", "total_pixels", "assume_fps")
"""Options without a meaning here: the checkpoint says how its frames and prompts are made."""
WORDINGS = {AUTO: _OWN, "vica": _OWN, "vsi-bench": "VSI-Bench's own"}


@dataclass(frozen=True, kw_only=True)
class ViCAAdapter:
    """A loaded model and how it is asked; `settings` is all that can change an answer."""

    predictor: Predictor
    options: ModelOptions
    settings: Mapping[str, Any]
    asking: Asking | None = None
    seed: int = 0
    sampling: Sampling = GREEDY
    needs_video: bool = True
    accepts_options: ClassVar[tuple[str, ...]] = tuple(
        name for name in local_names(ModelOptions) if name not in FOREIGN
    )

    @property
    def spent(self) -> Spent:
        """Seconds and tokens of the predictor's stages so far."""
        watch = self.predictor.spent
        return Spent(seconds=dict(watch.seconds), tokens=dict(watch.tokens))

    @property
    def samples(self) -> bool:
        """Whether a second reply to a question can be another one."""
        return self.sampling.temperature > 0

    @property
    def device_name(self) -> str:
        """The product name of a GPU and its attention kernel, or the type of another device."""
        name, kernel = name_of(self.predictor.model.device), self.predictor.kernel
        return f"{name}, attention by {kernel}" if kernel else name

    def prepare(self, video: Video) -> Visual | None:
        """Preprocess the frames, or grey ones in their place, for the encoders.

        Returns:
            None if memory is short while another video is answered; `answer` does it then.
        """
        try:
            return self._pixels(video)
        except Exception as error:
            if not is_memory_error(error):
                raise
        release(self.predictor.model.device)
        LOG.warning("Memory is short for preparing a video ahead: it is prepared in its turn")
        return None

    def _pixels(self, video: Video) -> Visual:
        frames_THWC = shown(video.frames_THWC, blind=self.options.blind)
        predictor = self.predictor
        return predictor.processor.video(frames_THWC, device=predictor.model.device)

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Yield one answer per question; a failing question affects no other.

        The questions are answered together from one prefill, so each is given an equal share of
        the time.
        """
        groups = [questions]
        if self.asking and self.asking.wording.before_frames:
            # The frames stand behind each question: only its repeats share a prefix.
            groups = [
                [q for q in questions if q.id == each] for each in {q.id: 0 for q in questions}
            ]
        for group in groups:
            yield from self._together(video, group)

    def _together(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        started = perf_counter()
        texts = self._prompts(video, questions)
        encoded = self.predictor.encode(self._visual(video), texts)
        prompts = [
            Prompt(text=text, seed=seed_of(self.seed, question))
            for text, question in zip(texts, questions, strict=True)
        ]
        replies = list(self._replies(encoded, prompts, [question.id for question in questions]))
        share = (perf_counter() - started) / len(questions)
        for question, reply in zip(questions, replies, strict=True):
            yield Answer(question_id=question.id, repeat=question.repeat, seconds=share, **reply)

    def for_context(self, context: AdapterContext) -> ViCAAdapter:
        """The same loaded model, asked about another benchmark.

        Raises:
            ConfigError, VicaError: For an unknown wording, or frames beyond its context.
        """
        asking, options = _asking(context), context.options
        model = self.predictor.model
        _check_context(model, self.predictor.processor, context)
        settings = {**self.settings, "prompt": _prompt_settings(model, options, asking)}
        return replace(self, options=options, asking=asking, settings=settings, seed=context.seed)

    def both_ways(self, video: Video, questions: Sequence[Question]) -> Iterator[Agreement]:
        """Answer each question from a shared prefill, and from its whole prompt by itself."""
        pairs = both_ways(
            self.predictor,
            self._visual(video),
            self._prompts(video, questions),
            max_new_tokens=self.options.max_new_tokens,
        )
        for question, both in zip(questions, pairs, strict=True):
            yield Agreement(
                question_id=question.id,
                shared=both.shared.text,
                alone=both.alone.text,
                difference=both.difference,
                parted=both.parted,
                margin=both.margin,
            )

    def about(self, video: Video) -> Callable[[Sequence[str]], list[Answer]]:
        """Encode a video and return a function that answers texts about it.

        Texts are asked in the form of the models' training on videos, unless the wording is that
        of VSI-Bench.

        Raises:
            ConfigError: For a video that does not fit in the context or in memory.
        """
        times = self._times(video)
        # Two texts with nothing in common, so that their shared prefix is that of all prompts.
        known = [self._free(text, times) for text in ("A", "b")]
        with explained():
            encoded = self.predictor.encode(self._visual(video), known)

        def ask(texts: Sequence[str]) -> list[Answer]:
            started = perf_counter()
            prompts = [self._free(text, times) for text in texts]
            replies = list(self._replies(encoded, [Prompt(text=each) for each in prompts], texts))
            share = (perf_counter() - started) / max(len(texts), 1)
            return [
                Answer(question_id=str(number), seconds=share, **reply)
                for number, reply in enumerate(replies)
            ]

        return ask

    def _free(self, text: str, times: str) -> str:
        """The prompt for a text that is not a question of a benchmark."""
        if self.options.wording in (AUTO, "vica"):
            return prompt(video_question(text, time_instruction=times))
        asked = Question(id="", video="", task="", text=text, answer="")
        return wording(asked, times, self.options.wording)

    def _visual(self, video: Video) -> Visual:
        return video.prepared if video.prepared is not None else self._pixels(video)

    def _prompts(self, video: Video, questions: Sequence[Question]) -> list[str]:
        times = self._times(video)
        if self.asking:
            return [_asked(self.asking, question, video, times) for question in questions]
        name = _wording_of(self.predictor.model, self.options)
        return [wording(question, times, name) for question in questions]

    def _times(self, video: Video) -> str:
        timed = self.options.time_instruction
        return time_instruction(video.duration, video.seconds) if timed else ""

    def _replies(
        self, encoded: EncodedVideo, prompts: Sequence[Prompt], names: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield the fields of each answer; if the batch fails, ask each question by itself."""
        limit, sampling = self.options.max_new_tokens, self.sampling
        failed = False
        try:
            yield from map(
                _fields,
                self.predictor.answer(encoded, prompts, max_new_tokens=limit, sampling=sampling),
            )
        except Exception as error:  # other questions of the batch may be answered all the same
            failed = True
            if len(prompts) == 1:
                LOG.exception("%s", names[0])
                yield {"error": f"vica: {type(error).__name__}: {error}"}
        if failed and len(prompts) > 1:
            for text, name in zip(prompts, names, strict=True):
                yield from self._replies(encoded, [text], [name])


def build(argument: str, context: AdapterContext) -> ViCAAdapter:
    """Load the checkpoint that `argument` names.

    Raises:
        ConfigError, VicaError: If it cannot be loaded, or the frames do not fit in its context.
    """
    if not argument:
        raise ConfigError("Say which checkpoint: --model nkkbr/ViCA2, or --model ./folder")
    options = context.options
    device, dtype = device_of(options.device), dtype_of(options.dtype)
    asking = _asking(context)
    if not sys.stderr.isatty():
        disable_progress_bar()  # a progress bar would clutter a log file
    folder = _checked_folder(argument, context.frames)
    model = load_model(folder, device=device, dtype=dtype, attention=options.attention)
    processor = load_processor(folder, model.config)
    sampling = sampling_of(options)
    _refuse_other_decoding(model, folder, options.max_new_tokens)
    _check_context(model, processor, context)
    predictor = Predictor(
        model,
        processor,
        group_size=options.group_size,
        vision_batch=options.vision_batch,
        compile=options.compile,
    )
    return ViCAAdapter(
        predictor=predictor,
        options=options,
        settings=_settings(model, options, identity(folder), asking),
        asking=asking,
        seed=context.seed,
        sampling=sampling,
    )


def _asking(context: AdapterContext) -> Asking | None:
    """How the benchmark itself asks, if it does; ConfigError for an unknown wording."""
    asking = asking_of(context)
    if not asking and context.options.wording not in WORDINGS:
        known, given = known_wordings(WORDINGS), context.options.wording
        near = did_you_mean(given, known.split(", "))
        raise ConfigError(f"There is no --wording {given}. Choose one of {known}.{near}")
    return asking


def _wording_of(model: ViCA, options: ModelOptions) -> str:
    """The name of the wording; VSI-Bench's own is the default of a LLaVA or Cambrian-S."""
    return "vsi-bench" if model.config.lineage and options.wording == AUTO else options.wording


def _check_context(model: ViCA, processor: ViCAProcessor, context: AdapterContext) -> None:
    """Raise VicaError if the frames and a short question do not fit in the model's context."""
    if context.frames:
        name = _wording_of(model, context.options)
        text = processor.tokens([wording(EXAMPLES[-1], "", name)])["input_ids"]
        model.config.layout.video(context.frames).check(text.shape[1])


def _refuse_other_decoding(model: ViCA, folder: Path, max_new_tokens: int) -> None:
    """Raise a ConfigError if the checkpoint has settings for decoding that are not supported."""
    try:
        decoding_settings(model, {"max_new_tokens": max_new_tokens})
    except InputError as error:
        raise ConfigError(
            f"{folder / 'generation_config.json'}: {error}. Remove that setting from the file."
        ) from error


def _checked_folder(spec: str, frames: int) -> Path:
    """The folder of a checkpoint with its weights.

    Before weights are downloaded, a checkpoint of another family is refused, and one whose context
    is too short for the frames.
    """
    small = local_folder(spec, weights=False)
    if frames:
        load_config(small).layout.video(frames).check()
    return local_folder(spec, commit=None if small == Path(spec) else small.name)


def wording(question: Question, times: str, name: str) -> str:
    """The whole prompt for a question; `times` is a time instruction, or empty."""
    if name == "vsi-bench" or stands_alone(question):
        return prompt(video_question(vsi_bench(question), time_instruction=times))
    return prompt(vsi_bench_question(question.text, question.options, time_instruction=times))


def _asked(asking: Asking, question: Question, video: Video, times: str) -> str:
    """The whole prompt for a question in its benchmark's wording."""
    text = asking.text(question, video)
    if asking.wording.before_frames and not stands_alone(question):
        return prompt(f"{text}\n{PLACEHOLDER}" + (f"\n{times}" if times else ""))
    return prompt(video_question(text, time_instruction=times))


def _settings(
    model: ViCA, options: ModelOptions, checkpoint: Mapping[str, str], asking: Asking | None
) -> dict[str, object]:
    return {
        **describe(model, max_new_tokens=options.max_new_tokens),
        "family": model.config.family_name,
        "thinking": model.config.thinking,
        "checkpoint": dict(checkpoint),
        "device": model.device.type,
        "prompt": _prompt_settings(model, options, asking),
        "time_instruction": options.time_instruction,
        "blind": options.blind,
        **({"sampling": options.sampling} if options.sampling else {}),
    }


def _prompt_settings(
    model: ViCA, options: ModelOptions, asking: Asking | None
) -> Mapping[str, object]:
    if asking:
        return asking.settings
    name = _wording_of(model, options)
    return {"wording": WORDINGS[name], "sha256": _prompt_digest(options, name)}


def _prompt_digest(options: ModelOptions, name: str) -> str:
    """SHA-256 of the prompts for an example of each kind of question."""
    times = time_instruction(2.0, (0.0, 1.0)) if options.time_instruction else ""
    prompts = [wording(example, times, name) for example in EXAMPLES]
    return hashlib.sha256("".join(prompts).encode()).hexdigest()


def _fields(reply: Reply) -> dict[str, Any]:
    return {
        "response": reply.text,
        "parts": _parts(reply.raw),
        "prompt_tokens": reply.prompt_tokens,
        "new_tokens": reply.new_tokens,
        "stop": reply.stop,
    }


def _parts(raw: str) -> dict[str, str] | None:
    """The existing parts of a reply by a Thinking model; None for any other reply."""
    thinking = split_reply(raw)
    if thinking is None:
        return None
    return {name: part for name, part in asdict(thinking).items() if part is not None}
