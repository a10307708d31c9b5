"""The text that a model is asked: one function per published wording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import ConfigError
from vicabench.harnesses.presets import harness_wordings
from vicabench.rubric import VSI, Rubric
from vicabench.types import AdapterContext, Question, Video
from vicabench.wording import Wording, filled, wording_of

NUMBER_ONLY = "Do not response anything other than a single number!"
"""Spelled as in the released code, for GPT and Gemini."""
EXAMPLES = tuple(
    Question(id="", video="", task="", text="{question}", answer="", options=options)
    for options in ((), ("A. {option}", "B. {option}"))
)
"""One question of each kind; the digest of their prompts identifies a wording."""


def vsi_bench(question: Question) -> str:
    """The wording of VSI-Bench for open models (arXiv 2412.14171, released code).

    A request for a description is used unchanged.
    """
    return _vsi_bench(question, "Please answer the question using a single word or phrase.")


def vsi_bench_api(question: Question) -> str:
    """The wording of VSI-Bench for GPT and Gemini, which asks for a number and nothing else."""
    return _vsi_bench(question, NUMBER_ONLY)


def stands_alone(question: Question) -> bool:
    """Whether the text of a question is the whole prompt: a request for a description."""
    return question.task == DESCRIPTION


def _vsi_bench(question: Question, numeric: str) -> str:
    if stands_alone(question):
        return question.text
    if question.options:
        ending = [
            "Options:",
            *question.options,
            "Answer with the option's letter from the given choices directly.",
        ]
    else:
        ending = [numeric]
    return "\n".join(["These are frames of a video.", question.text, *ending])


FILES = (".yaml", ".yml", ".json")
"""The ends of names of files with a wording."""
AUTO, BENCHMARK = "auto", "benchmark"
"""Values of `--wording`: the benchmark's own where it has one and else the adapter's default; the
benchmark's own."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The prompts of a benchmark that has its own."""

    wording: Wording
    rubric: Rubric = VSI

    def text(self, question: Question, video: Video) -> str:
        """The text that is asked beside the frames; a request for a description is unchanged."""
        if stands_alone(question):
            return question.text
        task = self.rubric.of_type[question.task]
        values = {
            "question": question.text,
            "options": "\n".join(question.options),
            "unit": task.unit,
            "frames": str(len(video.frames_THWC)),
            "seconds": str(round(video.duration, 2)),
        }
        return filled(self.wording.template(question.task, task.kind), values)

    @property
    def settings(self) -> dict[str, object]:
        """The wording as it belongs to a run's configuration."""
        text = json.dumps(self.wording.to_json(), sort_keys=True)
        return {
            "wording": f"{self.wording.name}: {self.wording.source}",
            "before_frames": self.wording.before_frames,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }


def asking_of(context: AdapterContext) -> Asking | None:
    """How the benchmark or a harness asks; None for the adapter's wording, or without one.

    Raises:
        ConfigError: For `--wording benchmark` with a benchmark that has none, or a question type
            without a template.
    """
    wording, chosen = context.benchmark.wording, context.options.wording
    if Path(chosen).suffix in FILES:
        return _checked(wording_in(Path(chosen)), context)
    if harness := harness_wordings().get(chosen):
        return _checked(harness, context)
    if chosen not in (AUTO, BENCHMARK) or (wording is None and chosen == AUTO):
        return None
    if wording is None:
        raise ConfigError(
            f"{context.benchmark.name} has no wording: leave out --wording {BENCHMARK}."
        )
    return _checked(wording, context)


def _checked(wording: Wording, context: AdapterContext) -> Asking:
    """The asking by a wording; DataError for a question type without a template."""
    for kind, task in context.benchmark.rubric.of_type.items():
        wording.template(kind, task.kind)
    return Asking(wording=wording, rubric=context.benchmark.rubric)


def wording_in(file: Path) -> Wording:
    """The wording in a file of YAML, or of JSON, which YAML includes.

    Raises:
        ConfigError: The file cannot be read, or is not YAML.
        DataError: It is not a wording.
    """
    import yaml  # noqa: PLC0415  (40 ms, for this option alone)

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--wording {file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"--wording {file} is not JSON or YAML: {reason}.") from None
    return wording_of(content, file.stem)


def known_wordings(own: Iterable[str]) -> str:
    """The names that `--wording` takes, with those of an adapter, for a message."""
    return ", ".join([*own, *harness_wordings()])
