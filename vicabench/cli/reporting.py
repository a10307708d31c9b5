"""What `vicabench report` does once its options are parsed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

import vicabench
from vicabench.cli.output import check_not_input, write_file
from vicabench.comparing import differing, differing_questions
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.options import VIDEO_TIMEOUT
from vicabench.reporting.page.explorer import collect
from vicabench.reporting.page.report import Report
from vicabench.reporting.report_tables import TABLES
from vicabench.results.run import Run, load_runs
from vicabench.results.store import provenance
from vicabench.scoring.compare import Comparison, compare_runs
from vicabench.screen import console, echo

HTML = "html"
PAGE = Path("report.html")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench report`."""

    paths: tuple[Path, ...]
    out: Path | None
    kind: str
    protocols: tuple[str, ...]
    compare: Path | None
    frames: int | None
    benchmark: str | None
    videos: Path | None
    workers: int | None
    video_timeout: float | None

    @property
    def out_file(self) -> Path | None:
        """The file to be written; None for standard output."""
        return self.out or (PAGE if self.kind == HTML else None)

    @property
    def about_frames(self) -> list[str]:
        """The options about frames that were typed."""
        given = {
            "--frames": self.frames,
            "--benchmark": self.benchmark,
            "--videos": self.videos,
            "--workers": self.workers,
            "--video-timeout": self.video_timeout,
        }
        return [name for name, value in given.items() if value is not None]

    @property
    def inputs(self) -> list[Path]:
        """What is read, and must not be written over."""
        return [*self.paths, *([self.compare] if self.compare else [])]


def make_report(request: Request) -> None:
    """Write what was asked for; UserError for what cannot be reported, before much is done."""
    _check(request)
    _check_places(request)
    runs, base = _runs(request)
    collect(runs)
    report = _report(request, runs, base)
    if request.kind == HTML:
        _give_page(request, report)
    else:
        _give(request, TABLES[request.kind](report))


def _give_page(request: Request, report: Report) -> None:
    from vicabench.cli.filmstrips import Wanted, filmstrips
    from vicabench.reporting.page.render import render_page
    from vicabench.reporting.page.report import gallery

    shown = gallery(report)
    page = render_page(report.drawn(shown.drawings, shown.notes))
    wanted = Wanted(
        frames=request.frames,
        benchmark=request.benchmark,
        folder=request.videos,
        workers=request.workers or 1,
        limit_seconds=request.video_timeout or VIDEO_TIMEOUT,
    )
    strips, said = filmstrips(page, report, wanted)
    _give(request, page.with_frames(strips))
    _say(said)


def _check(request: Request) -> None:
    if request.kind != HTML and request.kind not in TABLES:
        known = ", ".join([HTML, *TABLES])
        raise ConfigError(f"There is no report format '{request.kind}'. Formats are {known}.")
    typed = request.about_frames
    if request.kind != HTML and typed:
        raise ConfigError(
            f"A report as {request.kind} shows no frames: leave out {_listed(typed)}."
        )
    if request.benchmark and request.videos:
        raise ConfigError("--videos says where the videos are: leave out --benchmark.")
    if request.frames == 0 and typed != ["--frames"]:
        raise ConfigError(f"--frames 0 shows no video: leave out {_listed(typed[1:])}.")


def _listed(options: Sequence[str]) -> str:
    *first, last = options
    return f"{', '.join(first)} and {last}" if first else last


def _check_places(request: Request) -> None:
    """Refuse now what would be refused when all the work is done."""
    if request.videos is not None and not request.videos.is_dir():
        raise ConfigError(f"{request.videos} is no folder. Say where the videos are: --videos DIR")
    if request.out_file is not None:
        check_not_input(request.out_file, request.inputs)
        if not request.out_file.parent.is_dir():
            raise ConfigError(f"There is no folder {request.out_file.parent}: make it first.")


def _report(request: Request, runs: Sequence[Run], base: int | None) -> Report:
    protocols = [find_protocol(name) for name in request.protocols]
    facts = provenance()
    return Report(
        runs=runs,
        protocols=protocols,
        command=shlex.join(["vicabench", *sys.argv[1:]]),
        made={
            "version": vicabench.__version__,
            "commit": str(facts["commit"] or ""),
            "time": str(facts["started"])[:16].replace("T", " ") + " UTC",
        },
        base=base,
        comparisons=_comparisons(runs, base, protocols[0]),
        notes=[
            f"{runs[0].name} and {run.name}: {note}"
            for run in runs[1:]
            for note in differing_questions(runs[0], run)
        ],
    )


def _runs(request: Request) -> tuple[list[Run], int | None]:
    """The runs, and the place of the one they are compared with, which is added if need be."""
    paths = list(request.paths)
    places = [path.resolve() for path in paths]
    if request.compare is None:
        return load_runs(paths), None
    if request.compare.resolve() not in places:
        paths.insert(0, request.compare)
        places.insert(0, request.compare.resolve())
    if len(paths) < 2:
        raise ConfigError(f"There is nothing to compare {request.compare} with: name more runs.")
    return load_runs(paths), places.index(request.compare.resolve())


def _comparisons(runs: Sequence[Run], base: int | None, protocol: Protocol) -> list[Comparison]:
    if base is None:
        return []
    first = runs[base]
    return [
        compare_runs(
            first.asked_grades(protocol),
            run.asked_grades(protocol),
            model_a=first.name,
            model_b=run.name,
            notes=differing(first, run),
        )
        for place, run in enumerate(runs)
        if place != base
    ]


def _give(request: Request, text: str) -> None:
    out = request.out_file
    if out is None:
        echo(text.removesuffix("\n"))
        return
    write_file(out, text, keep=request.inputs)
    _say(f"{out}: {len(text.encode()) / 1e6:.1f} MB.")


def _say(text: str) -> None:
    if text:
        console(stderr=True).print(Text(text, style="dim"), soft_wrap=True)
