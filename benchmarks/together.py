"""Many questions about a video through models of transformers, in three ways, in one run.

    python -m benchmarks.together                       # small shapes, on a CPU
    python -m benchmarks.together --new 4 256 1024      # longer replies too

The loop is what harnesses do: for every question encode the frames, read the whole prompt, answer.
One prefill, decoded one after another: the frames are encoded and the common prefix is read once,
and each question continues from its keys and values, which are cut back afterwards. Together:
`vicabench`'s own way, all questions in one batch beside one copy of the prefix. All use the same
model with random weights, of which no reply ends by itself, and the same frames, which are
processed beforehand. Times depend on the machine; read the ratios. Prints a report in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from transformers import DynamicCache
from transformers.utils.logging import disable_progress_bar, set_verbosity_error
from vica.predictor import common

from benchmarks.machine import now
from tests.hf_models import KINDS, Kind, write_model
from vicabench.adapters.hf.inputs import Inputs, Seen, Tokens
from vicabench.adapters.hf.model import open_model
from vicabench.adapters.hf.reading import Reader
from vicabench.types import ModelOptions

WIDTH, HEADS = 256, 4
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 3 * WIDTH,
    "num_hidden_layers": 4,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS // 2,
    "max_position_embeddings": 32_768,
}
SIDE = 224
"""Pixels of a frame's side: 64 visual tokens."""
QUESTION = "{}: how many of these are in the room?"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES))
    parser.add_argument("--frames", type=int, default=62)
    parser.add_argument("--questions", type=int, default=18)
    parser.add_argument("--new", type=int, nargs="+", default=[4, 256])
    return parser.parse_args()


