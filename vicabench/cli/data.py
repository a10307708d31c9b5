"""`vicabench data`: fetch, build and list benchmarks and training data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.benchmarks.check import Examination
from vicabench.benchmarks.inventory import inventory as items
from vicabench.benchmarks.training_data import TRAINING_SETS
from vicabench.cli.command import Command, CommandGroup
from vicabench.cli.output import KEPT, interruptible
from vicabench.errors import counted
from vicabench.front.data import place, processes
from vicabench.reporting.tables import Sheet, show_sheets
from vicabench.rooms.scene import GENERATOR
from vicabench.screen import console, echo

app = typer.Typer(
    cls=CommandGroup,
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
        help="Another data set on the hub in the same layout; runs are named after it.",
        show_default="the folder's, or the published one",
    ),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The benchmark, such as vsi-bench or revsi:32_frame.")
]
SubsetOption = Annotated[
    str,
    typer.Option(
        help="The part of a benchmark that is needed, such as 32_frame of revsi.",
        show_default="the default of `vicabench run`",
    ),
]
AnyNameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A benchmark: vsi-bench, revsi, vsti-bench, osi-bench, sti-bench, dsi-bench, "
        "vsi-super-recall, vsi-super-count; or training data: vica-322k, vica-thinking-2.68k, "
        "llava-cc3m, llava-onevision.",
    ),
]
KeepZipsOption = Annotated[
    bool, typer.Option("--keep-zips", help="Keep the zips after unpacking them.")
]


@app.command(cls=Command)
def fetch(
    name: AnyNameArgument,
    *,
    subset: SubsetOption = "full",
    data: DataOption = None,
    revision: Annotated[
        str | None,
        typer.Option(help="Commit, tag or branch.", show_default="the folder's, or the newest"),
    ] = None,
    repo: RepoOption = None,
    questions_only: Annotated[
        bool, typer.Option("--questions-only", help="Skip the videos.")
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
            subset=subset,
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


@app.command(cls=Command)
def unpack(
    name: NameArgument,
    *,
    subset: SubsetOption = "full",
    data: DataOption = None,
    repo: RepoOption = None,
    keep_zips: KeepZipsOption = False,
) -> None:
    """Unpack zips that were copied beside the questions; needs no network."""
    folder = place(name, data, training=False)
    with interruptible(KEPT):
        record = vb.data.unpack(name, subset=subset, data=data, repo=repo, keep_zips=keep_zips)
    echo(
        f"{record.repo} at {record.revision} is in {folder}: "
        f"{counted(len(record.videos), 'video')}."
    )


@app.command(cls=Command)
def rooms(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the questions and videos.")],
    scenes: Annotated[int, typer.Option(min=1, help="Number of rooms.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rooms and questions.")] = 0,
    questions: Annotated[
        int, typer.Option(min=1, help="Approximate number of questions per room.")
    ] = 18,
    generator: Annotated[
        str,
        typer.Option(
            metavar="VERSION", help="1, or 2: harder to guess, and every type about every room."
        ),
    ] = GENERATOR,
    workers: Annotated[int, typer.Option(min=1, help="Rendering processes.")] = 2,
) -> None:
    """Build furnished rooms with exact ground truth: videos and questions, offline."""
    with interruptible(KEPT):
        vb.data.rooms(
            out,
            scenes=scenes,
            seed=seed,
            questions=questions,
            generator=generator,
            workers=workers,
        )
    echo(
        f"{counted(scenes, 'room is', 'rooms are')} in {out}. Ask about them: --benchmark "
        f"{out}/questions.jsonl"
    )


@app.command("training-rooms", cls=Command)
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


@app.command(cls=Command)
def check(
    path: Annotated[
        Path, typer.Argument(help="A folder with benchmark.yaml, or a file of questions.")
    ],
    *,
    videos: Annotated[
        Path | None,
        typer.Option(help="Folder of the videos.", show_default="as the benchmark says"),
    ] = None,
    problems: Annotated[int, typer.Option(min=1, help="The most problems that are listed.")] = 50,
) -> None:
    """List every problem of a benchmark of your own, and summarise its questions.

    Exit code 1: there are problems.
    """
    done = vb.data.check(path, videos=videos)
    for problem in done.problems[:problems]:
        echo(problem)
    if len(done.problems) > problems:
        echo(f"... and {counted(len(done.problems) - problems, 'problem')} more: --problems N.")
    show_sheets(console(), [_summaries(done)])
    for note in done.notes:
        echo(f"Note: {note}.")
    found = counted(len(done.problems), "problem") if done.problems else "no problems"
    asked, shown = counted(done.questions, "question"), counted(done.videos, "video")
    echo(f"{done.name}: {asked} about {shown}, {found}.")
    sys.exit(1 if done.problems else 0)


def _summaries(done: Examination) -> Sheet:
    columns = ("task", "kind", "right answers", "questions", "videos")
    rows = [
        (
            *(each.task.title, each.task.kind, each.truths, str(each.questions), str(each.videos)),
            "–" if each.chance is None else f"{each.chance:.1f}",
            *(f"{each.frequent:.1f}", f"{each.constant:.1f}"),
        )
        for each in done.tasks
    ]
    floors = ("chance", "most frequent", "best constant")
    return Sheet(title="", columns=(*columns, *floors), rows=tuple(rows), texts=3)


@app.command(cls=Command)
def answerable(
    source: Annotated[
        str, typer.Argument(metavar="ROOMS", help="rooms, or a folder of rooms that were built.")
    ] = "rooms",
    *,
    out: Annotated[Path, typer.Option(help="The JSON Lines file.")],
    any_pixel: Annotated[
        bool, typer.Option("--any-pixel", help="One pixel of a thing is enough, as for `dummy`.")
    ] = False,
) -> None:
    """Write which frames of Rooms show what its questions ask about.

    The file is that of `vicabench score --answerable` and `vicabench data dummy`.
    """
    vb.data.answerable(source, out=out, any_pixel=any_pixel)
    echo(f"{out} is written. Score by it: vicabench score RUN --answerable {out}")


@app.command(cls=Command)
def dummy(
    source: Annotated[str, typer.Argument(metavar="BENCHMARK", help="The benchmark.")],
    *,
    seen: Annotated[
        Path, typer.Option(help="The frames that show each thing, as for `score --answerable`.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the videos and questions.")],
    frames: Annotated[int, typer.Option(min=1, help="Frames of each video.")] = 64,
) -> None:
    """Write counting questions about videos without what they count, after ReVSI.

    Each question is asked about three videos: the frames that do not show the thing, the first of
    them repeated, and black frames. Only 0 is right.
    """
    made = vb.data.dummy(source, seen, out=out, frames=frames)
    for video, why in made.failed.items():
        echo(f"left out: {video}: {why}", err=True)
    echo(
        f"{out} asks {counted(made.questions, 'question')} about three videos each. Left out: "
        f"{made.undecided:,} that {seen} does not decide, {made.always_seen:,} whose things are "
        f"in every frame, {counted(len(made.failed), 'video')} that cannot be read."
    )
    echo(f"Ask them: vicabench run --benchmark {out} --model MODEL")


@app.command("list", cls=Command)
def list_benchmarks() -> None:
    """List the benchmarks and their data on this machine."""
    rows = [(i.name, i.revision, str(i.questions), str(i.videos), i.state) for i in items()]
    columns = ("benchmark", "revision", "questions", "videos", "on disk")
    show_sheets(console(), [Sheet(title="", columns=columns, rows=tuple(rows), texts=5)])
