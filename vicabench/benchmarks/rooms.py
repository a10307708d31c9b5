"""Rooms, the built-in benchmark of procedural furnished rooms with exact 3D ground truth."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vicabench import files
from vicabench.benchmarks.own import read_questions
from vicabench.benchmarks.paths import cache_dir
from vicabench.benchmarks.source import Source, refuse
from vicabench.errors import ConfigError
from vicabench.rooms.build import Progress, build
from vicabench.rooms.folder import MANIFEST, QUESTIONS
from vicabench.rooms.scene import GENERATOR, GENERATORS
from vicabench.types import Benchmark

DEFAULT_SCENES = 12
MOST_WORKERS = 4
VARIANT = "generator"


def load(
    *,
    scenes: int = DEFAULT_SCENES,
    seed: int = 0,
    generator: str = GENERATOR,
    videos_needed: bool = True,
    progress: Progress | None = None,
) -> Benchmark:
    """Load Rooms of a generator, which are built into the user's cache on first use.

    Without `videos_needed` only the questions are made, and the videos when they are first needed.
    `progress` is told (scenes done, scenes in all) during a build only. Raises as `build` does.
    """
    folder = built(
        scenes=scenes, seed=seed, generator=generator, films=videos_needed, progress=progress
    )
    questions = read_questions(folder / QUESTIONS)
    digest = json.loads(files.read(folder / MANIFEST))["sha256"][QUESTIONS]
    return Benchmark(
        name="rooms",
        subset="full" if generator == GENERATOR else f"{VARIANT}{generator}",
        revision=f"{VARIANT}{generator}-seed{seed}-{digest[:16]}",
        questions=questions,
        files={question.video: folder / f"{question.video}.mp4" for question in questions},
    )


def built(
    *,
    scenes: int = DEFAULT_SCENES,
    seed: int = 0,
    generator: str = GENERATOR,
    films: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder of Rooms in the user's cache, built on first use; raises as `build` does."""
    name = f"{VARIANT}{generator}-seed{seed}-scenes{scenes}"
    folder = cache_dir() / "rooms" / name
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    build(
        folder,
        scenes=scenes,
        seed=seed,
        generator=generator,
        workers=workers,
        films=films,
        progress=progress,
    )
    return folder


class Rooms:
    """Rooms, found by its name; see `source.Loader`."""

    def load(self, source: Source) -> Benchmark:
        """Load Rooms; `rooms:generator2` has the rooms of that generator.

        Raises:
            ConfigError: For an unknown generator, or an option that Rooms does not have.
        """
        refuse("rooms", data=source.data, videos=source.videos)
        known = {"full": GENERATOR, **{f"{VARIANT}{each}": each for each in GENERATORS}}
        if source.subset not in known:
            raise ConfigError(
                f"The benchmark rooms has no --subset {source.subset}. Variants are "
                f"{', '.join(f'rooms:{VARIANT}{each}' for each in GENERATORS)}."
            )
        return load(
            generator=known[source.subset],
            videos_needed=source.videos_needed,
            progress=source.progress,
        )


BENCHMARK = Rooms()
