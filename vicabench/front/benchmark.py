"""What is asked: a benchmark and its selected questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.benchmarks import DEFAULT, Source, custom, load_benchmark
from vicabench.benchmarks.own import benchmark_of_rows
from vicabench.engine.options import check_number
from vicabench.errors import ConfigError, an, counted
from vicabench.front.progress import building
from vicabench.front.repeating import asked_as
from vicabench.results.frames import frame_of
from vicabench.results.plan import select
from vicabench.rubric import Task
from vicabench.screen import console
from vicabench.types import Benchmark, Question

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A benchmark and its selected questions."""

    benchmark: Benchmark
    questions: tuple[Question, ...] = field(repr=False)
    options: Mapping[str, Any] | None = field(default=None, repr=False)
    """The options of `vicabench run` that select the same; None if they cannot be typed."""

    def __repr__(self) -> str:
        videos = len({q.video for q in self.questions})
        asked = f"{len(self.questions):,} of {counted(len(self.benchmark.questions), 'question')}"
        return f"<{self.benchmark.name}: {asked}, {counted(videos, 'video')}>"

    def frame(self) -> DataFrame:
        """One row per question: id, video, task, question, options and truth."""
        rows = [
            {
                "id": q.id,
                "video": q.video,
                "task": q.task,
                "question": q.text,
                "options": list(q.options),
                "truth": q.answer,
            }
            for q in self.questions
        ]
        return frame_of(rows, ("id", "video", "task", "question", "options", "truth"))


Asked = Selection | Benchmark | str | Path | Sequence[Mapping[str, Any]] | Any
"""What `benchmark` takes: a name, a path, rows, or a selection made before."""


def benchmark(
    source: Asked = DEFAULT,
    *,
    limit: int | None = None,
    tasks: Sequence[str | Task] | Mapping[str, Any] = (),
    columns: Mapping[str, str] | None = None,
    subset: str = "full",
    revision: str | None = None,
    config: str | None = None,
    split: str | None = None,
    data: str | Path | None = None,
    videos: str | Path | None = None,
    name: str = "rows",
    videos_needed: bool = True,
    progress: bool = True,
) -> Selection:
    """Load a benchmark and select questions.

    Args:
        source: A name, the hub id of a data set (`owner/name`), the path of a folder with
            `benchmark.yaml` or of a file of questions, rows, or a selection made before.
        limit: Select only the first `limit` videos.
        tasks: Select these tasks or question types. For rows: the tasks themselves, as `Task`s or
            as in `benchmark.yaml` (`{"seen": {"kind": "yes/no"}}`); by default VSI-Bench's.
        columns: For rows with tasks: our names of columns (`ground_truth`) to those of the rows.
        subset: A part of the benchmark, such as `debiased`.
        revision: For a hub id: a commit, tag or branch. The commit is recorded in every run.
        config: For a hub id: the name of a configuration.
        split: For a hub id: the name of a split; by default `test`, or the only one.
        data: The folder that a published benchmark was downloaded to.
        videos: For questions of your own: the folder of their videos.
        name: The name of rows.
        videos_needed: Whether to refuse a benchmark without a single video on disk.
        progress: Whether to show the progress of building Rooms.

    Raises:
        ConfigError, DataError: For what does not exist, is malformed or would have no effect.
    """
    where: dict[str, Any] = {"subset": subset, "revision": revision, "config": config}
    where |= {"split": split, "data": data, "videos": videos}
    _check(source, limit, name, where)
    if isinstance(source, Selection) and limit is None and not tasks:
        return source
    given = _source(where, videos_needed)
    if custom.defines_tasks(tasks):
        loaded = _described_rows(source, tasks, columns, given, name)
        return Selection(benchmark=loaded, questions=select(loaded, limit=limit))
    if columns is not None:
        raise ConfigError("columns is for rows with their own tasks: give tasks= too.")
    loaded = _loaded(source, given, name, progress)
    wanted = [tasks] if isinstance(tasks, str) else [str(task) for task in tasks]
    options = None
    if isinstance(source, str | Path):
        options = asked_as(source, **where, limit=limit, tasks=tuple(wanted))
    questions = select(loaded, limit=limit, tasks=wanted)
    return Selection(benchmark=loaded, questions=questions, options=options)


def _source(where: Mapping[str, Any], videos_needed: bool) -> Source:
    return Source(
        subset=where["config"] or where["subset"],
        revision=where["revision"],
        split=where["split"],
        data=_path(where["data"]),
        videos=_path(where["videos"]),
        videos_needed=videos_needed,
    )


def _check(source: Asked, limit: int | None, name: str, where: Mapping[str, Any]) -> None:
    """Raise ConfigError for arguments that are out of bounds, contradict or have no effect."""
    check_number("limit", limit, optional=True)
    if where["config"] is not None and where["subset"] != "full":
        raise ConfigError("config and subset mean the same: give one of them.")
    _refuse_ignored(source, **where, name=name)


def _described_rows(
    source: Asked, tasks: Any, columns: Mapping[str, str] | None, given: Source, name: str
) -> Benchmark:
    if isinstance(source, str | Path | Selection | Benchmark):
        raise ConfigError(
            "tasks= defines the tasks of rows (a list of dicts, a DataFrame). A file has them in "
            "benchmark.yaml: `vicabench init` writes one."
        )
    return custom.of_rows(
        source,
        tasks,
        name=name,
        videos=given.videos,
        videos_needed=given.videos_needed,
        columns=columns,
    )


def _loaded(source: Asked, given: Source, name: str, progress: bool) -> Benchmark:
    if isinstance(source, Selection):
        return source.benchmark
    if isinstance(source, Benchmark):
        return source
    if isinstance(source, str | Path):
        shown = building(console(stderr=True), f"Building {source}") if progress else nullcontext()
        with shown as advance:
            return load_benchmark(str(source), replace(given, progress=advance))
    return benchmark_of_rows(source, name, given.videos, videos_needed=given.videos_needed)


def _refuse_ignored(source: Asked, **given: Any) -> None:
    """Raise ConfigError for arguments that do not apply to a source of this kind."""
    usual = {**dict.fromkeys(given), "subset": "full", "name": "rows"}
    if isinstance(source, Selection | Benchmark):
        unused = set(usual)
    else:
        unused = {"name"} if isinstance(source, str | Path) else usual.keys() - {"videos", "name"}
    if ignored := [name for name in given if name in unused and given[name] != usual[name]]:
        kind = "a name or path" if isinstance(source, str | Path) else an(type(source).__name__)
        raise ConfigError(f"{', '.join(ignored)} would have no effect with {kind}: leave that out.")


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
