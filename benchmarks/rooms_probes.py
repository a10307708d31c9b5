"""What do the frozen features of `vica2-rooms` tell about places? Linear probes on fresh rooms.

Ridge regressions read, from one frame's features, which things it shows and in which column; and
from the decoder's state after a question about a thing, where it stands. Layouts read that way
answer the questions of `rooms_layouts` by exact geometry: what reasoning without error would get.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rooms_layouts import TASKS, Layout, ask, layout_of, solve
from vica.chat import prompt as chat
from vica.chat import token_ids, vsi_bench_question
from vica.loading import load_model, load_processor
from vica.modeling import ViCA
from vica.processing import ViCAProcessor

import vicabench
from vicabench.rooms.camera import FIELD_OF_VIEW, Pose, pose_at
from vicabench.rooms.facts import facts_of, sightings
from vicabench.rooms.furniture import make_scene
from vicabench.rooms.lessons import CLOCK, WORDS
from vicabench.rooms.light import PLAIN
from vicabench.rooms.render import colours, sees
from vicabench.rooms.scene import Scene
from vicabench.rooms.training import RATE

Floats = NDArray[np.float64]
MODEL = Path(vicabench.__file__).parent / "checkpoints" / "vica2-rooms"
FRAMES, WIDTH, HEIGHT, COLUMNS = 12, 64, 48, 8
PER_TASK = 6
"""Questions of each task about a room."""
DRAWS = 2000
"""Samples of rooms for intervals."""
PENALTIES = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Room:
    """A room as a model sees it.

    `encoder_TD` and `tokens_TD` are the features of each frame before and after the projector,
    `states_KND` the decoder's states after each layer at the end of a question about each thing of
    `layout`, which is relative to the middle of the room and to where the film begins. `shares_TWC`
    says which share of each column of each frame shows each word; `yaws_T` where it looks.
    """

    encoder_TD: Floats
    tokens_TD: Floats
    states_KND: Floats
    shares_TWC: Floats
    yaws_T: Floats
    layout: Layout
    seconds: float


def room(model: ViCA, processor: ViCAProcessor, seed: int, number: int, cache: Path) -> Room | None:
    """A room of a seed, kept in a folder; None if its film shows fewer than five single things."""
    scene = make_scene(seed, number)
    facts = facts_of(scene, sightings(scene, rate=RATE))
    layout = _from_middle(layout_of(facts), scene)
    if len(layout.names) < 5:
        return None
    # The last of evenly spaced frames of a full turn is like the first.
    looks = [pose_at(scene, scene.walk.seconds * n / (FRAMES - 1)) for n in range(FRAMES)]
    file = cache / f"{scene.name}.npz"
    if not file.exists():
        arrays = _features(model, processor, scene, looks, layout.names)
        np.savez_compressed(file, **arrays)
    with np.load(file) as saved:
        arrays = {name: saved[name].astype(np.float64) for name in saved}
    yaws = np.array([look.yaw for look in looks]) - looks[0].yaw
    return Room(**arrays, yaws_T=yaws, layout=layout, seconds=scene.walk.seconds)


def _from_middle(layout: Layout, scene: Scene) -> Layout:
    """The layout with the middle of the room as origin, and x where the film begins to look."""
    yaw = pose_at(scene, 0.0).yaw
    turned = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    at = (layout.at_N2 - np.array([scene.width, scene.depth]) / 2) @ turned.T
    return Layout(names=layout.names, at_N2=at, first_N=layout.first_N)


@torch.no_grad()
def _features(
    model: ViCA, processor: ViCAProcessor, scene: Scene, looks: Sequence[Pose], names: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    frames = np.stack([colours(scene, look, WIDTH, HEIGHT, PLAIN) for look in looks])
    visual = processor.video(frames)
    tower = model.model.vision_tower
    block_ND = model.encode(visual)
    per_frame = (model.config.layout.semantic.pooled + 1) * model.config.layout.semantic.pooled
    encoded = tower(visual.pixels_FCHW.to(torch.float32))
    states = [_states(model, processor, block_ND, name) for name in names]
    return {
        "encoder_TD": encoded.reshape(FRAMES, -1).numpy(),
        "tokens_TD": block_ND[: FRAMES * per_frame].reshape(FRAMES, -1).numpy(),
        "states_KND": np.stack(states, axis=1),
        "shares_TWC": np.stack([_shares(scene, look) for look in looks]),
    }


def _states(
    model: ViCA, processor: ViCAProcessor, block_ND: torch.Tensor, name: str
) -> NDArray[np.float32]:
    text = chat(vsi_bench_question(CLOCK.format(x=name)))
    ids = torch.tensor([token_ids(text, processor.tokenizer)])
    merged = model.merge(ids, [block_ND])
    out = model.model(inputs_embeds=merged.embeds_BLD, output_hidden_states=True, use_cache=False)
    return np.stack([layer[0, -1].numpy() for layer in out.hidden_states])


def _shares(scene: Scene, look: Pose) -> NDArray[np.float32]:
    """The share of each column of the picture that shows each word, (columns, words)."""
    things_HW = sees(scene, look, WIDTH, HEIGHT)
    shares = np.zeros((COLUMNS, len(WORDS)), dtype=np.float32)
    for number, thing in enumerate(scene.things):
        shown = (things_HW == number).reshape(HEIGHT, COLUMNS, -1).mean(axis=(0, 2))
        shares[:, WORDS.index(thing.category)] += shown
    return shares


def ridge(x: Floats, y: Floats, rooms: NDArray[np.int64]) -> Callable[[Floats], Floats]:
    """A ridge regression whose penalty a fifth of the training rooms chooses."""
    held = rooms % 5 == 0
    losses = [((_fit(x[~held], y[~held], p)(x[held]) - y[held]) ** 2).mean() for p in PENALTIES]
    return _fit(x, y, PENALTIES[int(np.argmin(losses))])


def _fit(x: Floats, y: Floats, penalty: float) -> Callable[[Floats], Floats]:
    middle, spread, mean = x.mean(axis=0), x.std(axis=0) + 1e-6, y.mean(axis=0)
    z = (x - middle) / spread
    if z.shape[0] < z.shape[1]:
        weights = z.T @ np.linalg.solve(z @ z.T + penalty * np.eye(len(z)), y - mean)
    else:
        weights = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (y - mean))
    return lambda new: np.asarray((new - middle) / spread @ weights + mean)


def explained(truth: Floats, read: Floats) -> float:
    """R2 over all outputs together, against the mean of the test rows."""
    return float(1 - ((truth - read) ** 2).sum() / ((truth - truth.mean(axis=0)) ** 2).sum())


Table = tuple[Floats, Floats, NDArray[np.int64]]


def _stack(rooms: Sequence[Room], rows: Callable[[Room], tuple[Floats, Floats]]) -> Table:
    pairs = [rows(each) for each in rooms]
    number = np.repeat(np.arange(len(pairs)), [len(x) for x, _ in pairs])
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs]), number


def probe(
    train: Sequence[Room], test: Sequence[Room], rows: Callable[[Room], tuple[Floats, Floats]]
) -> tuple[dict[str, float], Callable[[Floats], Floats]]:
    """R2 and median error on test rooms, the R2 of a probe of shuffled rows, and the probe."""
    x, y, number = _stack(train, rows)
    new, truth, _ = _stack(test, rows)
    read = ridge(x, y, number)
    shuffled = ridge(x, y[np.random.default_rng(0).permutation(len(y))], number)
    found = read(new)
    figures = {
        "r2": explained(truth, found),
        "shuffled": explained(truth, shuffled(new)),
        "median_error": float(np.median(np.linalg.norm(truth - found, axis=1))),
        "rows": len(x),
    }
    return figures, read


def shown(kind: str, each: Room) -> tuple[Floats, Floats]:
    """Frames: which words every column shows."""
    return getattr(each, kind), each.shares_TWC.reshape(FRAMES, -1)


def _column_angles() -> Floats:
    """The counter-clockwise angle of the middle of each column from the middle of the picture."""
    aside = (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 - 1
    return np.asarray(-np.arctan(aside * np.tan(FIELD_OF_VIEW / 2)))


def _evidence(each: Room, shares_TWC: Floats, word: int) -> tuple[float, float, Floats]:
    """The bearing of a word, the second it first appears, and the weight of each frame."""
    weights_TW = np.maximum(shares_TWC[:, :, word], 0) ** 2 + 1e-9
    angles_TW = each.yaws_T[:, None] + _column_angles()
    bearing = float(np.angle((weights_TW * np.exp(1j * angles_TW)).sum()))
    seen_T = np.maximum(shares_TWC[:, :, word], 0).sum(axis=1)
    first = int(np.argmax(seen_T >= 0.5 * seen_T.max()))
    return bearing, first / (FRAMES - 1) * each.seconds, seen_T**2 + 1e-9


def _things(kind: str, shares: Callable[[Room], Floats], each: Room) -> tuple[Floats, Floats]:
    """Things: the features of the frames that show each, and the logarithm of its distance."""
    rows = []
    for name in each.layout.names:
        weights_T = _evidence(each, shares(each), WORDS.index(name))[2]
        rows.append(weights_T @ getattr(each, kind) / weights_T.sum())
    metres = np.linalg.norm(each.layout.at_N2, axis=1)
    return np.array(rows), np.log(np.maximum(metres, 0.3))[:, None]


def place(layer: int, each: Room) -> tuple[Floats, Floats]:
    """Things: the decoder's state after a question, and the place in metres."""
    return each.states_KND[layer], each.layout.at_N2


