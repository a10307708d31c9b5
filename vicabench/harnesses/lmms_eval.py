"""lmms-eval: how it grades, and the samples it logs.

Reasoning between closed tags is removed, then the first number counts; letters are read as by the
official protocol. Two cases, in text that no model writes, are simpler than in lmms-eval: tags
that only appear once others are removed stay in, and numbers beyond any float are unreadable
instead of an error. `--log_samples` writes samples to `DATE_samples_TASK.jsonl`; model and
version are in `DATE_results.json` beside that file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vicabench.harnesses import official
from vicabench.harnesses.protocols import Protocol, first_yes_or_no, whole_text
from vicabench.harnesses.reading.numbers import NUMBER_WORDS, value_of_words
from vicabench.harnesses.rows import Record, Source, each, frames_in, json_lines, without_secrets
from vicabench.harnesses.samples import SUBSETS, as_object, only_file, results_in, sample

TAGS = (("<think>", "</think>"), ("<analysis>", "</analysis>"))
DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
WORDS = re.compile(r"[a-z]+")


def read_number(reply: str, _unit: str) -> float | None:
    """The first number, in digits or in English words, whichever starts first."""
    text = without_reasoning(reply).lower()
    digits = DIGITS.search(text)
    start, words = _first_words(text)
    if digits and (not words or digits.start() < start):
        return float(digits[0])
    return value_of_words(words) if words else None


def read_choice(reply: str, options: Sequence[str]) -> str | None:
    """The first word after the reasoning is removed, if it is a single letter."""
    return official.read_choice(without_reasoning(reply), options)


def without_reasoning(reply: str) -> str:
    """The reply without the text between reasoning tags, stripped.

    If there is only a closing tag, because the prompt held the opening one, the text after the
    last closing tag. An opening tag that is never closed changes nothing.
    """
    for opening, closing in TAGS:
        outside, place = [], 0
        while (start := reply.find(opening, place)) >= 0:
            end = reply.find(closing, start)
            if end < 0:
                break
            outside.append(reply[place:start])
            place = end + len(closing)
        reply = "".join(outside) + reply[place:]
        if opening not in reply:
            reply = reply.rpartition(closing)[2]
    return reply.strip()


def _first_words(text: str) -> tuple[int, list[str]]:
    """The start and the words of the first run of number words, which may contain `and`."""
    start = -1
    run: list[str] = []
    for match in WORDS.finditer(text):
        if match[0] in NUMBER_WORDS:
            start = match.start() if not run else start
            run.append(match[0])
        elif run and match[0] != "and":
            break
    return start, run


PROTOCOL = Protocol(
    name="lmms-eval",
    source="lmms-eval 0.7.3, task vsibench",
    read_number=read_number,
    read_choice=read_choice,
    read_yes_no=lambda reply: first_yes_or_no(without_reasoning(reply)),
    read_text=lambda reply: whole_text(without_reasoning(reply)),
)


FILES = "*_samples_*vsibench*.jsonl"
UNSURE = ("vsibench_pruned",)  # every released version loads the full set for it
NAME = re.compile(r"(?P<date>.*)_samples_(?P<task>.*)\.jsonl")


def read(path: Path) -> Source:
    """Read a samples file, or the only samples file of VSI-Bench in a folder."""
    file = only_file(path, FILES) if path.is_dir() else path
    name = NAME.fullmatch(file.name)
    task = name["task"] if name else ""
    results = results_in(file.with_name(f"{name['date']}_results.json")) if name else {}
    settings = as_object(results.get("config"))
    loaded = as_object(as_object(results.get("configs")).get(task)).get("dataset_name")
    return Source(
        harness="lmms-eval",
        file=file,
        rows=each(json_lines(file), sample),
        model=(model or None) if isinstance(model := results.get("model_name"), str) else None,
        subset=loaded if loaded in SUBSETS.values() else SUBSETS.get(task),
        subset_sure=task not in UNSURE or loaded in SUBSETS.values(),
        frames=frames_in(settings.get("model_args")),
        details={
            "version": _version(results),
            "commit": results.get("git_hash"),
            "task": task or None,
            "model_type": settings.get("model"),
            "model_args": without_secrets(settings.get("model_args")),
            "gen_kwargs": settings.get("gen_kwargs"),
        },
    )


def _version(results: Record) -> str | None:
    """`BRANCH@COMMIT`; None if lmms-eval, installed without git, records "unknown"."""
    version = results.get("lmms_eval_version")
    return None if version is None or str(version).startswith("unknown") else str(version)
