"""Runs as one page, or as tables for a README or a paper: `vicabench report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import vicabench
from vicabench.comparing import differing, differing_questions, runs_of
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import Protocol, find_protocols
from vicabench.options import VIDEO_TIMEOUT
from vicabench.reporting.page.explorer import collect
from vicabench.reporting.page.filmstrips import Wanted, filmstrips
from vicabench.reporting.page.render import render_page
from vicabench.reporting.page.report import Report, gallery
from vicabench.reporting.report_tables import TABLES
from vicabench.reporting.writing import check_not_input, write_file
from vicabench.results.run import Run
from vicabench.results.store import provenance
from vicabench.scoring.compare import Comparison, compare_runs
from vicabench.screen import console, saying

HTML = "html"
PAGE = Path("report.html")
Given = Run | str | Path
ABOUT_FRAMES = ("--frames", "--benchmark", "--videos", "--workers", "--video-timeout")


def report(
    runs: Sequence[Given],
    *,
    out: str | Path | None = None,
    style: str = HTML,
    protocol: str = "official",
    compare: Given | None = None,
    frames: int | None = None,
    benchmark: str | None = None,
    videos: str | Path | None = None,
    workers: int | None = None,
    video_timeout: float | None = None,
    command: str = "vicabench.report",
    progress: bool = True,
) -> str:
    """Make one self-contained page of runs, or their tables, and return it.

    Args:
        runs: Runs, or paths of run folders or predictions files.
        out: The file to write; None writes nothing.
        style: `html`, or tables in `markdown` or `latex`.
        protocol: Grading protocols, comma-separated; the first is the table's.
        compare: The run that all others are compared with.
        frames: Frames shown of each video, 0 for none; None shows what fits.
        benchmark: Where the videos are from; by default what the runs name.
        videos: The folder of the videos.
        workers: Processes that decode.
        video_timeout: Seconds after which decoding a video is given up.
        command: What the page says that it was made by.
        progress: Whether to show progress on standard error.

    Raises:
        ConfigError: For options that say nothing together, or a file that was to be read.
        DataError: For runs that cannot be reported.
    """
    given = (frames, benchmark, videos, workers, video_timeout)
    _check(style, dict(zip(ABOUT_FRAMES, given, strict=True)))
    where, file = None if videos is None else Path(videos), None if out is None else Path(out)
    inputs = [_path(each) for each in (*runs, compare) if each is not None]
    _check_places(where, file, inputs)
    made = _report(*_loaded(runs, compare), find_protocols(protocol), command)
    terminal = console(stderr=True)
    terminal.quiet = not progress
    wanted = Wanted(
        frames=frames,
        benchmark=benchmark,
        folder=where,
        workers=workers or 1,
        limit_seconds=video_timeout or VIDEO_TIMEOUT,
        terminal=terminal,
    )
    text, note = _page(made, wanted) if style == HTML else (TABLES[style](made), "")
    _give(text, file, inputs, note, saying(progress))
    return text


def _give(
    text: str, file: Path | None, inputs: Sequence[Path], note: str, say: Callable[[str], None]
) -> None:
    """Write the file, and say what is to be said."""
    if file is not None:
        write_file(file, text, keep=inputs)
        say(f"{file}: {len(text.encode()) / 1e6:.1f} MB.")
    if note:
        say(note)


def _page(report: Report, wanted: Wanted) -> tuple[str, str]:
    """The page, and what is to be said about its frames."""
    shown = gallery(report)
    page = render_page(report.drawn(shown.drawings, shown.notes))
    strips, said = filmstrips(page, report, wanted)
    return page.with_frames(strips), said


def _check(style: str, about_frames: Mapping[str, object]) -> None:
    if style != HTML and style not in TABLES:
        known = ", ".join([HTML, *TABLES])
        raise ConfigError(f"There is no report format '{style}'. Formats are {known}.")
    typed = [name for name, value in about_frames.items() if value is not None]
    if style != HTML and typed:
        raise ConfigError(f"A report as {style} shows no frames: leave out {_listed(typed)}.")
    if about_frames["--benchmark"] and about_frames["--videos"]:
        raise ConfigError("--videos says where the videos are: leave out --benchmark.")
    if about_frames["--frames"] == 0 and typed != ["--frames"]:
        raise ConfigError(f"--frames 0 shows no video: leave out {_listed(typed[1:])}.")


def _listed(options: Sequence[str]) -> str:
    *first, last = options
    return f"{', '.join(first)} and {last}" if first else last


def _check_places(videos: Path | None, out: Path | None, inputs: Sequence[Path]) -> None:
    """Refuse now what would be refused when all the work is done."""
    if videos is not None and not videos.is_dir():
        raise ConfigError(f"{videos} is no folder. Say where the videos are: --videos DIR")
    if out is not None:
        check_not_input(out, inputs)
        if not out.parent.is_dir():
            raise ConfigError(f"There is no folder {out.parent}: make it first.")


def _report(
    runs: Sequence[Run], base: int | None, protocols: Sequence[Protocol], command: str
) -> Report:
    collect(runs)
    facts = provenance()
    return Report(
        runs=runs,
        protocols=list(protocols),
        command=command,
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


def _loaded(runs: Sequence[Given], compare: Given | None) -> tuple[list[Run], int | None]:
    """The runs, and the place of the one they are compared with, which is added if need be."""
    given = list(runs)
    if compare is None:
        return runs_of(given), None
    places = [_place(each) for each in given]
    if _place(compare) not in places:
        given.insert(0, compare)
        places.insert(0, _place(compare))
    if len(given) < 2:
        name = compare.name if isinstance(compare, Run) else compare
        raise ConfigError(f"There is nothing to compare {name} with: name more runs.")
    return runs_of(given), places.index(_place(compare))


def _place(given: Given) -> Path:
    return _path(given).resolve()


def _path(given: Given) -> Path:
    return given.path if isinstance(given, Run) else Path(given)


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
