"""The questions about one scene: a fair mix of all ten types, the same for the same scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

from vicabench.datasets.rooms import comparisons, directions, numeric, routes
from vicabench.datasets.rooms.choices import Draft, Draw
from vicabench.datasets.rooms.facts import Facts, facts_of
from vicabench.datasets.rooms.sightings import Sightings
from vicabench.datasets.rooms.world import Scene
from vicabench.errors import ConfigError
from vicabench.types import Question

DEFAULT_LIMIT = 18

ASKED: dict[str, Callable[[Facts, Draw], Iterator[Draft]]] = {
    "object_counting": numeric.counting,
    "object_abs_distance": numeric.abs_distance,
    "object_size_estimation": numeric.size,
    "room_size_estimation": numeric.room,
    "object_rel_distance": comparisons.rel_distance,
    "object_rel_direction_easy": directions.easy,
    "object_rel_direction_medium": directions.medium,
    "object_rel_direction_hard": directions.hard,
    "route_planning": routes.route,
    "obj_appearance_order": comparisons.order,
}
"""Who asks each question type. The order numbers the streams of chance: add at the end only."""

MIX = (
    "object_rel_direction_medium",
    "object_rel_direction_easy",
    "route_planning",
    "object_counting",
    "obj_appearance_order",
    "object_rel_distance",
    "object_abs_distance",
    "object_size_estimation",
    "room_size_estimation",
    "object_rel_direction_hard",
    "object_counting",
    "obj_appearance_order",
    "object_rel_distance",
    "object_abs_distance",
    "object_size_estimation",
    "object_rel_direction_hard",
    "object_abs_distance",
    "object_size_estimation",
)
"""Whose turn it is, over and over until there are enough; who has nothing left is passed over."""


def questions_for(
    scene: Scene, sightings: Sightings, *, limit: int = DEFAULT_LIMIT
) -> tuple[Question, ...]:
    """Up to `limit` questions about the scene, fewer only when it gives rise to no more.

    The questions depend on the scene's seed and number alone, and a larger limit only adds to
    those of a smaller one. Raises ConfigError for a limit below 1.
    """
    if limit < 1:
        raise ConfigError(f"At least one question a scene is needed; asked for {limit}.")
    facts = facts_of(scene, sightings)
    number = int(scene.name.rsplit("-", 1)[1])
    askers = {
        task: ask(facts, Draw(seed=scene.seed, scene=number, stream=stream))
        for stream, (task, ask) in enumerate(ASKED.items())
    }
    drafts = _take(askers, limit)
    return tuple(_question(scene, n, task, draft) for n, (task, draft) in enumerate(drafts))


def _take(askers: dict[str, Iterator[Draft]], limit: int) -> list[tuple[str, Draft]]:
    """Lets the types ask in turn, as `MIX` has it, until the limit is reached or all are done."""
    taken: list[tuple[str, Draft]] = []
    done: set[str] = set()
    for task in cycle(MIX):
        if len(taken) == limit or len(done) == len(askers):
            return taken
        draft = next(askers[task], None)
        if draft is None:
            done.add(task)
        else:
            taken.append((task, draft))
    return taken


def _question(scene: Scene, number: int, task: str, draft: Draft) -> Question:
    return Question(
        id=f"{scene.name}-{number:02d}",
        video=f"rooms/{scene.name}",
        task=task,
        text=draft.text,
        answer=draft.answer,
        options=draft.options,
    )
