"""Answer with a model that vLLM runs: `--model vllm:ORG/NAME` or `vllm:./folder`.

Prompts and frames are made as for `hf:`. The questions about a video are submitted together, and
the video has a digest as its name, so that vLLM's caches find it for all but the first of them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from transformers import AutoConfig, GenerationConfig
from vica.errors import InputError
from vica.hub import kind_of

from vicabench.adapters.blind import shown
from vicabench.adapters.checkpoints import identity
from vicabench.adapters.hf.adapter import WORDING, WORDINGS
from vicabench.adapters.hf.inputs import Inputs, Pixels
from vicabench.adapters.hf.model import (
    SAFE,
    check_family,
    frames_of,
    read_config,
    refused,
    small_files,
    with_weights,
)
from vicabench.adapters.sampling import sampling_of, seed_of
from vicabench.adapters.vllm.engine import EngineLostError, Facts, Running, interpreter
from vicabench.errors import ConfigError
from vicabench.harnesses.prompts import EXAMPLES, Asking, asking_of, known_wordings, vsi_bench
from vicabench.options import SAMPLING
from vicabench.types import AdapterContext, Answer, ModelOptions, Question, Spent, Video

LOG = logging.getLogger(__name__)
MOST_IMAGES = 4096
"""The images of a prompt, where a run's frames are not counted beforehand."""
FOREIGN = (
    *("no_repeat_ngram_size", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens"),
    *("forced_bos_token_id", "forced_eos_token_id", "sequence_bias", "min_length"),
    *("encoder_repetition_penalty", "exponential_decay_length_penalty"),
)
"""Settings of a checkpoint's generation_config.json that `hf:` honours and this adapter cannot."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sent:
    """Frames as the engine gets them, and how they are named and described."""

    pixels: Pixels
    header: Mapping[str, Any]


def sent(inputs: Inputs, video: Video, *, blind: bool) -> Sent:
    """Prepare the frames of a video, named by a digest of all that the model sees."""
    frames_THWC = shown(video.frames_THWC, blind=blind)
    pixels = inputs.pixels(frames_THWC, video.seconds, video.duration)
    whole_THWC = np.ascontiguousarray(pixels.frames_THWC)
    said = repr((pixels.clock, sorted(pixels.options.items()), whole_THWC.shape[1:])).encode()
    metadata = None
    if pixels.clock is None:
        names = [_digest(said, frame_HWC) for frame_HWC in whole_THWC]
    else:
        names = [_digest(said, whole_THWC)]
        metadata = {
            "fps": pixels.clock.fps,
            "duration": pixels.clock.duration,
            "total_num_frames": pixels.clock.total_num_frames,
            "frames_indices": list(pixels.clock.frames_indices or ()),
            "video_backend": "vicabench",
            "do_sample_frames": False,
        }
    header = {
        "shape": whole_THWC.shape,
        "metadata": metadata,
        "uuids": names,
        "options": dict(pixels.options),
    }
    return Sent(pixels=replace(pixels, frames_THWC=whole_THWC), header=header)


def _digest(said: bytes, frames: Any) -> str:
    state = hashlib.sha256(said)
    state.update(memoryview(frames).cast("B"))
    return state.hexdigest()


@dataclass(frozen=True, kw_only=True)
class VllmAdapter:
    """A model in vLLM and how it is asked.

    Attributes:
        ahead: Prepares the next videos in another thread, with its own processor.
        settings: All that can change an answer.
        notes: Warnings about the answers, logged once with the first video.
        unchecked: Not empty until the ids of a prompt were compared with the processor's.
    """

    running: Running
    inputs: Inputs
    ahead: Inputs
    options: ModelOptions
    generation: Mapping[str, Any]
    settings: Mapping[str, Any]
    device_name: str
    asking: Asking | None = None
    seed: int = 0
    notes: list[str] = field(default_factory=list)
    unchecked: list[bool] = field(default_factory=lambda: [True])
    needs_video: bool = True
    accepts_options: ClassVar[tuple[str, ...]] = (
        "dtype",
        "blind",
        "max_new_tokens",
        "wording",
        "system",
        "frames_as",
        "min_pixels",
        "max_pixels",
        "total_pixels",
        "assume_fps",
        "vllm_python",
        "tensor_parallel",
        "max_model_len",
        "gpu_memory",
        *SAMPLING,
    )

    @property
    def spent(self) -> Spent:
        """Seconds in the engine, and the tokens that it computed or found in its cache."""
        return Spent(seconds=dict(self.running.seconds), tokens=dict(self.running.tokens))

    @property
    def samples(self) -> bool:
        """Whether a second reply to a question can be another one."""
        return self.options.temperature > 0

    @property
    def stopped(self) -> str | None:
        """Why there is no engine any more."""
        return self.running.stopped

    def prepare(self, video: Video) -> Sent:
        """Resize and name the frames while another video is answered."""
        return sent(self.ahead, video, blind=self.options.blind)

    def answer(self, video: Video, questions: Sequence[Question]) -> list[Answer]:
        """Answer the questions about a video together; a failing one affects no other."""
        texts = [self._worded(video, question) for question in questions]
        return self._answers(video, texts, questions)

    def about(self, video: Video) -> Callable[[Sequence[str]], list[Answer]]:
        """A function that answers texts about a video, unchanged."""

        def ask(texts: Sequence[str]) -> list[Answer]:
            asked = [
                Question(id=str(n), video="", task="", text="", answer="")
                for n in range(len(texts))
            ]
            whole = [self.inputs.text(text, len(video.frames_THWC)) for text in texts]
            return self._answers(video, whole, asked)

        return ask

    def close(self) -> None:
        """End the engine; not needed at the end of a process."""
        if self.running.engine is not None:
            self.running.engine.close()
            self.running.engine = None

    def for_context(self, context: AdapterContext) -> VllmAdapter:
        """The same loaded model, asked about another benchmark."""
        asking = asking_of(context)
        self.inputs.worded(asking.wording if asking else None)
        prompt = asking.settings if asking else _own_prompt(self.inputs)
        return replace(
            self,
            options=context.options,
            asking=asking,
            seed=context.seed,
            settings={**self.settings, "prompt": prompt},
        )

    def _worded(self, video: Video, question: Question) -> str:
        text = self.asking.text(question, video) if self.asking else vsi_bench(question)
        return self._whole(text, video)

    def _whole(self, text: str, video: Video) -> str:
        """The whole prompt by the chat template."""
        frames = len(video.frames_THWC)
        if self.asking and self.asking.wording.before_frames:
            return self.inputs.text("", frames, before=text)
        return self.inputs.text(text, frames)

    def _answers(
        self, video: Video, texts: Sequence[str], questions: Sequence[Question]
    ) -> list[Answer]:
        while self.notes:
            LOG.warning("%s", self.notes.pop(0))
        seen = video.prepared or sent(self.inputs, video, blind=self.options.blind)
        prompts: list[dict[str, Any]] = []
        found: list[Answer | None] = []
        for text, question in zip(texts, questions, strict=True):
            try:
                ids = self.inputs.unexpanded(text, len(video.frames_THWC))
            except InputError as error:
                found.append(_failed(question, f"{type(error).__name__}: {error}"))
                continue
            found.append(None)
            prompts.append({"ids": ids, "sampling": self._sampling(question)})
        replies = self._replies(seen, prompts)
        self._compare(video, texts, found, replies)
        rest = iter(replies)
        return [
            each or self._answer(question, next(rest))
            for each, question in zip(found, questions, strict=True)
        ]

    def _replies(self, seen: Sent, prompts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The reply to each prompt; the errors of all, if there is no engine for them."""
        if not prompts:
            return []
        header = {**seen.header, "prompts": prompts, "prompt_ids": bool(self.unchecked)}
        before = self.running.seconds["answers"]
        try:
            replies = self.running.ask(header, seen.pixels.frames_THWC)
        except EngineLostError as error:
            LOG.error("%s", error.whole)  # noqa: TRY400  (the log says more than our trace)
            return [{"error": str(error)} for _ in prompts]
        share = (self.running.seconds["answers"] - before) / len(replies)
        return [{**each, "seconds": share} for each in replies]

    def _sampling(self, question: Question) -> dict[str, Any]:
        """The arguments of `SamplingParams`; nothing is left to the checkpoint."""
        if not self.options.temperature:
            return dict(self.generation)
        text = seed_of(self.seed, question).encode()
        return {**self.generation, "seed": int.from_bytes(hashlib.sha256(text).digest()[:7])}

    def _compare(
        self,
        video: Video,
        texts: Sequence[str],
        found: Sequence[Answer | None],
        replies: Sequence[Mapping[str, Any]],
    ) -> None:
        """Say once if the ids of a prompt are not those that `hf:` would have."""
        asked = [text for text, each in zip(texts, found, strict=True) if each is None]
        pairs = [p for p in zip(asked, replies, strict=True) if "prompt_ids" in p[1]]
        if not pairs or not self.unchecked:
            return
        self.unchecked.clear()
        text, reply = pairs[0]
        frames_THWC = shown(video.frames_THWC, blind=self.options.blind)
        before = text if self.asking and self.asking.wording.before_frames else ""
        seen = self.inputs.see(frames_THWC, video.seconds, video.duration, before=before)
        if self.inputs.tokens(seen, text).ids != tuple(reply["prompt_ids"]):
            LOG.warning(
                "vLLM's prompts have other tokens than those of hf: for the same frames, because "
                "its version of transformers differs: their answers can differ."
            )

    def _answer(self, question: Question, reply: Mapping[str, Any]) -> Answer:
        if "error" in reply:
            return _failed(question, reply["error"])
        tokenizer = self.inputs.processor.tokenizer
        return Answer(
            question_id=question.id,
            repeat=question.repeat,
            response=tokenizer.decode(reply["ids"], skip_special_tokens=True),
            seconds=reply["seconds"],
            prompt_tokens=reply["prompt_tokens"],
            new_tokens=len(reply["ids"]),
            stop=reply["stop"],
            usage={"cached_tokens": reply["cached"]},
        )


def _failed(question: Question, why: str) -> Answer:
    return Answer(question_id=question.id, repeat=question.repeat, error=f"vllm: {why}")


def build(argument: str, context: AdapterContext) -> VllmAdapter:
    """Start vLLM with the checkpoint that `argument` names.

    Raises:
        ConfigError: There is no vLLM, or it does not run this model.
    """
    if not argument:
        raise ConfigError("Say which checkpoint: --model vllm:ORG/NAME, or --model vllm:./folder")
    options, asking = context.options, asking_of(context)
    if asking is None and options.wording not in WORDINGS:
        raise ConfigError(
            f"vllm: models are asked as hf: ones: there is no --wording {options.wording}. Choose "
            f"one of {known_wordings(WORDINGS)}."
        )
    python = interpreter(options.vllm_python)
    small = small_files(argument)
    model_type = _model_type(small, argument)
    inputs, notes = frames_of(small, model_type, options)
    inputs.worded(asking.wording if asking else None)
    generation = _generation(_stated(small), options)
    folder = with_weights(argument, small)
    running = Running(python, _engine_options(folder, inputs, context))
    facts = running.open().facts
    prompt = asking.settings if asking else _own_prompt(inputs)
    return VllmAdapter(
        running=running,
        inputs=inputs,
        ahead=inputs.copy(),
        options=options,
        generation=generation,
        device_name=facts.device_name,
        asking=asking,
        seed=context.seed,
        notes=[*notes],
        settings={
            "checkpoint": dict(identity(folder)),
            "generation": generation,
            "prompt": prompt,
            **_settings(model_type, inputs, facts, options),
        },
    )


def _settings(
    model_type: str, inputs: Inputs, facts: Facts, options: ModelOptions
) -> dict[str, Any]:
    """What the model, its inputs and the engine say of themselves."""
    return {
        "family": "vllm",
        "model_type": model_type,
        "processor": type(inputs.processor).__name__,
        "versions": dict(facts.versions),
        "device": facts.device,
        "dtype": facts.dtype,
        "max_model_len": facts.max_model_len,
        "frames_as": "video" if inputs.as_video else "images",
        "frame_options": inputs.options,
        "blind": options.blind,
        **inputs.how.settings,
    }


def _model_type(folder: Path, spec: str) -> str:
    """The class of a checkpoint; ConfigError for one in a layout that is not transformers'."""
    config = read_config(folder, spec)
    stated = config.get("model_type")
    if stated == "internvl_chat":
        raise ConfigError(f"{spec} is in InternVL's original layout: run it with hf:{spec}")
    if kind_of(config) is not None:
        raise ConfigError(f"{spec} has its own adapter, and vLLM does not run it: leave out vllm:")
    return check_family(folder, spec)


def _engine_options(folder: Path, inputs: Inputs, context: AdapterContext) -> dict[str, Any]:
    """The arguments of `vllm.LLM`."""
    options = context.options
    images = 0 if inputs.as_video else context.frames or MOST_IMAGES
    given = {"max_model_len": options.max_model_len, "gpu_memory_utilization": options.gpu_memory}
    return {
        "model": str(folder.resolve()),
        "dtype": options.dtype,
        "load_format": "safetensors",
        "trust_remote_code": False,
        "generation_config": "vllm",  # ours is in each request
        "model_impl": "vllm",
        "enable_prefix_caching": True,
        "tensor_parallel_size": options.tensor_parallel,
        "limit_mm_per_prompt": {"video": int(inputs.as_video), "image": images},
        "seed": context.seed,
        **{name: value for name, value in given.items() if value is not None},
    }


def _stated(folder: Path) -> GenerationConfig:
    """The settings of generation that a checkpoint states."""
    with refused(folder):
        if (folder / "generation_config.json").is_file():
            return GenerationConfig.from_pretrained(folder)
        return GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder, **SAFE))


