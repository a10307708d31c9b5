"""Which conversations are packed together, and in which order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from vica.training.config import Batch, Hardware, LearningRates, Mixture, Source, TrainingConfig
from vica.training.index import Conversations, conversations
from vica.training.packing import Plan, make_plan
from vica.training.records import Conversation

VISUAL, TOKENS = 100, 10
"""The positions of every visual and of every conversation's text in these tests."""


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


def about(shown: Mapping[str, str], count: int) -> list[dict[str, Any]]:
    image = "<image>\n" if shown else ""
    text = image + "long enough that its bytes are no bound of use" * 4
    return [
        {
            **shown,
            "id": str(number),
            "conversations": [
                {"from": "human", "value": text},
                {"from": "gpt", "value": str(number)},
            ],
        }
        for number in range(count)
    ]


def read(file: Path, records: list[dict[str, Any]]) -> Conversations:
    file.write_text(json.dumps(records), encoding="utf-8")
    return conversations(Mixture(sources=(Source(path=str(file)),)), media_needed=False)


RECORDS = [
    *about({"video": "a.mp4"}, 10),
    *about({"video": "b.mp4"}, 3),
    *about({"image": "c.jpg"}, 1),
    *about({}, 5),
]


@pytest.fixture
def data(tmp_path: Path) -> Conversations:
    return read(tmp_path / "data.json", RECORDS)


def plan_of(settings: TrainingConfig, data: Conversations) -> Plan:
    return make_plan(data, settings, shared=lambda _: VISUAL, own=lambda _: TOKENS)


def test_packs_have_one_visual_and_epochs_every_conversation(
    data: Conversations,
) -> None:
    plan = plan_of(config(), data)
    assert all(len({data[index].visual for index in pack}) <= 1 for pack in plan.packs)
    assert max(map(len, plan.packs)) == 4
    first = 3 + 1 + 1 + 2  # ten, three, one and five conversations, four at a time
    assert sorted(index for pack in plan.packs[:first] for index in pack) == list(range(len(data)))
    assert len(plan.packs) == first + 4  # half an epoch more, rounded up


def test_packs_keep_within_their_tokens(data: Conversations) -> None:
    plan = plan_of(config(batch=Batch(pack=8, max_tokens=VISUAL + 3 * TOKENS)), data)
    assert max(map(len, plan.packs)) == 3
    alone = plan_of(config(batch=Batch(pack=8, max_tokens=VISUAL)), data)
    assert max(map(len, alone.packs)) == 1


def test_planning_tokenises_each_text_about_once(data: Conversations) -> None:
    counted: list[Conversation] = []

    def own(conversation: Conversation) -> int:
        counted.append(conversation)
        return TOKENS

    settings = config(batch=Batch(pack=10, max_tokens=VISUAL + 3 * TOKENS))
    plan = make_plan(data, settings, shared=lambda _: VISUAL, own=own)
    assert len(counted) <= 2 * len(data) + len(
        plan.packs
    )  # of the two epochs, the second is trained half


def test_the_order_depends_on_the_seed_alone(
    data: Conversations,
) -> None:
    one = plan_of(config(batch=Batch(pack=4, accumulation=4)), data)
    four = plan_of(config(batch=Batch(pack=4, packs_per_device=2), devices=2), data)
    assert one == four
    assert len(one.packs) % 4 == 0
    assert one.packs[-1] == ()
    assert plan_of(config(seed=1), data).packs != plan_of(config(), data).packs


def test_other_data_has_another_digest(data: Conversations, tmp_path: Path) -> None:
    changed = read(tmp_path / "other.json", [*RECORDS[:-1], *about({"video": "d.mp4"}, 1)])
    assert plan_of(config(), changed).digest != plan_of(config(), data).digest
