"""Prompts, their ids and labels, compared with the original code's."""

import json
from typing import Any

import pytest
from vica import chat

from tests.vica.published import GOLDENS, Golden

PROMPTS: dict[str, Any] = json.loads((GOLDENS / "prompts.json").read_text(encoding="utf-8"))
SAMPLES: list[dict[str, Any]] = json.loads((GOLDENS / "labels.json").read_text())["samples"]


@pytest.mark.parametrize("stated", PROMPTS["prompts"], ids=lambda stated: stated["name"])
def test_prompts_in_the_published_wording_have_the_original_ids(
    stated: dict[str, Any], vica2: Golden
) -> None:
    question = chat.vsi_bench_question(
        stated["question"], stated["options"] or (), time_instruction=stated["time_instruction"]
    )
    assert chat.prompt(question) == stated["prompt"]
    ids = chat.token_ids(stated["prompt"], vica2.processor.tokenizer)
    assert ids == stated["input_ids_local_tokenizer"]


def test_the_time_instruction_equals_the_original() -> None:
    stated = next(p for p in PROMPTS["prompts"] if p["time_instruction"])
    frames = next(line for line in PROMPTS["linspace"] if line["total"] == 1805)
    seconds = [index / 30 for index in frames["index"]]
    assert chat.time_instruction(1805 / 30, seconds) == stated["time_instruction"]


def test_a_finished_conversation_ends_each_turn() -> None:
    turns = [
        ("user", "<image>\nHi."),
        ("assistant", "Hello."),
        ("user", "And now?"),
        ("assistant", "Done."),
    ]
    assert chat.conversation(turns) == PROMPTS["multi_turn_prompt"]


def turns_of(sample: dict[str, Any]) -> list[chat.Turn]:
    """The turns of a training sample, parsed from the original's text."""
    text: str = sample["text"]
    turns: list[chat.Turn] = []
    for turn in text.removesuffix("<|im_end|>\n").split("<|im_end|>\n")[1:]:
        role, value = turn.removeprefix("<|im_start|>").split("\n", 1)
        seen = role == "user" and sample["modality"] != "text" and not turns
        turns.append((role, f"<image>{value}" if seen else value))
    return turns


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s["sample"])
def test_training_labels_equal_the_original(sample: dict[str, Any], vica2: Golden) -> None:
    ids, labels = chat.labelled(turns_of(sample), vica2.processor.tokenizer)
    assert ids == sample["input_ids"]
    assert labels == sample["labels"]


def test_a_video_question_has_the_shape_of_the_training_data() -> None:
    sample = next(s for s in SAMPLES if s["sample"] == "s0" and s["flags"]["add_time_instruction"])
    value: str = sample["conversations"][0]["value"]
    text = value.removeprefix("<image>\n")
    assert chat.video_question(text) == value
    timed = chat.video_question(
        text,
        time_instruction=chat.time_instruction(90.0, [89 * i // 63 for i in range(64)]),
    )
    assert f"<|im_start|>user\n{timed}<|im_end|>".replace("<image>", "") in sample["text"]
