"""Cognitive maps of every video of a benchmark by a model: `vicabench maps`."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.adapters import find_adapter
from vicabench.benchmarks import DEFAULT
from vicabench.engine.shards import Shard
from vicabench.errors import ConfigError, counted, csv_text, is_unicode
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.describe import check_applicable, check_sees
from vicabench.front.run import run_selection
from vicabench.front.run_options import RunOptions
from vicabench.mapping.asking import FIELD, MAX_NEW_TOKENS, PROMPT, categories_of, map_requests
from vicabench.mapping.distances import accuracy, by_distance
from vicabench.mapping.drawn import FILE, Drawn, drawn_in, kept_maps, write_maps
from vicabench.mapping.truth import true_maps
from vicabench.options import FRAMES
from vicabench.reporting.page.maps import DrawnMaps, render_maps
from vicabench.reporting.scores import sheet_html
from vicabench.reporting.tables import TOO_FEW, Sheet, cell_text, show_sheets
from vicabench.results.below import folders_below, is_run
from vicabench.results.frames import frame_of
from vicabench.results.run import Run, load_any, load_runs
from vicabench.screen import as_text
from vicabench.types import Estimate

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("model", "video", "map", "unread", "true", "pairs", "right")


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The maps that a model drew, and how well they keep the distances between categories.

    Attributes:
        drawn: The map of each video, beside the true one.
        score: The share of right distances in percent, over all pairs of categories.
        near_to_far: The same by the true distance, in the ranges of the paper's Table 5.
    """

    run: Run
    drawn: tuple[Drawn, ...] = field(repr=False)
    score: Estimate
    near_to_far: Mapping[str, Estimate] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether there is a reply for every video, read or not."""
        return not self.run.unasked and all(p.response is not None for p in self.run.predictions)

    def frame(self) -> DataFrame:
        """One row per video: its map, why it is unread, the true map, pairs and right ones."""
        return frame_of(
            [{"model": self.run.name, **each.to_json()} for each in self.drawn], COLUMNS
        )

    def sheets(self) -> list[Sheet]:
        """The tables that `vicabench maps` prints."""
        return maps_sheets([self])

    def text(self) -> str:
        """What `vicabench maps` prints."""
        return as_text(lambda page: show_sheets(page, self.sheets()))

    def to_json(self) -> dict[str, Any]:
        """The scores as JSON values, with those of each video."""
        return {
            "model": self.run.name,
            "run": str(self.run.path),
            "protocol": "arXiv 2412.14171, appendix B.4",
            "score": _known(self.score),
            "by_distance": {name: _known(each) for name, each in self.near_to_far.items()},
            "videos": [each.to_json() for each in self.drawn],
        }

    def _repr_html_(self) -> str:
        return "".join(sheet_html(sheet) for sheet in self.sheets())


def maps(
    model: str,
    videos_of: Asked = DEFAULT,
    *,
    meta: str | Path | None = None,
    prompt: str = PROMPT,
    out: str | Path | None = None,
    frames: int = FRAMES,
    limit: int | None = None,
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    retry_errors: bool = False,
    shard: str | Shard | None = None,
    progress: bool = True,
    **options: Any,
) -> Maps:
    """Have a model draw a map of every video once, on a grid of 10x10 cells, and score the maps.

    Repeating the call continues an interrupted run. The run folder keeps the maps in `maps.jsonl`.

    Args:
        model: A model as `vicabench.run` takes it, which looks at videos.
        videos_of: The benchmark, as `vicabench.benchmark` takes it, with questions of VSI-Bench's
            types: a map is asked for the categories that the questions about its video name.
        meta: The folder of VSI-Bench's `*_meta_info_*.json`, for its true maps; Rooms needs none.
        prompt: The prompt, with `{categories}` where they are named; the paper's by default.
        out: The run folder; `runs/BENCHMARK-maps/MODEL` by default.
        max_new_tokens: Maximum number of tokens in a reply.

    The other arguments and the errors raised are those of `vicabench.run`.

    Source: arXiv 2412.14171, section 6.1 and appendix B.4.
    """
    check_sees([model])
    check_map_prompt(prompt)
    find_adapter(model)
    check_applicable(options, "maps")
    given = RunOptions.of({**options, "max_new_tokens": max_new_tokens}, frames=frames)
    given.check()
    loaded = benchmark(videos_of, progress=progress).benchmark
    categories = categories_of(loaded)
    truths = true_maps(loaded, categories, None if meta is None else Path(meta))
    run = run_selection(
        benchmark(map_requests(loaded, prompt), limit=limit),
        model,
        given,
        out=None if out is None else Path(out),
        seed=seed,
        retry_errors=retry_errors,
        shard=shard,
        protocol=None,
        progress=progress,
        load=load_any,
    )
    return _scored(run, list(drawn_in(run, categories, truths)))


def _scored(run: Run, drawn: list[Drawn]) -> Maps:
    """Keep the maps that a run drew, and score them."""
    write_maps(run.path, drawn)
    return _maps_of(run, drawn)


def _maps_of(run: Run, drawn: list[Drawn]) -> Maps:
    pairs = [pair for each in drawn for pair in each.pairs]
    return Maps(run=run, drawn=tuple(drawn), score=accuracy(pairs), near_to_far=by_distance(pairs))


def maps_below(given: Sequence[Run | str | Path]) -> list[Path]:
    """The run folders of maps at these paths, or below them; none if no path leads to maps alone.

    Raises:
        ConfigError: Some of the paths lead to maps alone, and others to other runs.
    """
    below = [[each.path] if isinstance(each, Run) else _runs_at(Path(each)) for each in given]
    drawn = [all((folder / FILE).is_file() for folder in folders) for folders in below]
    if any(drawn) and not all(drawn):
        raise ConfigError(
            "Some of these runs hold cognitive maps, and others answers to questions, which have "
            "different pages. Name the runs of one kind."
        )
    return [folder for folders in below for folder in folders] if any(drawn) else []


def _runs_at(path: Path) -> list[Path]:
    return [path] if is_run(path) else folders_below(path)


def maps_page(folders: Sequence[Path], *, command: str, made: Mapping[str, str]) -> str:
    """The page of the maps that these run folders keep, drawn beside the true ones.

    Raises:
        ConfigError: A folder is named twice.
        DataError: A folder's maps or replies are malformed.
    """
    runs = load_runs(folders, load_any)
    found = [_maps_of(run, kept_maps(run.path)) for run in runs]
    models = [DrawnMaps(run=each.run, drawn=each.drawn) for each in found]
    return render_maps(models, maps_sheets(found), command=command, made=made)


def check_map_prompt(prompt: str) -> None:
    """Raise ConfigError for a prompt that does not name the categories, or is not Unicode."""
    if FIELD not in prompt or not is_unicode(prompt):
        raise ConfigError(f"--prompt must be UTF-8 text that contains {FIELD}.")


def maps_sheets(found: Sequence[Maps]) -> list[Sheet]:
    """How many maps were read, and their scores, overall and by true distance."""
    return [_overall(found), _near_to_far(found)]


def _overall(found: Sequence[Maps]) -> Sheet:
    notes = [
        "Distances: of all pairs of categories in the true maps, the share whose distance differs "
        f"by at most one cell, with its 95% interval over videos; {TOO_FEW}. The distance of two "
        "categories is the shortest one between their objects (arXiv 2412.14171, appendix B.4). "
        "Pairs without both categories in a map, and all pairs of unread maps, are wrong.",
    ]
    for each in found:
        notes += [f"{each.run.name}: {note}" for note in _notes(each)]
    return Sheet(
        title="Cognitive maps",
        columns=("", "videos", "read", "unread", "distances", "pairs", "missing"),
        rows=tuple((each.run.name, *_row(each)) for each in found),
        notes=tuple(notes),
    )


def _row(found: Maps) -> tuple[str, ...]:
    unread = sum(each.found is None for each in found.drawn)
    counts = (len(found.drawn), len(found.drawn) - unread, unread)
    score = found.score
    return (
        *(f"{count:,}" for count in counts),
        cell_text(score),
        f"{score.count:,}",
        f"{score.failed:,}",
    )


def _notes(found: Maps) -> list[str]:
    notes = [found.run.part] if found.run.part else []
    if why := Counter(each.unread for each in found.drawn if each.unread):
        notes.append("unread: " + "; ".join(f"{reason} ({n})" for reason, n in why.most_common(5)))
    if unknown := sum(each.truth is None for each in found.drawn):
        notes.append(
            f"{counted(unknown, 'video')} without a true map, and so without a score; those of "
            "VSI-Bench need --meta"
        )
    return notes


def _near_to_far(found: Sequence[Maps]) -> Sheet:
    return Sheet(
        title="Distances by their true length in cells",
        columns=("", *found[0].near_to_far),
        rows=tuple(
            row
            for each in found
            for row in (
                (each.run.name, *map(cell_text, each.near_to_far.values())),
                ("  pairs", *(f"{one.count:,}" for one in each.near_to_far.values())),
            )
        ),
    )


def maps_csv(found: Sequence[Maps]) -> str:
    """One line per model and video."""
    rows = [
        {"model": one.run.name, **{k: _cell(v) for k, v in each.to_json().items()}}
        for one in found
        for each in one.drawn
    ]
    return csv_text(COLUMNS, rows)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, Mapping) else value


def _known(estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON values, None for what is not a number."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(estimate).items()
    }
