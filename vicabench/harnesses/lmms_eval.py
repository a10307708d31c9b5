"""lmms-eval: how it asks and grades, and the samples it logs.

Until 0.6 it read as the official protocol does. 0.7 removes reasoning between closed tags, 0.7.1
also before a lone closing tag, and 0.7.2 rounds scores. Since 0.7.3 the first number counts, in
digits or words; letters are read as before. Two cases, in text that no model writes, are simpler
than in lmms-eval: tags that only appear once others are removed stay in, and numbers beyond any
float are unreadable instead of an error.

`--log_samples` writes samples to `DATE_samples_TASK.jsonl`; model and
version are in `DATE_results.json` beside that file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.harnesses import official
from vicabench.harnesses.presets import (
    CAMBRIAN,
    GEMINI,
    INTERNVL,
    LLAVA,
    LLAVA_OV,
    NUMBER_ALONE,
    OPENAI,
    OTHER,
    PHRASE,
    QWEN2,
    QWEN2_5,
    QWEN3,
    Asks,
    Preset,
    vsi_wording,
)
from vicabench.harnesses.protocols import Protocol, first_yes_or_no, full_name, whole_text
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


def without_closed(reply: str) -> str:
    """The reply without the text between reasoning tags, stripped; lone tags change nothing."""
    return _without_reasoning(reply, lone=False)


def without_reasoning(reply: str) -> str:
    """The reply without the text between reasoning tags, stripped.

    If there is only a closing tag, because the prompt held the opening one, the text after the
    last closing tag. An opening tag that is never closed changes nothing.
    """
    return _without_reasoning(reply, lone=True)


def _without_reasoning(reply: str, *, lone: bool) -> str:
    for opening, closing in TAGS:
        outside, place = [], 0
        while (start := reply.find(opening, place)) >= 0:
            end = reply.find(closing, start)
            if end < 0:
                break
            outside.append(reply[place:start])
            place = end + len(closing)
        reply = "".join(outside) + reply[place:]
        if lone and opening not in reply:
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


DECIMALS = 6
"""Of the scores since 0.7.2."""


def _version(
    version: str,
    since: str,
    cut: Callable[[str], str] = str,
    number: Callable[[str, str], float | None] = official.read_number,
    decimals: int | None = None,
) -> Protocol:
    """A version; `cut` removes what it does not read, `number` reads what remains."""
    return Protocol(
        name=f"lmms-eval@{version}",
        source=f"lmms-eval {version}, task vsibench ({since})",
        read_number=lambda reply, unit: number(cut(reply), unit),
        read_choice=lambda reply, options: official.read_choice(cut(reply), options),
        read_yes_no=lambda reply: first_yes_or_no(cut(reply)),
        read_text=lambda reply: whole_text(cut(reply)),
        decimals=decimals,
    )


VERSIONS = {
    "0.7.3": _version("0.7.3", "2026-08-28", without_reasoning, read_number, DECIMALS),
    "0.7.2": _version("0.7.2", "20e1c96d", without_reasoning, decimals=DECIMALS),
    "0.7.1": _version("0.7.1", "263a80c9", without_reasoning),
    "0.7": _version("0.7", "d8fcb9c3", without_closed),
    "0.6": _version("0.6", "e643525c"),
    "0.3.4": _version("0.3.4", "638db7ee"),
}


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
    rows = list(each(json_lines(file), sample))
    graded_by, because = _graded_by(results, _metrics(file))
    loaded = as_object(as_object(results.get("configs")).get(task)).get("dataset_name")
    return Source(
        harness="lmms-eval",
        file=file,
        rows=rows,
        graded_by=graded_by,
        because=because,
        model=(model or None) if isinstance(model := results.get("model_name"), str) else None,
        subset=loaded if loaded in SUBSETS.values() else SUBSETS.get(task),
        subset_sure=task not in UNSURE or loaded in SUBSETS.values(),
        frames=frames_in(settings.get("model_args")),
        details={
            "version": _recorded(results),
            "commit": results.get("git_hash"),
            "task": task or None,
            "model_type": settings.get("model"),
            "model_args": without_secrets(settings.get("model_args")),
            "gen_kwargs": settings.get("gen_kwargs"),
        },
    )


RELEASED = {
    "b7b4b1d9": "0.4",
    "7697745e": "0.4.1",
    "8f142bc3": "0.5",
    "e643525c": "0.6",
    "ee31b5a6": "0.6.1",
    "ecfb5990": "0.7",
    "88b23e2b": "0.7.1",
    "cb45ac4d": "0.7.2",
}
"""Releases by the first digits of their commit; 0.7.3 has no tag."""


def _graded_by(results: Record, metrics: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The protocols that fit a file, the likeliest first, and what speaks for them."""
    release = RELEASED.get(str(results.get("git_hash"))[:8])
    if release:
        return (full_name(f"lmms-eval@{release}"),), f"its commit is that of {release}"
    if "vsibench_overall" in metrics:
        return _since_0_7_2(results)
    if "vsibench_score" in metrics:
        return _before_0_7_2(results)
    every = ("0.7.3", "0.7.2", "0.7.1", "0.7", "0.6", "0.3.4")
    return _named(*every), "nothing in it names a version"