def appears(layer: int, each: Room) -> tuple[Floats, Floats]:
    """Things: the decoder's state after a question, and the second of first appearance."""
    return each.states_KND[layer], each.layout.first_N[:, None]


def answered(rooms: Sequence[Room], read: Callable[[Room], Layout]) -> dict[str, list[float]]:
    """The share of right answers by exact geometry on layouts that were read.

    Each task has the share, the number of questions, and the ends of a 95% interval over rooms.
    """
    counts = np.zeros((len(rooms), len(TASKS), 2))
    for number, each in enumerate(rooms):
        layout = read(each)
        for column, task in enumerate(TASKS):
            rng = np.random.default_rng([number, column])
            asked = [ask(task, each.layout, rng) for _ in range(PER_TASK)]
            right = [solve(one, layout) == one.right for one in asked if one is not None]
            counts[number, column] = sum(right), len(right)
    drawn = np.random.default_rng(0).integers(len(rooms), size=(DRAWS, len(rooms)))
    sums = counts[drawn].sum(axis=1)
    low, high = np.quantile(sums[..., 0] / sums[..., 1], (0.025, 0.975), axis=0)
    total = counts.sum(axis=0)
    return {
        task: [float(total[n, 0] / total[n, 1]), int(total[n, 1]), float(low[n]), float(high[n])]
        for n, task in enumerate(TASKS)
    }


