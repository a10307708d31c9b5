"""The harness of the benchmark's authors: how it asks and grades, and the files it writes.

Source: github vision-x-nyu/thinking-in-space @51e089c. Its grading is our headline protocol, bit
for bit. With `--log_samples` it writes `vsibench.json`, one object: `args`, `model_configs`,
`logs` (one sample per question, with its document) and `time`; `results.json` beside it names the
commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.harnesses.presets import (
    GEMINI,
    INTERNVL,
    LLAVA,
    LLAVA_OV,
    LLAVA_VIDEO,
    NUMBER_ALONE,
    OPENAI,
    OTHER,
    PHRASE,
    Asks,
    Preset,
    vsi_wording,
)
from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.rows import (
    Record,
    Row,
    Source,
    arguments_of,
    each,
    frames_in,
    without_secrets,
)
from vicabench.harnesses.samples import SUBSETS, documents_of, only_file, results_in, sample


def first_word(reply: str) -> str:
    """The text before the first space (newlines do not end it), without trailing full stops."""
    return reply.split(" ", maxsplit=1)[0].rstrip(".").strip()


def read_number(reply: str, _unit: str) -> float | None:
    """The first word as Python's `float` reads it, else None."""
    try:
        return float(first_word(reply))
    except ValueError:
        return None


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The first word if it is a single letter; nothing else can equal the ground truth."""
    word = first_word(reply)
    return word if len(word) == 1 and word.isalpha() else None


PROTOCOL = Protocol(
    name="official@51e089c",
    source="VSI-Bench released evaluation code (arXiv 2412.14171)",
    read_number=read_number,
    read_choice=read_choice,
)
VERSIONS = {"51e089c": PROTOCOL}


FILE = "vsibench.json"
MODELS = ("pretrained", "model_version", "model", "model_name", "model_path")
"""Arguments of the harness's model classes that name a checkpoint."""
SETTINGS = ("limit", "gen_kwargs", "batch_size", "num_fewshot", "system_instruction", "seed")


def read(path: Path) -> Source:
    """Read a `vsibench.json`, or the only one in a folder."""
    file = only_file(path, FILE) if path.is_dir() else path
    content = _content(file)
    args, task = content["args"], content["model_configs"]
    model_args = arguments_of(args.get("model_args"))
    name = next((model_args[key] for key in MODELS if model_args.get(key)), args.get("model"))
    return Source(
        harness="official",
        file=file,
        rows=each(_logs(content["logs"]), _record),
        model=name if isinstance(name, str) and name else None,
        subset=loaded if (loaded := task.get("dataset_name")) in SUBSETS.values() else "full",
        frames=frames_in(model_args),
        graded_by=(PROTOCOL.name,),
        because="the only version",
        details={
            "version": None,
            "commit": results_in(file.with_name("results.json")).get("git_hash"),
            "task": task.get("task"),
            "time": content.get("time"),
            "model_type": args.get("model"),
            "model_args": without_secrets(args.get("model_args")),
            "dataset": task.get("dataset_path"),
            "generation": task.get("generation_kwargs"),
            "prompts": _prompts(task.get("lmms_eval_specific_kwargs"), args.get("model")),
            **{key: args[key] for key in SETTINGS if args.get(key) not in (None, "")},
        },
    )


def _content(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON ({error}). Is it complete?") from None
    if not isinstance(content, dict) or not isinstance(content.get("logs"), list):
        raise DataError(
            f"{file} has no list of logs. With --log_samples the harness writes one, to {FILE} "
            "beside results.json."
        )
    parts = {key: content.get(key) for key in ("args", "model_configs")}
    return {**content, **{k: v if isinstance(v, dict) else {} for k, v in parts.items()}}


def _logs(logs: list[Any]) -> Iterator[Row]:
    for number, log in enumerate(logs, start=1):
        yield f"log {number}", log if isinstance(log, dict) else DataError("it is not an object.")


def _record(log: Record) -> Record:
    """A sample in lmms-eval's form, with the reply stripped as the harness does to grade it."""
    row = sample(log)
    reply, graded = row["response"], documents_of(log)[:1]
    if reply is None:
        return {**row, "error": "official: no reply"}
    stripped = reply.strip()
    known = bool(graded) and graded[0].get("prediction", stripped) == stripped
    return {**row, "response": stripped if known else reply}


def _prompts(prompts: Any, model: Any) -> Any:
    """The wording of the prompts: the model's if it has one, else the default."""
    if not isinstance(prompts, Mapping):
        return None
    own = prompts.get(model) if isinstance(model, str) else None
    return own or prompts.get("default")


SOURCE = (
    "github vision-x-nyu/thinking-in-space @51e089c: lmms_eval/tasks/vsibench, lmms_eval/models, "
    "evaluate_all_in_one.sh"
)
GREEDY = {"max_new_tokens": 16, "temperature": 0.0, "top_p": 1.0, "num_beams": 1}
PORTED = "the harness runs the original LLaVA code in float16, and this the port in transformers"
POOLED = (
    "frames are pooled as the checkpoint states, where the harness sets it for LLaVA-NeXT-Video"
)

WORDINGS = (
    vsi_wording("official", SOURCE, numeric=PHRASE),
    vsi_wording(
        "official-frames", SOURCE, numeric=PHRASE, frame_label="Frame{i}: ", frame_end="\n"
    ),
    vsi_wording("official-numbers", SOURCE, numeric=NUMBER_ALONE),
    vsi_wording("official-gpt", SOURCE, numeric=NUMBER_ALONE, before_frames=True),
)

PRESETS = (
    Preset(
        name="official",
        version="51e089c",
        source=SOURCE,
        reading="official@51e089c",
        wordings=WORDINGS,
        families={
            LLAVA: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                generation=GREEDY,
                short=(POOLED,),
            ),
            LLAVA_OV: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                frames_as="video",
                system="You are a helpful assistant.",
                generation=GREEDY,
                short=(PORTED,),
            ),
            LLAVA_VIDEO: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                frames_as="video",
                generation=GREEDY,
                short=(
                    PORTED,
                    "the paper's LLaVA-NeXT-Video on Qwen2 has another vision tower and projector",
                ),
            ),
            INTERNVL: Asks(
                wording="official-frames",
                frames=8,
                frame_rule="seg",
                frames_as="images",
                generation=GREEDY,
                short=(
                    "the harness runs OpenGVLab's code, and this the port in transformers, whose "
                    "chat template may have another system prompt",
                ),
            ),
            OPENAI: Asks(
                wording="official-gpt",
                frames=16,
                frame_rule="tail",
                generation={"max_new_tokens": 16, "temperature": 0.0},
                short=("frames are JPEG of bounded size, in the harness PNG of full size",),
            ),
            GEMINI: Asks(
                wording="official-numbers",
                generation={"max_new_tokens": 8192, "temperature": 0.0, "top_p": 1.0, "top_k": 1},
                short=("the service samples the frames of a whole file, and changes over time",),
            ),
            OTHER: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                generation=GREEDY,
                known=False,
            ),
        },
    ),
)