def resized(kind: Kind, vision: Mapping[str, Any], files: Mapping[str, Any]) -> Kind:
    """A family with a wider language model, and about 64 tokens a frame."""

    def config(ids: Mapping[str, int]) -> Any:
        made = kind.config(ids).to_dict()
        text = {**made["text_config"], **TEXT, "head_dim": WIDTH // HEADS, "layer_types": None}
        if "rope_parameters" in text and "mrope_section" in (text["rope_parameters"] or {}):
            text["rope_parameters"] = {**text["rope_parameters"], "mrope_section": [8, 12, 12]}
        parts = {"text_config": text, "vision_config": {**made["vision_config"], **vision}}
        return type(kind.config(ids)).from_dict({**made, **parts})

    merged = {name: {**each, **files.get(name, {})} for name, each in kind.files.items()}
    return replace(kind, config=config, files=merged)


SQUARE = {"size": {"height": SIDE, "width": SIDE}}
SHAPES: Mapping[str, Callable[[], Kind]] = {
    "internvl": lambda: resized(
        KINDS["internvl"],
        {"image_size": [SIDE, SIDE]},
        {"preprocessor_config.json": SQUARE, "processor_config.json": {"image_seq_length": 64}},
    ),
    "llava_onevision": lambda: resized(
        KINDS["llava_onevision"],
        {"image_size": SIDE, "patch_size": 28},
        {"preprocessor_config.json": SQUARE, "processor_config.json": {"num_image_tokens": 64}},
    ),
    "qwen2_5_vl": lambda: resized(
        KINDS["qwen2_5_vl"],
        {"out_hidden_size": WIDTH},
        {"preprocessor_config.json": {"size": {"shortest_edge": 784, "longest_edge": SIDE**2}}},
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A model with its processed frames and prompts."""

    reader: Reader
    seen: Seen
    texts: list[str]

    def loop(self) -> list[tuple[int, ...]]:
        """Each question from the frames on."""
        replies = []
        for text in self.texts:
            encoded = self.reader.encode(self.seen, ())
            replies += self.reader.answer(encoded, [self.reader.prompt(encoded, text)])
        return [reply.ids for reply in replies]

    def together(self) -> list[tuple[int, ...]]:
        """One prefill, one batch."""
        encoded = self.reader.encode(self.seen, self.texts)
        prompts = [self.reader.prompt(encoded, text) for text in self.texts]
        return [reply.ids for reply in self.reader.answer(encoded, prompts)]

    @torch.no_grad()
    def one_by_one(self) -> list[tuple[int, ...]]:
        """One prefill, then one question after another by `generate`."""
        model, cache = self.reader.model, DynamicCache(config=self.reader.model.config)
        whole = self.reader.encode(self.seen, ())
        prompts = [self.reader.prompt(whole, text) for text in self.texts]
        length = shared(prompts)
        model.base_model(**rows(prompts[0].first(length)), **whole.given, cache=cache)
        sizes = {n: each for n, each in whole.given.items() if n.endswith(("_thw", "_ts"))}
        return [self.continued(prompt, cache, length, sizes) for prompt in prompts]

    def continued(
        self, prompt: Tokens, cache: DynamicCache, length: int, sizes: Mapping[str, Any]
    ) -> tuple[int, ...]:
        """The reply to a prompt from the cache of its first `length` tokens, then cut back."""
        model, given = self.reader.model, rows(prompt)
        if hasattr(model.base_model, "rope_deltas"):
            model.base_model.rope_deltas = None  # positions are those of the whole prompt
        output_BL = model.generate(
            **given,
            **sizes,
            attention_mask=torch.ones_like(given["input_ids"]),
            generation_config=self.reader.settings,
            cache=cache,
        )
        for layer in cast(list[Any], cache.layers):
            layer.keys = layer.keys[..., :length, :]
            layer.values = layer.values[..., :length, :]
        return tuple(output_BL[0, len(prompt.ids) :].tolist())


def shared(prompts: list[Tokens]) -> int:
    """How many ids all prompts begin with, leaving each at least one."""
    ids = common([prompt.ids for prompt in prompts])
    return min(len(ids), *(len(prompt.ids) - 1 for prompt in prompts))


def rows(tokens: Tokens) -> dict[str, torch.Tensor]:
    """The model's inputs for a prompt."""
    return {n: torch.tensor([r]) for n, r in {"input_ids": tokens.ids, **tokens.types}.items()}


def bench(name: str, folder: Path, asked: argparse.Namespace, new: int) -> Bench:
    """Build a model and process frames of noise."""
    if not folder.exists():
        write_model(folder, SHAPES[name]())
    opened, _ = open_model(str(folder), ModelOptions(device="cpu", dtype="float32"))
    opened.model.generation_config.eos_token_id = None
    reader = Reader(opened.model, opened.inputs, max_new_tokens=new)
    generator = np.random.default_rng(0)
    frames_THWC = generator.integers(0, 255, (asked.frames, SIDE, SIDE, 3), dtype=np.uint8)
    seconds = tuple(float(second) for second in range(asked.frames))
    inputs: Inputs = opened.inputs
    seen = inputs.see(frames_THWC, seconds, float(asked.frames))
    texts = [inputs.text(QUESTION.format(n), asked.frames) for n in range(asked.questions)]
    return Bench(reader=reader, seen=seen, texts=texts)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of computing, and the result."""
    device = torch.device("cpu")
    started = now(device)
    result = work()
    return now(device) - started, result


def line(name: str, made: Bench, new: int) -> str:
    """A line of the table: tokens, seconds a video in each way, and ratios."""
    ours, replies = timed(made.together)
    sequential, same = timed(made.one_by_one)
    loop, alone = timed(made.loop)
    equal = sum(a == b == c for a, b, c in zip(replies, same, alone, strict=True))
    encoded = made.reader.encode(made.seen, ())
    prompts = [made.reader.prompt(encoded, text) for text in made.texts]
    own = len(prompts[0].ids) - shared(prompts)
    return (
        f"| {name} | {shared(prompts):,} + {own} | {new} | {loop:.2f} | {sequential:.2f} | "
        f"{ours:.2f} | **{loop / ours:.1f}** | **{sequential / ours:.1f}** | "
        f"{equal} of {len(replies)} |"
    )


def main() -> None:
    """Measure, and print the table."""
    asked = options()
    torch.set_num_threads(1)
    disable_progress_bar()
    set_verbosity_error()
    print("| model | tokens | new | loop, s | one after another, s | together, s |", end="")
    print(" loop / together | one after another / together | equal replies |")
    print("| " + " | ".join(["---"] * 9) + " |")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.models:
            bench(name, Path(folder, name), asked, 2).together()  # warms up
            for new in asked.new:
                print(line(name, bench(name, Path(folder, name), asked, new), new), flush=True)


if __name__ == "__main__":
    main()