def _chance(rooms: Sequence[Room]) -> dict[str, list[float]]:
    """The share that the layout of another room gets, with its things' names exchanged."""
    rng = np.random.default_rng(5)

    def other(each: Room) -> Layout:
        turn = rng.permutation(len(each.layout.names))
        at, first = each.layout.at_N2[turn], each.layout.first_N[turn]
        return Layout(names=each.layout.names, at_N2=at, first_N=first)

    return answered(rooms, other)


def from_frames(kind: str, train: Sequence[Room], test: Sequence[Room]) -> dict[str, object]:
    """What frames tell, if the camera's poses are known exactly."""
    seen, read_shares = probe(train, test, partial(shown, kind))

    def shares(each: Room) -> Floats:
        return read_shares(getattr(each, kind)).reshape(FRAMES, COLUMNS, -1)

    far, read_far = probe(train, test, partial(_things, kind, shares))

    def read(each: Room) -> Layout:
        found = [_evidence(each, shares(each), WORDS.index(name)) for name in each.layout.names]
        metres = np.exp(read_far(_things(kind, shares, each)[0]))[:, 0]
        at = [(r * np.cos(b), r * np.sin(b)) for r, (b, _, _) in zip(metres, found, strict=True)]
        first = np.array([second for _, second, _ in found])
        return Layout(names=each.layout.names, at_N2=np.array(at), first_N=first)

    return {
        "columns": seen,
        "log_distance": far,
        "bearing_error_degrees": _bearing_error(test, read),
        "place_error_metres": _place_error(test, read),
        "answers": answered(test, read),
    }


def _bearing_error(rooms: Sequence[Room], read: Callable[[Room], Layout]) -> float:
    errors = []
    for each in rooms:
        one, two = (layout.at_N2 @ [1, 1j] for layout in (each.layout, read(each)))
        errors += list(np.abs(np.angle(one / two, deg=True)))
    return float(np.median(errors))


def _place_error(rooms: Sequence[Room], read: Callable[[Room], Layout]) -> float:
    pairs = [(each.layout.at_N2, read(each).at_N2) for each in rooms]
    return float(np.median(np.concatenate([np.linalg.norm(a - b, axis=1) for a, b in pairs])))


def from_states(train: Sequence[Room], test: Sequence[Room], layer: int) -> dict[str, object]:
    """What the decoder's state tells after a question about the thing."""
    where, read_place = probe(train, test, partial(place, layer))
    when, read_when = probe(train, test, partial(appears, layer))

    def read(each: Room) -> Layout:
        states = each.states_KND[layer]
        at, first = read_place(states), read_when(states)[:, 0]
        return Layout(names=each.layout.names, at_N2=at, first_N=first)

    return {
        "place": where,
        "first_second": when,
        "bearing_error_degrees": _bearing_error(test, read),
        "place_error_metres": _place_error(test, read),
        "answers": answered(test, read),
    }


def main() -> None:
    """Probe, and write all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(MODEL))
    parser.add_argument("--seed", type=int, default=210022)
    parser.add_argument("--train", type=int, default=200, help="rooms, before those of the test")
    parser.add_argument("--test", type=int, default=60)
    parser.add_argument("--cache", type=Path, default=Path("build/rooms-probes"))
    parser.add_argument("--out", type=Path, default=Path("build/rooms-probes/probes.json"))
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    model, processor = load_model(options.model), load_processor(options.model)
    numbers = range(options.train + options.test)
    found = [room(model, processor, options.seed, n, options.cache) for n in numbers]
    train = [each for each in found[: options.train] if each is not None]
    test = [each for each in found[options.train :] if each is not None]
    result = {
        "rooms": {"seed": options.seed, "train": len(train), "test": len(test)},
        "encoder": from_frames("encoder_TD", train, test),
        "projector": from_frames("tokens_TD", train, test),
        "decoder": [from_states(train, test, n) for n in range(len(test[0].states_KND))],
        "true": answered(test, lambda each: each.layout),
        "exchanged": _chance(test),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