def _generation(stated: GenerationConfig, options: ModelOptions) -> dict[str, Any]:
    """The arguments of `SamplingParams` but the seed: those that `hf:` would decode with.

    Raises:
        ConfigError: The checkpoint states what vLLM has no setting for.
    """
    lacking = [name for name in FOREIGN if getattr(stated, name, None)]
    if lacking:
        raise ConfigError(
            f"generation_config.json sets {', '.join(lacking)}, for which vLLM has no setting of "
            "the same meaning: run the model with hf:"
        )
    sampling, ends = sampling_of(options), stated.eos_token_id
    penalty = sampling.repetition_penalty or stated.repetition_penalty
    return {
        "max_tokens": options.max_new_tokens,
        "min_tokens": stated.min_new_tokens or 0,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0 if penalty is None else penalty,
        "stop_token_ids": ends if isinstance(ends, list) else [] if ends is None else [ends],
        "ignore_eos": True,  # the tokenizer's, which the ones above may not have
        "detokenize": False,
    }


def _own_prompt(inputs: Inputs) -> dict[str, str]:
    prompts = [inputs.text(vsi_bench(example), frames=2) for example in EXAMPLES]
    return {"wording": WORDING, "sha256": hashlib.sha256("".join(prompts).encode()).hexdigest()}
