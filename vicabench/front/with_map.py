"""Questions with a map of their scene in the prompt: `vicabench run --with-map`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.front.folders import run_folders
from vicabench.mapping.asking import categories_of
from vicabench.mapping.drawn import own_maps
from vicabench.mapping.given import OWN, TRUE, with_maps
from vicabench.mapping.reading import Map
from vicabench.mapping.truth import true_maps

if TYPE_CHECKING:
    from vicabench.front.benchmark import Selection
    from vicabench.front.run_options import RunOptions


def mapped(asked: Selection, model: str, given: RunOptions) -> Selection:
    """The selected questions with the maps that `--with-map` names; unchanged without it.

    Raises:
        ConfigError: None of the videos has a map.
        DataError: The maps cannot be read.
    """
    if given.with_map is None:
        return asked
    benchmark = asked.benchmark
    maps: Mapping[str, Map | None]
    if given.with_map == TRUE:
        kind, maps = TRUE, dict(true_maps(benchmark, categories_of(benchmark), given.meta))
    else:
        kind, maps = OWN, own_maps(_folder(given, model, benchmark.name))
    whole, questions = with_maps(benchmark, asked.questions, maps, kind)
    return replace(asked, benchmark=whole, questions=questions)


def _folder(given: RunOptions, model: str, benchmark: str) -> Path:
    """The run folder of `vicabench maps` that `--with-map` names, or the model's default one."""
    if given.with_map != OWN:
        return Path(str(given.with_map))
    suffix = "-blind" if given.model.blind else ""
    return run_folders([model], f"{benchmark} maps", suffix=suffix)[model]
