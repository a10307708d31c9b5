"""Which conversations are packed together, and in which order."""

from __future__ import annotations

from pathlib import Path

from vica.training.config import Batch, Hardware, LearningRates, Mixture, Source, TrainingConfig
from vica.training.packing import Plan, make_plan
from vica.training.types import IMAGE, TEXT, VIDEO, Conversation, Kind

VISUAL, TOKENS = 100, 10
"""Positions of every visual, and of every conversation's own text, in these tests."""


def config(*, batch: Batch | None = None, devices: int = 1, seed: int = 0) -> TrainingConfig:
    return TrainingConfig(
        name="n",
        base="b",
        shape="vica2-tiny",
        mixture=Mixture(sources=(Source(path="p"),)),
        learning_rates=LearningRates(
            language_model=1e-3,
            semantic_encoder=None,
            semantic_projector=None,
            spatial_projector=None,
        ),
        output="o",
        epochs=1.5,
        batch=batch or Batch(pack=4),
        hardware=Hardware(devices=devices),
        seed=seed,
    )


def about(name: str | None, kind: Kind, count: int) -> list[Conversation]:
    text = "long enough that its bytes are no bound of use" * 4
    return [
        Conversation(
            id=f"{name}-{n}",
            turns=(("human", text), ("gpt", str(n))),
            visual=None if name is None else Path(name),
            kind=kind,
            file=Path("f.json"),
            index=n,
        )
        for n in range(count)
    ]


DATA = about("a.mp4", VIDEO, 10) + about("b.mp4", VIDEO, 3) + about("c.jpg", IMAGE, 1)
DATA += about(None, TEXT, 5)


def plan_of(settings: TrainingConfig, data: list[Conversation] = DATA) -> Plan:
    return make_plan(data, settings, shared=lambda _: VISUAL, own=lambda _: TOKENS)


def test_a_pack_shows_one_visual_and_an_epoch_has_each_conversation_once() -> None:
    plan = plan_of(config())
    assert all(len({DATA[index].visual for index in pack}) <= 1 for pack in plan.packs)
    assert max(map(len, plan.packs)) == 4
    whole = [pack for pack in plan.packs if pack]
    first = 3 + 1 + 1 + 2  # ten, three, one and five conversations, four at a time
    assert sorted(index for pack in whole[:first] for index in pack) == list(range(len(DATA)))
    assert len(whole) == first + 4  # half an epoch more, rounded up


def test_packs_keep_within_their_tokens() -> None:
    plan = plan_of(config(batch=Batch(pack=8, max_tokens=VISUAL + 3 * TOKENS)))
    assert max(map(len, plan.packs)) == 3
    alone = plan_of(config(batch=Batch(pack=8, max_tokens=VISUAL)))
    assert max(map(len, alone.packs)) == 1


def test_the_order_is_the_seeds_and_does_not_depend_on_how_a_step_is_divided() -> None:
    one = plan_of(config(batch=Batch(pack=4, accumulation=4)))
    four = plan_of(config(batch=Batch(pack=4, packs_per_device=2), devices=2))
    assert one == four
    assert len(one.packs) % 4 == 0
    assert one.packs[-1] == ()
    assert plan_of(config(seed=1)).packs != plan_of(config()).packs


def test_other_data_has_another_digest() -> None:
    changed = [*DATA[:-1], *about("d.mp4", VIDEO, 1)]
    assert plan_of(config(), changed).order_digest != plan_of(config()).order_digest
