"""Can the decoder of `vica2-rooms` reason, if sight were perfect? Trained on layouts.

Every thing is one token: its name, place and first second, as vectors that a layer projects, so
that nothing depends on how numbers are spelt. Random layouts train it; the layouts of rooms test
it, with answers by letter as the benchmark wants them, and in words. `--state` makes it resumable.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rooms_layouts import LEVELS, TASKS, Asked, Layout, ask, layout_of, random_layout
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2Model

from vicabench.rooms.facts import facts_of, sightings
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.lessons import WORDS
from vicabench.rooms.questions import TURNS
from vicabench.rooms.training import RATE

LETTERS = "ABCD"
CLASSES = tuple(dict.fromkeys(name for level in LEVELS.values() for name in level.classes))
VOCABULARY = (*WORDS, *CLASSES, *TURNS, *LETTERS, *TASKS, "by letter", "in words")
IDS = {word: number for number, word in enumerate(VOCABULARY)}
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
"""Those of the decoder in vicabench/checkpoints/vica2-rooms/config.json."""
WAVES = (0.5, 1.0, 2.0)
FEATURES = 3 + 3 * 2 * len(WAVES)
QUESTIONS, BATCH, RATE_OF_LEARNING, WARMUP = 6, 24, 1e-3, 100


class Reasoner(nn.Module):
    """The decoder over tokens of things and words; it scores every word after each token."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = Qwen2Model(Qwen2Config(vocab_size=len(VOCABULARY), **SHAPE))
        self.place = nn.Linear(FEATURES, SHAPE["hidden_size"])
        self.head = nn.Linear(SHAPE["hidden_size"], len(VOCABULARY), bias=False)

    def forward(self, ids_BL: Tensor, places_BLF: Tensor) -> Tensor:
        """Scores [B, L, words]; padding comes last, so that a causal decoder needs no mask."""
        is_thing = (places_BLF != 0).any(-1, keepdim=True)
        embeds = self.decoder.embed_tokens(ids_BL) + self.place(places_BLF) * is_thing
        scores: Tensor = self.head(self.decoder(inputs_embeds=embeds).last_hidden_state)
        return scores


Sample = tuple[list[int], list[list[float]], list[tuple[int, int, str, bool]]]
"""Ids, the features of the things they begin with, and (position, answer, task, by letter)."""


def sample(layout: Layout, rng: np.random.Generator, questions: int) -> Sample:
    """A layout followed by questions of any task."""
    middle = layout.at_N2.mean(axis=0)
    turn = rng.permutation(len(layout.names))
    ids = [IDS[layout.names[n]] for n in turn]
    places = [_features(*(layout.at_N2[n] - middle) / 3, layout.first_N[n] / 6 - 1) for n in turn]
    answers = []
    for _ in range(questions):
        asked = ask(TASKS[int(rng.integers(len(TASKS)))], layout, rng)
        if asked is None:
            continue
        by_letter = bool(rng.integers(2))
        words = list(_words(asked, layout, by_letter=by_letter))
        ids += [IDS[word] for word in words]
        reply = LETTERS[asked.right] if by_letter else asked.options[asked.right][0]
        answers.append((len(ids) - 1, IDS[reply], asked.task, by_letter))
    return ids, places, answers


def _features(*numbers: float) -> list[float]:
    waves = [f(wave * np.pi * n) for wave in WAVES for n in numbers for f in (np.sin, np.cos)]
    return [*map(float, numbers), *map(float, waves)]


def _words(asked: Asked, layout: Layout, *, by_letter: bool) -> Iterator[str]:
    yield asked.task
    yield from (layout.names[n] for n in asked.about)
    if by_letter:
        for letter, option in zip(LETTERS, asked.options, strict=False):
            yield letter
            yield from option
    elif asked.task == "nearest":
        yield from sorted(option[0] for option in asked.options)
    yield "by letter" if by_letter else "in words"


def batch(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """Ids [B, L] and features [B, L, F], with padding at the end."""
    length = max(len(ids) for ids, _, _ in samples)
    ids_BL = torch.zeros(len(samples), length, dtype=torch.long)
    places_BLF = torch.zeros(len(samples), length, FEATURES)
    for row, (ids, places, _) in enumerate(samples):
        ids_BL[row, : len(ids)] = torch.tensor(ids)
        if places:
            places_BLF[row, : len(places)] = torch.tensor(places)
    return ids_BL, places_BLF


def rooms(seed: int, count: int) -> list[Layout]:
    """The true layouts of rooms with five things or more."""
    scenes = (make_scene(seed, number) for number in range(count))
    layouts = [layout_of(facts_of(scene, sightings(scene, rate=RATE))) for scene in scenes]
    return [layout for layout in layouts if len(layout.names) > 4]


@torch.no_grad()
def test(model: Reasoner, samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Right answers and questions of each task, by letter and in words."""
    counts: dict[str, list[int]] = {}
    for start in range(0, len(samples), BATCH):
        part = samples[start : start + BATCH]
        best_BL = model(*batch(part)).argmax(-1)
        for row, (_, _, answers) in enumerate(part):
            for position, answer, task, by_letter in answers:
                found = counts.setdefault(
                    f"{task} {'by letter' if by_letter else 'in words'}", [0, 0]
                )
                found[0] += int(best_BL[row, position] == answer)
                found[1] += 1
    return counts


def step(model: Reasoner, optimizer: torch.optim.Optimizer, number: int) -> float:
    """One step on new layouts, which depend on its number alone."""
    rng = np.random.default_rng([21, number])
    samples = [sample(random_layout(WORDS, rng), rng, QUESTIONS) for _ in range(BATCH)]
    at = [(row, p, a) for row, (_, _, answers) in enumerate(samples) for p, a, _, _ in answers]
    rows, positions, answers = (torch.tensor(each) for each in zip(*at, strict=True))
    loss = nn.functional.cross_entropy(model(*batch(samples))[rows, positions], answers)
    for group in optimizer.param_groups:
        group["lr"] = RATE_OF_LEARNING * min(1.0, (number + 1) / WARMUP)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def main() -> None:
    """Train until `--steps` or `--minutes`, and write how many answers are right on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("build/rooms-reasoning"))
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=210021)
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    torch.manual_seed(0)
    model = Reasoner()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE_OF_LEARNING, weight_decay=0.01)
    done, curve = 0, []
    saved = options.state / "state.pt"
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, curve = state["done"], state["curve"]
    rng = np.random.default_rng(1)
    tests = [sample(layout, rng, 24) for layout in rooms(options.seed, 60)]
    while done < options.steps and time.monotonic() < end:
        loss = step(model, optimizer, done)
        done += 1
        if done % options.every == 0:
            curve.append({"step": done, "loss": loss, "right": test(model, tests)})
            print(json.dumps(curve[-1]), flush=True)
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "done": done, "curve": curve}, saved)
            (options.state / "reasoning.json").write_text(json.dumps(curve, indent=1) + "\n")


if __name__ == "__main__":
    main()