def _since_0_7_2(results: Record) -> tuple[tuple[str, ...], str]:
    # `model_backend` is there since 5bd8fbc9, a week before numbers were read in a new way.
    if "model_backend" in as_object(results.get("config")):
        return _named("0.7.3", "0.7.2"), "its results name model_backend, as those of 0.7.3 do"
    if results:
        return _named("0.7.2", "0.7.3"), "its results lack model_backend, as those of 0.7.2 do"
    return _named("0.7.3", "0.7.2"), "its metrics are those since 0.7.2"


def _before_0_7_2(results: Record) -> tuple[tuple[str, ...], str]:
    if "lmms_eval_version" in results:
        return _named("0.7.1", "0.7"), "its metric and results are those of 0.7 and 0.7.1"
    if results:
        return _named("0.6", "0.3.4"), "its metric and results are those before 0.7"
    return _named("0.7.1", "0.7", "0.6", "0.3.4"), "its metric is that before 0.7.2"


def _named(*versions: str) -> tuple[str, ...]:
    return tuple(f"lmms-eval@{version}" for version in versions)


def _metrics(file: Path) -> set[str]:
    """The names of the metrics in the samples."""
    return {
        name
        for _, row in json_lines(file)
        if not isinstance(row, DataError)
        for name in row
        if name.startswith("vsibench_")
    }


def _recorded(results: Record) -> str | None:
    """`BRANCH@COMMIT`; None if lmms-eval, installed without git, records "unknown"."""
    version = results.get("lmms_eval_version")
    return None if version is None or str(version).startswith("unknown") else str(version)


SOURCE = "github EvolvingLMMs-Lab/lmms-eval: lmms_eval/tasks/vsibench, lmms_eval/models"
GREEDY: Mapping[str, Any] = {
    "max_new_tokens": 16, "temperature": 0.0, "top_p": 1.0, "num_beams": 1,
}  # fmt: skip
ASSISTANT = "You are a helpful assistant."
PIXELS: Mapping[str, Any] = {"min_pixels": 256 * 28 * 28, "max_pixels": 1_605_632}
"""Defaults of the Qwen classes; for a video, qwen_vl_utils lowers the upper bound."""

