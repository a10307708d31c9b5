"""`vicabench data`: bring, build and list benchmarks, and bring training data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vicabench.errors import ConfigError, counted
from vicabench.screen import console, echo

if TYPE_CHECKING:
    from rich.progress import TaskID

KEPT = "What was done is kept: type the same command again to continue."

app = typer.Typer(no_args_is_help=True, help="Fetch, build and list benchmarks and training data.")

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the benchmark.", show_default="in the user's cache"),
]
RepoOption = Annotated[
    str | None,
    typer.Option(
        "--repo",
        help="Data set of another owner in the layout of VSI-Bench; runs are named after it.",
        show_default="what the folder has, or nyu-visionx/VSI-Bench",
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The benchmark: vsi-bench.")]
AnyNameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="vsi-bench; or training data: vica-322k, vica-thinking-2.68k, llava-cc3m, "
        "llava-onevision.",
    ),
]
KeepZipsOption = Annotated[
    bool, typer.Option("--keep-zips", help="Keep the zips after unpacking them.")
]


@app.command()
def fetch(
    name: AnyNameArgument,
    *,
    data: DataOption = None,
    revision: Annotated[
        str | None,
        typer.Option(
            help="Commit, tag or branch.", show_default="what the folder has, or the newest"
        ),
    ] = None,
    repo: RepoOption = None,
    questions_only: Annotated[
        bool, typer.Option("--questions-only", help="Leave the videos (5.7 GB) for later.")
    ] = False,
    keep_zips: KeepZipsOption = False,
    include: Annotated[
        str | None, typer.Option(help="Training data: only files like this, 'ai2d*/*'.")
    ] = None,
) -> None:
    """Download a benchmark or training data and check it; continues where it was interrupted."""
    from vicabench.benchmarks.training_data import TRAINING_SETS

    if name in TRAINING_SETS:
        if questions_only or keep_zips:
            raise ConfigError(f"--questions-only and --keep-zips are for vsi-bench, not {name}.")
        _fetch_training(name, data, repo, revision, include)
        return
    _require_fetchable(name, *TRAINING_SETS)
    if include is not None:
        raise ConfigError(f"--include is for training data, not {name}.")
    if questions_only and keep_zips:
        raise ConfigError("--questions-only brings no zips: leave out --keep-zips.")
    from vicabench.benchmarks.fetch import fetch as fetch_data
    from vicabench.benchmarks.vsi_bench import default_folder

    folder = data or default_folder()
    with interruptible(KEPT), _byte_progress() as progress:
        record = fetch_data(
            folder=folder,
            repo=repo,
            revision=revision,
            questions_only=questions_only,
            keep_zips=keep_zips,
            progress=progress,
        )
    echo(
        f"{record.repo} at {record.revision} is in {folder}: "
        f"{counted(len(record.videos), 'video')}."
    )


@app.command()
def unpack(
    name: NameArgument,
    *,
    data: DataOption = None,
    repo: RepoOption = None,
    keep_zips: KeepZipsOption = False,
) -> None:
    """Unpack the zips that were copied beside the questions; needs no network."""
    _require_fetchable(name)
    from vicabench.benchmarks.fetch import unpack_local
    from vicabench.benchmarks.vsi_bench import default_folder

    folder = data or default_folder()
    with interruptible(KEPT), _byte_progress() as progress:
        record = unpack_local(folder=folder, repo=repo, keep_zips=keep_zips, progress=progress)
    echo(
        f"{record.repo} at {record.revision} is in {folder}: "
        f"{counted(len(record.videos), 'video')}."
    )


@app.command()
def rooms(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the questions and videos.")],
    scenes: Annotated[int, typer.Option(min=1, help="Number of rooms.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same rooms and questions.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="Questions a room, about.")] = 18,
    workers: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 2,
) -> None:
    """Build furnished rooms with exact ground truth: videos and questions, offline."""
    from rich.progress import Progress

    from vicabench.rooms.build import build

    with (
        interruptible(KEPT),
        Progress(console=console(stderr=True)) as bar,
    ):
        task = bar.add_task("rooms", total=scenes)
        build(
            out,
            scenes=scenes,
            seed=seed,
            questions=questions,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    echo(
        f"{counted(scenes, 'room is', 'rooms are')} in {out}. Ask about them: --benchmark "
        f"{out}/questions.jsonl"
    )


@app.command("training-rooms")
def training_rooms(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the films and conversations.")],
    scenes: Annotated[int, typer.Option(min=1, help="Number of rooms, of four films each.")] = 800,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same rooms.")] = 1,
    grey: Annotated[
        bool, typer.Option("--grey", help="Films that show nothing, to train a blind model.")
    ] = False,
) -> None:
    """Build rooms to train on: films, conversations as in ViCA-322K, exercises and lessons."""

    from vicabench.cli.demonstration import training_rooms as build
    from vicabench.rooms.training import TrainingRooms

    with interruptible(KEPT):
        build(out, TrainingRooms(seed=seed, scenes=scenes, grey=grey), console(stderr=True))
    echo(
        f"{counted(scenes, 'room is', 'rooms are')} in {out}. Train on them: vicabench train "
        f"vica2-rooms --data {out}"
    )


@app.command("list")
def list_benchmarks() -> None:
    """List the benchmarks, and what of them is on this machine."""
    from rich.table import Table
    from rich.text import Text

    from vicabench.benchmarks.inventory import inventory

    table = Table(box=None)
    for title in ("benchmark", "revision", "questions", "videos", "on disk"):
        table.add_column(title, overflow="fold")
    for item in inventory():
        cells = (item.name, item.revision, str(item.questions), str(item.videos), item.state)
        table.add_row(*(Text(cell) for cell in cells))
    console().print(table)


def _fetch_training(
    name: str, data: Path | None, repo: str | None, revision: str | None, include: str | None
) -> None:
    from vicabench.benchmarks.training_data import TRAINING_SETS, fetch_training, training_folder

    folder = data or training_folder(name)
    with interruptible(KEPT), _byte_progress() as progress:
        record = fetch_training(
            name,
            folder=folder,
            repo=repo,
            revision=revision,
            include=include or "*",
            progress=progress,
        )
    echo(
        f"{record.repo} at {record.revision} is in {folder}: {counted(len(record.videos), 'file')}."
    )
    if note := TRAINING_SETS[name].note:
        echo(note)


def _require_fetchable(name: str, *others: str) -> None:
    if name == "rooms":
        raise ConfigError(
            "rooms is not fetched: `--benchmark rooms` builds it on first use, and `vicabench "
            "data rooms --scenes N --out DIR` builds more of it."
        )
    if name != "vsi-bench":
        known = ", ".join(["vsi-bench", *others])
        raise ConfigError(f"There is no data {name!r} to fetch. Choose {known}.")


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """End with exit code 130 and one line of advice on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        echo(f"vicabench: interrupted. {advice}", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _byte_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each file on standard error; yields what `fetch` calls to move it."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=console(stderr=True))

    def move(name: str, done: int, total: int) -> None:
        bars.start()
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done)

    try:
        yield move
    finally:
        if tasks:
            bars.stop()
