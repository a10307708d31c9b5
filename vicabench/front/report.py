"""Reports: runs as one page with frames of their videos, or as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

import vicabench
from vicabench.benchmarks import BENCHMARKS, Source, load_benchmark
from vicabench.benchmarks.paths import is_there, refuse_links_out, stays_inside, video_file
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import fitted, jpegs
from vicabench.errors import ConfigError, DataError, counted
from vicabench.front.compare import differing, differing_questions, runs_of
from vicabench.front.progress import building
from vicabench.harnesses.protocols import Protocol, find_protocols
from vicabench.options import VIDEO_TIMEOUT
from vicabench.reporting.page.explorer import collect
from vicabench.reporting.page.render import Page, render_page
from vicabench.reporting.page.report import Report, Strip, gallery, room_per_video, usual_frames
from vicabench.reporting.report_tables import TABLES
from vicabench.reporting.writing import check_not_input, write_file
from vicabench.results.run import Run
from vicabench.results.store import provenance
from vicabench.scoring.compare import Comparison, compare_runs
from vicabench.screen import console, saying

TALL = 180  # pixels of a frame on the page
Strips = Mapping[str, Strip]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How many frames (None: what fits), where the videos are, and how they are decoded.

    Progress is shown on `terminal`.
    """

    frames: int | None
    benchmark: str | None
    folder: Path | None
    workers: int
    limit_seconds: float
    terminal: Console


def filmstrips(page: Page, report: Report, wanted: Wanted) -> tuple[Strips, str]:
    """Strips by video, and what is to be said about them.

    Videos that are nowhere are an error only if the command said where they should be.
    """
    if wanted.frames == 0:
        return {}, ""
    room = room_per_video(len(page.html.encode()), len(page.videos))
    count = usual_frames(room) if wanted.frames is None else wanted.frames
    if count == 0 or room == 0:
        return {}, "No frames: the replies alone fill the page."
    files, missing = _files(page, report, wanted)
    if not any(is_there(path) for path in files.values()):
        said = missing or f"none of the videos is there, {next(iter(files.values()))} for one."
        return {}, f"No frames: {said} Say where they are with --videos DIR."
    strips = _decoded(files, count, room, wanted)
    failed = sum(strip.error is not None for strip in strips.values())
    said = f"{counted(count, 'frame')} of each of {counted(len(strips) - failed, 'video')}"
    return strips, f"{said}; {failed} could not be shown." if failed else f"{said}."


def _files(page: Page, report: Report, wanted: Wanted) -> tuple[dict[str, Path], str]:
    """The file of each video, none of which need exist; or none, and why."""
    if wanted.folder is not None:
        safe = [video for video in page.videos if stays_inside(video)]
        files = {video: video_file(wanted.folder, video) for video in safe}
        refuse_links_out(wanted.folder, files.values())
        return files, "" if safe else "the videos' names lead out of any folder."
    name = wanted.benchmark or (report.benchmarks[0] if len(report.benchmarks) == 1 else None)
    if wanted.benchmark is None and name not in BENCHMARKS:
        return {}, "nothing says where the videos are."
    try:
        with building(wanted.terminal, f"Building {name}") as progress:
            source = Source(videos_needed=False, progress=progress)
            known = load_benchmark(str(name), source).files
    except DataError as error:
        if wanted.benchmark is not None:
            raise
        return {}, str(error)
    found = {video: known[video] for video in page.videos if video in known}
    return found, "" if found else f"these are no videos of {name}."


def _decoded(files: dict[str, Path], count: int, room: int, wanted: Wanted) -> dict[str, Strip]:
    there = {video: path for video, path in files.items() if is_there(path)}
    strips = {video: Strip(error=f"{path.name} is not there.") for video, path in files.items()}
    with (
        DecodeAhead(
            frames=count, workers=wanted.workers, limit_seconds=wanted.limit_seconds
        ) as ahead,
        Progress(console=wanted.terminal, transient=True) as bar,
    ):
        for decoded in bar.track(
            ahead.stream(there.items()), total=len(there), description="Frames"
        ):
            strips[decoded.name] = _strip(decoded, room)
    return strips


def _strip(decoded: Decoded, room: int) -> Strip:
    if decoded.frames is None:
        return Strip(error=decoded.error or "It could not be decoded.")
    frames_THWC = decoded.frames.pixels_THWC
    height, width = frames_THWC.shape[1:3]
    size = fitted(height, width, tall=TALL)
    found = jpegs(frames_THWC, size=size, room=room)
    if not found:
        return Strip(error="They do not fit the page; fewer --frames would.")
    return Strip(jpegs=found, seconds=decoded.frames.seconds, width=size[0], height=size[1])


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
