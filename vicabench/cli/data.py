"""`vicabench data`: fetch, build and list benchmarks and training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.benchmarks.inventory import inventory as items
from vicabench.benchmarks.training_data import TRAINING_SETS
from vicabench.cli.progress import KEPT, interruptible
from vicabench.errors import counted
from vicabench.front.data import place, processes
from vicabench.reporting.tables import Sheet, show_sheets
from vicabench.screen import console, echo

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Fetch, build and list benchmarks and training data.",
)

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the benchmark.", show_default="in the user's cache"),
]
RepoOption = Annotated[
    str | None,
    typer.Option(
        "--repo",
        help="Another data set on the hub in the layout of VSI-Bench; runs are named after it.",
        show_default="the folder's, or nyu-visionx/VSI-Bench",
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
        typer.Option(help="Commit, tag or branch.", show_default="the folder's, or the newest"),
    ] = None,
    repo: RepoOption = None,
    questions_only: Annotated[
        bool, typer.Option("--questions-only", help="Skip the videos (5.7 GB).")
    ] = False,
    keep_zips: KeepZipsOption = False,
    include: Annotated[
        str | None,
        typer.Option(help="Training data: a pattern of files to download, such as 'ai2d*/*'."),
    ] = None,
) -> None:
    """Download and check a benchmark or training data; continue an interrupted download."""
    folder = place(name, data)
    with interruptible(KEPT):
        record = vb.data.fetch(
            name,
            data=data,
            revision=revision,
            repo=repo,
            questions_only=questions_only,
            keep_zips=keep_zips,
            include=include,
        )
    kind = "file" if name in TRAINING_SETS else "video"
    echo(f"{record.repo} at {record.revision} is in {folder}: {counted(len(record.videos), kind)}.")
    if name in TRAINING_SETS and (note := TRAINING_SETS[name].note):
        echo(note)


@app.command()
def unpack(
    name: NameArgument,
    *,
    data: DataOption = None,
    repo: RepoOption = None,
    keep_zips: KeepZipsOption = False,
) -> None:
    """Unpack zips that were copied beside the questions; needs no network."""
    folder = place(name, data, training=False)
    with interruptible(KEPT):
        record = vb.data.unpack(name, data=data, repo=repo, keep_zips=keep_zips)
    echo(
        f"{record.repo} at {record.revision} is in {folder}: "
        f"{counted(len(record.videos), 'video')}."
    )


@app.command()
def rooms(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the questions and videos.")],
    scenes: Annotated[int, typer.Option(min=1, help="Number of rooms.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rooms and questions.")] = 0,
    questions: Annotated[
        int, typer.Option(min=1, help="Approximate number of questions per room.")
    ] = 18,
    workers: Annotated[int, typer.Option(min=1, help="Rendering processes.")] = 2,
) -> None:
    """Build furnished rooms with exact ground truth: videos and questions, offline."""
    with interruptible(KEPT):
        vb.data.rooms(out, scenes=scenes, seed=seed, questions=questions, workers=workers)
    echo(
        f"{counted(scenes, 'room is', 'rooms are')} in {out}. Ask about them: --benchmark "
        f"{out}/questions.jsonl"
    )


@app.command("training-rooms")
def training_rooms(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the films and conversations.")],
    scenes: Annotated[
        int, typer.Option(min=1, help="Number of rooms, with four films each.")
    ] = 800,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rooms.")] = 1,
    grey: Annotated[
        bool, typer.Option("--grey", help="Render grey films, to train a blind model.")
    ] = False,
) -> None:
    """Build training rooms: films, conversations as in ViCA-322K, exercises and lessons."""
    with interruptible(KEPT):
        vb.data.training_rooms(out, scenes=scenes, seed=seed, grey=grey, workers=processes())
    echo(
        f"{counted(scenes, 'room is', 'rooms are')} in {out}. Train on them: vicabench train "
        f"vica2-rooms --data {out}"
    )


@app.command("list")
def list_benchmarks() -> None:
    """List the benchmarks and their data on this machine."""
    rows = [(i.name, i.revision, str(i.questions), str(i.videos), i.state) for i in items()]
    columns = ("benchmark", "revision", "questions", "videos", "on disk")
    show_sheets(console(), [Sheet(title="", columns=columns, rows=tuple(rows), texts=5)])