WORDINGS = (
    vsi_wording("lmms-eval", SOURCE, numeric=PHRASE),
    vsi_wording(
        "lmms-eval-frames", SOURCE, numeric=PHRASE, frame_label="Frame{i}: ", frame_end="\n"
    ),
    vsi_wording("lmms-eval-numbers", SOURCE, numeric=NUMBER_ALONE),
)
SAMPLED_TWICE = Asks(
    wording="lmms-eval",
    fps=2.0,
    max_frames=32,
    frame_rule="qwen-lin-repeat",
    frames_as="video",
    system=ASSISTANT,
    assume_fps=2.0,
    generation=GREEDY,
    short=(
        "a video beyond 150 seconds is resized as if it had only the frames that are kept, which "
        "can be larger than in the harness",
    ),
    **PIXELS,
)
"""The plain class of Qwen2.5-VL: times are not passed on, so it assumes 2 fps."""
TIMED = Asks(
    wording="lmms-eval",
    frames=32,
    frame_rule="qwen",
    frames_as="video",
    generation=GREEDY,
    **PIXELS,
)
"""The chat class of Qwen2.5-VL from 0.7.2 on, which passes the times of the frames."""
SAMPLED_ONCE = replace(TIMED, assume_fps=2.0)
"""The same from 0.4.1 on, which does not."""
THIRD = replace(TIMED, system=ASSISTANT)
"""The chat class of Qwen3-VL from 0.7.2 on; before, it had no system message either."""
FRAMES = Asks(
    wording="lmms-eval-frames",
    frames=32,
    frame_rule="seg",
    frames_as="images",
    generation={**GREEDY, "top_p": None, "temperature": None},
    short=("the harness runs OpenGVLab's code, and this the port in transformers",),
)
CAMBRIAN_S = Asks(
    wording="lmms-eval",
    fps=1.0,
    max_frames=32,
    generation=GREEDY,
    short=("a frame has the tokens that the checkpoint states, where the class sets 196",),
)
SHARED = {
    QWEN2: replace(
        SAMPLED_TWICE, frame_rule="qwen-lin", min_pixels=3136, max_pixels=602_112
    ),
    INTERNVL: FRAMES,
    LLAVA_OV: Asks(
        wording="lmms-eval",
        frames=32,
        frame_rule="lin",
        frames_as="video",
        system=ASSISTANT,
        generation=GREEDY,
        short=("the harness runs the original LLaVA code, and this the port in transformers",),
    ),
    LLAVA: Asks(
        wording="lmms-eval",
        frames=32,
        frame_rule="lin",
        generation=GREEDY,
        short=("frames are pooled as the checkpoint states, which its class may set",),
    ),
    OPENAI: Asks(
        wording="lmms-eval-numbers",
        frames=10,
        frame_rule="tail",
        generation={"max_new_tokens": 16, "temperature": 0.0},
        short=("frames are encoded otherwise than the harness does",),
    ),
    GEMINI: Asks(
        wording="lmms-eval-numbers",
        generation=GREEDY,
        short=("the service samples the frames of a whole file, and changes over time",),
    ),
    OTHER: Asks(
        wording="lmms-eval", frames=32, frame_rule="lin", generation=GREEDY, known=False
    ),
}  # fmt: skip


def _preset(version: str, commit: str, qwen2_5: Asks, **families: Asks) -> Preset:
    return Preset(
        name="lmms-eval",
        version=version,
        source=SOURCE.replace(":", f" @{commit}:", 1),
        reading=f"lmms-eval@{version}",
        wordings=WORDINGS,
        families={**SHARED, QWEN2_5: qwen2_5, **families},
    )


FIRST_CHAT = replace(SAMPLED_TWICE, system=None, min_pixels=128 * 28 * 28, max_pixels=768 * 28 * 28)
"""The first chat class of Qwen2.5-VL, of 0.4: without a system message and a budget."""
PRESETS = (
    _preset("0.3.4", "a8635177", SAMPLED_TWICE),
    _preset("0.3.5", "f7a6d6bf", SAMPLED_TWICE),
    _preset("0.4", "b7b4b1d9", FIRST_CHAT),
    _preset("0.4.1", "7697745e", SAMPLED_ONCE),
    _preset("0.5", "8f142bc3", SAMPLED_ONCE),
    *(
        _preset(version, commit, SAMPLED_ONCE, **{QWEN3: TIMED, CAMBRIAN: CAMBRIAN_S})
        for version, commit in (
            ("0.6", "e643525c"),
            ("0.6.1", "ee31b5a6"),
            ("0.7", "ecfb5990"),
            ("0.7.1", "88b23e2b"),
        )
    ),
    _preset("0.7.2", "cb45ac4d", TIMED, **{QWEN3: THIRD, CAMBRIAN: CAMBRIAN_S}),
    _preset("0.7.3", "75571cfe", TIMED, **{QWEN3: THIRD, CAMBRIAN: CAMBRIAN_S}),
)
