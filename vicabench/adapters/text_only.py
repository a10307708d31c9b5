"""`--text-only`: models asked without the video, to see what their language alone can answer.

The questions keep the wording that they have with frames, which speaks of a video: only the frames
are left out, as in the text-only runs of the Test-set Stress-Test (arXiv 2511.04655).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from time import perf_counter
from typing import Any, ClassVar, Protocol

import torch
from vica import ViCA, load_model, load_processor
from vica.chat import prompt
from vica.generation import settled
from vica.hub import kind_of, read_config

from vicabench.adapters.api.account import Account, CallError, Completion, Usage
from vicabench.adapters.checkpoints import identity, local_folder
from vicabench.adapters.devices import device_of, dtype_of
from vicabench.adapters.text import API_OPTIONS, LOCAL_OPTIONS, MODELS, text_model
from vicabench.errors import ConfigError, UserError
from vicabench.harnesses.prompts import (
    AUTO,
    EXAMPLES,
    Asking,
    asking_of,
    vsi_bench,
    vsi_bench_api,
)
from vicabench.types import AdapterContext, Answer, ModelOptions, Question, Video

OURS = ("text_only", "wording", "max_new_tokens")
WORDING = "VSI-Bench's own"


class Completes(Protocol):
    """A language model; see `vicabench.adapters.text.TextModel`."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply besides the prompt."""

    @property
    def concurrency(self) -> int:
        """How many prompts it completes at once."""

    @property
    def account(self) -> Account | None:
        """The counts of all calls; None for a local model."""

    def complete(self, prompt: str, max_new_tokens: int) -> Completion:
        """The reply to a prompt."""


@dataclass(frozen=True, kw_only=True)
class TextOnly:
    """A language model that is asked the questions alone; it never opens a video."""

    model: Completes
    options: ModelOptions
    settings: Mapping[str, Any]
    asking: Asking | None
    numbers_only: bool
    accepts_options: tuple[str, ...]
    opened: ExitStack
    needs_video: ClassVar[bool] = False
    samples: ClassVar[bool] = False

    @property
    def calls(self) -> dict[str, Any] | None:
        """The counts of all calls of an API so far."""
        return None if self.model.account is None else self.model.account.record()

    @property
    def stopped(self) -> str | None:
        """Why an API is asked no more questions; None while there is no reason."""
        error = self.model.account and self.model.account.stopped
        return str(error) if error else None

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Yield one answer per question; a failing question affects no other."""
        texts = [self._text(video, question) for question in questions]
        with ThreadPoolExecutor(self.model.concurrency) as pool:
            yield from pool.map(self._answer, questions, texts)

    def _text(self, video: Video, question: Question) -> str:
        if self.asking:
            return self.asking.text(question, video)
        return vsi_bench_api(question) if self.numbers_only else vsi_bench(question)

    def _answer(self, question: Question, text: str) -> Answer:
        started = perf_counter()
        try:
            reply = self.model.complete(text, self.options.max_new_tokens)
        except UserError:
            raise
        except Exception as error:  # the other questions may be answered all the same
            kind = "" if isinstance(error, CallError) else f"text only: {type(error).__name__}: "
            why = f"{kind}{error}"
            return Answer(question_id=question.id, repeat=question.repeat, error=why)
        return Answer(
            question_id=question.id,
            repeat=question.repeat,
            response=reply.text,
            seconds=perf_counter() - started,
            prompt_tokens=reply.usage.prompt_tokens,
            new_tokens=reply.usage.new_tokens,
            stop=reply.stop or None,
        )


def build(spec: str, context: AdapterContext) -> TextOnly:
    """Open the model that `spec` names, without its eyes.

    Raises:
        ConfigError: For a model that cannot be asked without frames, or an option that it has no
            use for.
    """
    options = context.options
    kind, asking = spec.partition(":")[0], asking_of(context)
    if asking is None and options.wording not in (AUTO, "benchmark", "vsi-bench"):
        raise ConfigError(
            f"--text-only asks in the benchmark's wording, in {WORDING} or in that of a harness: "
            "leave out --wording."
        )
    of_api = kind in MODELS and kind != "hf"
    plain: dict[str, Any] = {f.name: f.default for f in fields(ModelOptions) if f.name in OURS}
    opened = ExitStack()  # open as long as the process
    model = _opened(spec, replace(options, **plain), context.seed, opened)
    return TextOnly(
        model=model,
        options=options,
        settings={
            "text_only": True,
            **model.settings,
            "max_new_tokens": options.max_new_tokens,
            "prompt": asking.settings if asking else _prompt(of_api),
        },
        asking=asking,
        numbers_only=of_api,
        opened=opened,
        accepts_options=(*OURS, *(API_OPTIONS if of_api else LOCAL_OPTIONS)),
    )


def _prompt(of_api: bool) -> dict[str, str]:
    texts = "".join((vsi_bench_api if of_api else vsi_bench)(example) for example in EXAMPLES)
    return {"wording": WORDING, "sha256": hashlib.sha256(texts.encode()).hexdigest()}


def _opened(spec: str, options: ModelOptions, seed: int, opened: ExitStack) -> Completes:
    if spec.partition(":")[0] in MODELS:
        return opened.enter_context(text_model(spec, options, seed=seed))
    argument = spec.removeprefix("vica:")
    kind = kind_of(read_config(local_folder(argument, weights=False), argument))
    if kind is None:
        raise ConfigError(
            f"--model {spec} cannot be asked without frames: name a ViCA checkpoint, hf:ORG/NAME, "
            "openai:NAME, gemini:NAME or anthropic:NAME, or leave out --text-only."
        )
    folder = local_folder(argument)
    device, dtype = device_of(options.device), dtype_of(options.dtype)
    loaded = load_model(folder, device=device, dtype=dtype, attention=options.attention)
    return LanguageOfViCA(
        model=loaded,
        processor=load_processor(folder, loaded.config),
        settings={
            "model_type": kind,
            "checkpoint": dict(identity(folder)),
            "device": loaded.device.type,
            "dtype": str(loaded.dtype).removeprefix("torch."),
            "attention": options.attention,
            "decoding": "greedy",
        },
    )


@dataclass(frozen=True, kw_only=True)
class LanguageOfViCA:
    """The language model of a ViCA checkpoint, decoded greedily, one prompt at a time."""

    model: ViCA
    processor: Any
    settings: Mapping[str, Any]
    concurrency: int = 1
    account: None = None

    @torch.no_grad()
    def complete(self, prompt_text: str, max_new_tokens: int) -> Completion:
        """The reply to a user's turn without a video."""
        ids_BS = self.processor.tokens([prompt(prompt_text)])["input_ids"].to(self.model.device)
        how, scoring, _ = settled(
            self.model.generation_config,
            {"max_new_tokens": max_new_tokens},
            self.model.vocabulary,
        )
        new = self.model.generate(ids_BS, generation_config=how, logits_processor=scoring)[0]
        text = str(self.processor.tokenizer.decode(new, skip_special_tokens=True)).strip()
        usage = Usage(prompt_tokens=ids_BS.shape[1], new_tokens=len(new))
        stop = "length" if len(new) == max_new_tokens else "eos"
        return Completion(text=text, stop=stop, usage=usage)
