"""What a run would ask, take and cost, before anything is loaded: `vicabench run --dry-run`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from vicabench.adapters import find_adapter, never_looks
from vicabench.adapters.api.account import BATCH_SHARE, Price, Usage, price_of
from vicabench.adapters.extras import explained
from vicabench.benchmarks import DEFAULT
from vicabench.engine.run import sampling_of
from vicabench.engine.shards import Shard
from vicabench.errors import RunFolderError, UserError, counted, csv_text
from vicabench.front.asked_as import asked_as, decision_lines
from vicabench.front.benchmark import Asked, Selection
from vicabench.front.folders import run_folders
from vicabench.front.measured import Measured, measured
from vicabench.front.models import published_size
from vicabench.front.run import shard_named
from vicabench.front.run_options import RunOptions
from vicabench.front.with_map import mapped
from vicabench.options import FRAMES
from vicabench.predictions import Prediction
from vicabench.reporting.tables import Sheet
from vicabench.results.plan import (
    by_video,
    owed,
    refuse_fewer_repeats,
    refuse_to_shrink,
    repeated,
)
from vicabench.results.store import planned_ids, planned_repeats, read_config, run_predictions
from vicabench.types import Question

MEMORY = ("parameters", "weights", "prefix", "dtype", "device")
CSV_COLUMNS = (
    *("model", "benchmark", "folder", "questions", "videos", "frames", "fps", "missing"),
    *("answered", "failed", "owed", "owed_videos", "repeats", "conflict", "video_tokens"),
    *(*MEMORY, "seconds_a_video", "measured_in", "hours", "cost", "preset", "fidelity"),
)
API = "vicabench.adapters.api."
LENGTH = "depends on the length of the video"
FAMILY = ("vicabench.adapters.vica", "vicabench.adapters.family")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The memory that a model is known to want, without activations.

    `weights` and `prefix` (keys and values of one video) are bytes in `dtype` on `device`. By rate,
    `prefix` is that of the most frames, and None without a limit.
    """

    parameters: int
    weights: int
    prefix: int | None
    dtype: str
    device: str


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What a run would ask and take; None stands for what is unknown before it starts.

    Attributes:
        frames: The most frames sampled from a video; 0 if the adapter is known to open none.
        fps: The rate at which they are sampled; None if their number is fixed.
        missing: Videos whose file does not exist on this machine.
        answered: Selected questions that the run folder answers.
        failed: Selected questions that failed in earlier starts.
        repeats: Replies to each question; `answered`, `failed` and `owed` count replies.
        owed: Questions that this start would ask, about `owed_videos` videos.
        conflict: Why the run folder would refuse this start.
        video_tokens: Visual tokens of a video.
        seconds_a_video: As measured by earlier starts on this machine; `measured_in` says where.
        cost: The cost of the owed questions, in the currency of the prices.
        unknown: Why the values that are None are unknown, by name.
        asked_as: What the preset decides for this model and why it is not exact.
    """

    model: str
    benchmark: str
    folder: Path
    questions: int
    videos: int
    frames: int | None
    fps: float | None
    missing: int
    answered: int
    failed: int
    owed: int
    owed_videos: int
    repeats: int
    conflict: str | None
    video_tokens: int | None
    memory: Memory | None
    seconds_a_video: float | None
    measured_in: str | None
    cost: float | None
    unknown: Mapping[str, str]
    asked_as: Mapping[str, Any] | None = None

    @property
    def hours(self) -> float | None:
        """How long the owed videos take at the measured rate."""
        if self.seconds_a_video is None:
            return None if self.owed else 0.0
        return self.owed_videos * self.seconds_a_video / 3600

    def record(self) -> dict[str, Any]:
        """All values as JSON values."""
        return {**asdict(self), "folder": str(self.folder), "hours": self.hours}

    def sheet(self) -> Sheet:
        """A table of two columns."""
        return Sheet(
            title=self.model,
            columns=("", "what a run would take"),
            rows=tuple(_lines(self)),
            texts=2,
        )


def run_plan(
    model: str,
    benchmark: Asked = DEFAULT,
    *,
    out: str | Path | None = None,
    frames: int | None = None,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    seed: int = 0,
    retry_errors: bool = False,
    shard: str | Shard | None = None,
    progress: bool = True,
    **options: Any,
) -> RunPlan:
    """Say what `vicabench.run` with the same arguments would ask, take and cost.

    Loads no model onto a device, asks nothing and writes no run folder. For Rooms, the questions
    are made if they do not exist yet.

    Raises:
        UserError: For the problems that are known before a model is loaded.
        TypeError: For an option that does not exist.
    """
    find_adapter(model)
    given = RunOptions.of(options, frames=frames)
    given.check()
    asked = given.selected(benchmark, limit, tasks, progress, False)
    given, how = asked_as(given, model, asked.benchmark)
    given = given.for_benchmark(asked.benchmark)
    given.video.decoding()
    asked = mapped(asked, model, given)
    if isinstance(shard, str):
        shard = shard_named(shard, given)
    name = asked.benchmark.name
    place = None if out is None else Path(out)
    folders = run_folders([model], name, out=place, suffix=given.suffix, shard=shard)
    if shard:
        asked = Selection(benchmark=asked.benchmark, questions=shard.of(asked.questions))
    plan = _plan(asked, model, folders[model], given, seed, retry_errors)
    return replace(plan, asked_as=how.record() if how else None)


def _plan(
    asked: Selection, model: str, folder: Path, given: RunOptions, seed: int, retry_errors: bool
) -> RunPlan:
    unseen = given.video.no_video or never_looks(model)
    frames, fps = (0, None) if unseen else _budget(given)
    done = run_predictions(folder)
    wanted = repeated(asked.questions, given.repeats)
    mine = _about(done, wanted)
    todo = owed(wanted, done, retry_errors=retry_errors)
    videos = list(by_video(asked.questions))
    unknown: dict[str, str] = {}
    sampling = sampling_of(None if unseen else given.video.decoding())
    looks = {"frames": frames or 0, "sampling": sampling}
    rate = measured(model, asked.benchmark.name, looks, folder, given.model, given.repeats)
    count = sum(map(len, todo.values()))
    tokens, memory = _size(model, frames, given, unknown)
    if fps is not None:
        tokens, unknown["video_tokens"] = None, LENGTH
    if frames is None:
        unknown["frames"] = LENGTH
    if rate.seconds_a_video is None:
        unknown["hours"] = "no earlier run like this one on this machine has timings"
    return RunPlan(
        model=model,
        benchmark=asked.benchmark.name,
        folder=folder,
        questions=len(asked.questions),
        videos=len(videos),
        frames=frames,
        fps=fps,
        missing=sum(not asked.benchmark.files[video].exists() for video in videos),
        **_progress(mine),
        owed=count,
        owed_videos=len(todo),
        repeats=given.repeats,
        conflict=_conflict(folder, asked, wanted, model, looks, seed, done),
        video_tokens=tokens,
        memory=memory,
        seconds_a_video=rate.seconds_a_video,
        measured_in=rate.where,
        cost=_cost(model, count, given, rate, unknown),
        unknown=unknown,
    )


def _about(done: Sequence[Prediction], wanted: Sequence[Question]) -> list[Prediction]:
    keys = {question.key for question in wanted}
    return [prediction for prediction in done if prediction.question.key in keys]


def _progress(mine: Sequence[Prediction]) -> dict[str, Any]:
    """How many replies there are, and how many failed."""
    failed = sum(p.response is None for p in mine)
    return {"answered": len(mine) - failed, "failed": failed}


def _budget(given: RunOptions) -> tuple[int | None, float | None]:
    """The most frames of a video, None without a limit, and the rate if there is one."""
    video = given.video
    return (video.frames or FRAMES, None) if video.fps is None else (video.max_frames, video.fps)


def _conflict(
    folder: Path,
    asked: Selection,
    wanted: Sequence[Question],
    model: str,
    looks: Mapping[str, Any],
    seed: int,
    done: Sequence[Prediction],
) -> str | None:
    """Why the run folder would refuse the start, as far as that is known without the model."""
    try:
        content = read_config(folder)
        if content is None:
            return None
        answered = {p.question.id for p in done}
        refuse_to_shrink(asked.questions, planned_ids(content["plan"]) | answered)
        repeats = 1 + max(question.repeat for question in wanted)
        refuse_fewer_repeats(repeats, planned_repeats(content["plan"]))
    except RunFolderError as error:
        return str(error)
    now: dict[str, Any] = {
        "model": model,
        "benchmark": asked.benchmark.name,
        "subset": asked.benchmark.subset,
        "revision": asked.benchmark.revision,
        "seed": seed,
    }
    there = content["config"]
    now |= looks if there["sampling"] != "none" else {}  # none: the adapter looks at no video
    differing = [f"{k} is {there[k]} there, {v} now" for k, v in now.items() if there[k] != v]
    return "; ".join(differing) or None


def _size(
    model: str, frames: int | None, given: RunOptions, unknown: dict[str, str]
) -> tuple[int | None, Memory | None]:
    """The tokens of a video and the memory; adds to `unknown` what is not known."""
    build, argument = find_adapter(model)
    if never_looks(model) or build.__module__.startswith(API):
        if frames != 0:
            unknown["video_tokens"] = "the provider counts them"
            return None, None
        return 0, None
    if build.__module__ not in FAMILY:
        reason = "known only to the loaded model"
        unknown.update(video_tokens=reason, memory=reason)
        return None, None
    try:
        with explained():
            shapes = import_module("vicabench.adapters.shapes")
            config, _ = shapes.shape_of(argument, published_size(argument))
            place = shapes.place_of(given.model.device, given.model.dtype)
    except UserError as error:
        reason = " ".join(str(error).split())
        unknown.update(video_tokens=reason, memory=reason)
        return None, None
    tokens = config.layout.video(frames).total if frames else 0
    count = sum(shapes.parameters(config).values())
    return tokens, Memory(
        parameters=count,
        weights=count * place.bytes_each,
        prefix=None if frames is None else shapes.prefix_bytes(config, tokens, place.bytes_each),
        dtype=place.dtype,
        device=place.device,
    )


def _cost(
    model: str, questions: int, given: RunOptions, rate: Measured, unknown: dict[str, str]
) -> float | None:
    """The cost of so many questions, from the tokens a question took in earlier runs."""
    build, argument = find_adapter(model)
    if not build.__module__.startswith(API) or not questions:
        return 0.0
    price: Price | None = price_of(argument, given.model.prices)
    if rate.usage is None:
        unknown["cost"] = "no earlier run of this model has counted its tokens"
    elif price is None:
        unknown["cost"] = "give the prices with --prices FILE"
    else:
        used = {k: None if v is None else round(v * questions) for k, v in rate.usage.items()}
        cost = price.of(Usage(**used))
        return cost if cost is None or not given.model.batch else BATCH_SHARE * cost
    return None


def _lines(plan: RunPlan) -> Iterator[tuple[str, str]]:
    missing = f"; {plan.missing:,} not on this disk" if plan.missing and plan.frames != 0 else ""
    again = f", each {counted(plan.repeats, 'time')}" if plan.repeats > 1 else ""
    yield "questions", f"{plan.questions:,} of {plan.benchmark}{again}"
    yield "videos", f"{plan.videos:,} ({_looks(plan)}{missing})"
    tokens = plan.video_tokens
    yield "tokens a video", _known(plan, "video_tokens", None if tokens is None else f"{tokens:,}")
    yield "memory", _memory(plan)
    yield "time", _known(plan, "hours", _hours(plan))
    yield "cost", _known(plan, "cost", _money(plan.cost))
    yield "run folder", f"{plan.folder}: {plan.answered:,} answered, {plan.failed:,} failed"
    retried = (
        plan.failed and plan.owed + plan.answered + plan.failed == plan.questions * plan.repeats
    )
    note = "; --retry-errors asks the failed ones again" if retried else ""
    what = "reply", "replies"
    owed_ = counted(plan.owed, *what) if plan.repeats > 1 else counted(plan.owed, "question")
    asks = f"{owed_} about {counted(plan.owed_videos, 'video')}"
    yield "would ask", (asks if plan.owed else "nothing") + note
    if plan.conflict:
        yield "would refuse", plan.conflict
    if plan.asked_as:
        yield from decision_lines(plan.asked_as)


def _looks(plan: RunPlan) -> str:
    if plan.fps is not None:
        most = "" if plan.frames is None else f", at most {plan.frames:,} of a video"
        return f"{counted(plan.fps, 'frame')} a second{most}"
    return f"{counted(plan.frames, 'frame')} each" if plan.frames else "none is opened"


def _known(plan: RunPlan, name: str, text: str | None) -> str:
    return f"unknown: {plan.unknown[name]}" if text is None else text


def _money(cost: float | None) -> str | None:
    return None if cost is None else f"{cost:,.2f} by --prices" if cost else "none"


def _hours(plan: RunPlan) -> str | None:
    if plan.hours is None or plan.seconds_a_video is None:
        return "none" if plan.hours == 0 else None
    return (
        f"{plan.hours:.2g} hours: {counted(plan.owed_videos, 'video')} at "
        f"{plan.seconds_a_video:.3g} s, as measured in {plan.measured_in}"
    )


def _memory(plan: RunPlan) -> str:
    memory = plan.memory
    if memory is None:
        return f"unknown: {plan.unknown['memory']}" if "memory" in plan.unknown else "none here"
    known = memory.prefix is not None
    more = "activations" if known else "prefix cache and activations"
    prefix = _size_text(memory.prefix) if memory.prefix is not None else f"unknown: {LENGTH}"
    return (
        f"{_size_text(memory.weights + (memory.prefix or 0))} and {more}, in {memory.dtype} on "
        f"{memory.device}: {memory.parameters / 1e6:,.1f} million parameters "
        f"{_size_text(memory.weights)}, prefix cache {prefix}"
    )


def _size_text(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def plans_json(plans: Sequence[RunPlan]) -> str:
    """The plans as a JSON list."""
    return json.dumps([plan.record() for plan in plans], indent=2, default=str)


def plans_csv(plans: Sequence[RunPlan]) -> str:
    """One CSV row per plan; what is unknown is empty."""
    rows = [{**plan.record(), **_flat_memory(plan), **_flat_preset(plan)} for plan in plans]
    return csv_text(CSV_COLUMNS, [{name: row[name] for name in CSV_COLUMNS} for row in rows])


def _flat_preset(plan: RunPlan) -> dict[str, Any]:
    return {name: (plan.asked_as or {}).get(name) for name in ("preset", "fidelity")}


def _flat_memory(plan: RunPlan) -> dict[str, Any]:
    held = asdict(plan.memory) if plan.memory else dict.fromkeys(MEMORY)
    return {name: held[name] for name in MEMORY}
