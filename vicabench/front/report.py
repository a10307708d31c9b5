"""Reports of runs, as one HTML page with video frames or as tables: `vicabench report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

import vicabench
from vicabench.benchmarks import BENCHMARKS, Source, load_benchmark
from vicabench.benchmarks.paths import is_there, refuse_links_out, stays_inside, video_file
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import fitted, jpegs
from vicabench.errors import ConfigError, DataError, counted
from vicabench.front.compare import differing, differing_questions, runs_of
from vicabench.front.maps import maps_below, maps_page
from vicabench.front.progress import bars, building
from vicabench.harnesses.protocols import Protocol, find_protocols
from vicabench.options import VIDEO_TIMEOUT
from vicabench.reporting.files import check_not_input, size_of, write_file
from vicabench.reporting.overview import by_benchmark, overview
from vicabench.reporting.page.explorer import collect
from vicabench.reporting.page.overview import render_overview
from vicabench.reporting.page.render import Page, render_page
from vicabench.reporting.page.report import Report, Strip, gallery, room_per_video, usual_frames
from vicabench.reporting.report_tables import TABLES
from vicabench.reporting.scores import FORMATS
from vicabench.reporting.tables import SHEET_FORMATS
from vicabench.results.alike import in_natural_order, published_beside
from vicabench.results.below import expanded
from vicabench.results.run import Run
from vicabench.results.store import provenance
from vicabench.scoring.compare import Comparison, compare_runs
from vicabench.screen import console, saying

TALL = 180  # pixels of a frame on the page
Strips = Mapping[str, Strip]


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """The number of frames (None: as many as fit), where the videos are, and how to decode them."""

    frames: int | None
    benchmark: str | None
    folder: Path | None
    workers: int
    limit_seconds: float
    terminal: Console


def filmstrips(page: Page, report: Report, options: FrameOptions) -> tuple[Strips, str]:
    """Decode the film strip of each video; returns the strips by video, and a note for the user.

    Missing videos are an error only if the command named their benchmark.
    """
    if options.frames == 0:
        return {}, ""
    room = room_per_video(len(page.html.encode()), len(page.videos))
    count = usual_frames(room) if options.frames is None else options.frames
    if count == 0 or room == 0:
        return {}, "No frames are shown: the replies alone fill the page."
    files, missing = _files(page, report, options)
    if not any(is_there(path) for path in files.values()):
        reason = missing or f"no video was found, for example {next(iter(files.values()))}."
        return {}, f"No frames are shown: {reason} Name the folder of the videos with --videos DIR."
    strips = _decoded(files, count, room, options)
    failed = sum(strip.error is not None for strip in strips.values())
    note = f"{counted(count, 'frame')} of each of {counted(len(strips) - failed, 'video')}"
    return strips, f"{note}; {failed} could not be shown." if failed else f"{note}."


def _files(page: Page, report: Report, options: FrameOptions) -> tuple[dict[str, Path], str]:
    """The path of each video, which may be missing; without any, the reason too."""
    if options.folder is not None:
        safe = [video for video in page.videos if stays_inside(video)]
        files = {video: video_file(options.folder, video) for video in safe}
        refuse_links_out(options.folder, files.values())
        return files, "" if safe else "the names of the videos lead out of the folder."
    name = options.benchmark or (report.benchmarks[0] if len(report.benchmarks) == 1 else None)
    if options.benchmark is None and name not in BENCHMARKS:
        return {}, "the folder of the videos is unknown."
    try:
        with building(options.terminal, f"Building {name}") as progress:
            source = Source(videos_needed=False, progress=progress)
            known = load_benchmark(str(name), source).files
    except DataError as error:
        if options.benchmark is not None:
            raise
        return {}, str(error)
    files = {video: known[video] for video in page.videos if video in known}
    return files, "" if files else f"none of the videos belongs to {name}."


def _decoded(
    files: dict[str, Path], count: int, room: int, options: FrameOptions
) -> dict[str, Strip]:
    existing = {video: path for video, path in files.items() if is_there(path)}
    strips = {video: Strip(error=f"{path.name} is missing.") for video, path in files.items()}
    with (
        DecodeAhead(
            frames=count, workers=options.workers, limit_seconds=options.limit_seconds
        ) as ahead,
        bars(options.terminal, disable=options.terminal.quiet, transient=True) as bar,
    ):
        for decoded in bar.track(
            ahead.stream(existing.items()), total=len(existing), description="Frames"
        ):
            strips[decoded.name] = _strip(decoded, room)
    return strips


def _strip(decoded: Decoded, room: int) -> Strip:
    if decoded.frames is None:
        return Strip(error=decoded.error or "It could not be decoded.")
    frames_THWC = decoded.frames.pixels_THWC
    height, width = frames_THWC.shape[1:3]
    size = fitted(height, width, tall=TALL)
    encoded = jpegs(frames_THWC, size=size, room=room)
    if not encoded:
        return Strip(error="The frames do not fit on the page; use fewer --frames.")
    return Strip(jpegs=encoded, seconds=decoded.frames.seconds, width=size[0], height=size[1])


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
    published: bool = False,
    frames: int | None = None,
    benchmark: str | None = None,
    videos: str | Path | None = None,
    workers: int | None = None,
    video_timeout: float | None = None,
    command: str = "vicabench.report",
    progress: bool = True,
) -> str:
    """Make a self-contained HTML page of runs, or their tables, and return its text.

    Args:
        runs: Runs or paths; runs on several benchmarks get one page over them, and runs of
            `vicabench.maps` a page of each map beside the true one.
        out: The file to write; None writes nothing.
        style: `html`, or tables in `markdown` or `latex`.
        protocol: Protocols, comma-separated; tables use the first.
        compare: The run that all others are compared with.
        published: Whether to add published rows of the benchmark.
        frames: Frames shown of each video, 0 for none; None shows as many as fit.
        benchmark: The benchmark of the videos; by default that of the runs.
        videos: The folder of the videos.
        workers: Decoding processes.
        video_timeout: Seconds after which a video is given up.
        command: The command that the page names as its origin.
        progress: Whether to show progress.

    Raises:
        ConfigError, DataError: For what contradicts itself or cannot be reported.
    """
    given = (frames, benchmark, videos, workers, video_timeout)
    _check(style, dict(zip(ABOUT_FRAMES, given, strict=True)))
    where, file = (None if each is None else Path(each) for each in (videos, out))
    inputs = _check_places(where, file, (*runs, compare))
    if drawn := maps_below(runs):
        usual = (style, protocol, published, compare) == (HTML, "official", False, None)
        page = _of_maps(drawn, command, usual=usual and given == (None,) * len(given))
        return _give(page, file, inputs, "", saying(progress))
    (loaded, base), rules = _loaded(runs, compare), find_protocols(protocol)
    if len(by_benchmark(loaded)) > 1:
        over = _over_benchmarks(loaded, style, rules[0], command, base, given)
        return _give(over, file, inputs, "", saying(progress))
    beside = published_beside(published, loaded)
    made = replace(_report(loaded, base, rules, command), published=beside)
    options = _frame_options(given, where, console(stderr=True, quiet=not progress))
    text, note = _page(made, options) if style == HTML else (TABLES[style](made), "")
    return _give(text, file, inputs, note, saying(progress))


def _frame_options(
    given: tuple[int | None, str | None, object, int | None, float | None],
    folder: Path | None,
    terminal: Console,
) -> FrameOptions:
    frames, benchmark, _, workers, limit_seconds = given
    return FrameOptions(
        frames=frames,
        benchmark=benchmark,
        folder=folder,
        workers=workers or 1,
        limit_seconds=limit_seconds or VIDEO_TIMEOUT,
        terminal=terminal,
    )


def _of_maps(drawn: Sequence[Path], command: str, *, usual: bool) -> str:
    """The page of cognitive maps, which has no questions to grade."""
    if not usual:
        raise ConfigError(
            "These are runs of vicabench maps: their page shows maps, and neither frames nor "
            "graded questions. Leave out all options but --out."
        )
    return maps_page(drawn, command=command, made=made_now())


def _over_benchmarks(
    runs: Sequence[Run],
    style: str,
    protocol: Protocol,
    command: str,
    base: int | None,
    about_frames: Sequence[object],
) -> str:
    """The report of runs on several benchmarks, which shows no questions."""
    if base is not None or any(value is not None for value in about_frames):
        raise ConfigError(
            "These runs are on several benchmarks: their report compares no runs and shows no "
            "videos. Leave out those options, or name the runs of one benchmark."
        )
    if style == HTML:
        return render_overview(runs, protocol, command=command, made=made_now())
    rows = [run.scores(protocol) for run in runs]
    over = overview(runs, protocol)
    return "\n\n".join([SHEET_FORMATS[style]([over] if over else []), FORMATS[style](rows, (), ())])


def made_now() -> dict[str, str]:
    """The version and commit of this program, and the time."""
    facts = provenance()
    return {
        "version": vicabench.__version__,
        "commit": str(facts["commit"] or ""),
        "time": str(facts["started"])[:16].replace("T", " ") + " UTC",
    }


def _give(
    text: str, file: Path | None, inputs: Sequence[Path], note: str, say: Callable[[str], None]
) -> str:
    """Write the file, report its size and the note, and return the text."""
    if file is not None:
        write_file(file, text, keep=inputs)
        say(f"{file}: {size_of(text)}.")
    if note:
        say(note)
    return text


def _page(report: Report, options: FrameOptions) -> tuple[str, str]:
    """Render the page; returns it with a note about its frames."""
    shown = gallery(report)
    page = render_page(report.drawn(shown.drawings, shown.notes))
    strips, note = filmstrips(page, report, options)
    return page.with_frames(strips), note


def _check(style: str, about_frames: Mapping[str, object]) -> None:
    if style != HTML and style not in TABLES:
        known = ", ".join([HTML, *TABLES])
        raise ConfigError(f"There is no report format '{style}'. Formats are {known}.")
    typed = [name for name, value in about_frames.items() if value is not None]
    if style != HTML and typed:
        raise ConfigError(f"A report as {style} shows no frames: leave out {_listed(typed)}.")
    if about_frames["--benchmark"] and about_frames["--videos"]:
        raise ConfigError("--videos and --benchmark both locate the videos: leave out one of them.")
    if about_frames["--frames"] == 0 and typed != ["--frames"]:
        raise ConfigError(f"--frames 0 shows no video: leave out {_listed(typed[1:])}.")


def _listed(options: Sequence[str]) -> str:
    *first, last = options
    return f"{', '.join(first)} and {last}" if first else last


def _check_places(
    videos: Path | None, out: Path | None, runs: Sequence[Given | None]
) -> list[Path]:
    """Check input and output paths before any work is done, and return the inputs."""
    inputs = [_path(each) for each in runs if each is not None]
    if videos is not None and not videos.is_dir():
        raise ConfigError(
            f"{videos} is not a folder. Name the folder of the videos with --videos DIR."
        )
    if out is not None:
        check_not_input(out, inputs)
        if not out.parent.is_dir():
            raise ConfigError(f"The folder {out.parent} does not exist. Create it first.")
    return inputs


def _report(
    runs: Sequence[Run], base: int | None, protocols: Sequence[Protocol], command: str
) -> Report:
    collect(runs)
    return Report(
        runs=runs,
        protocols=list(protocols),
        command=command,
        made=made_now(),
        base=base,
        comparisons=_comparisons(runs, base, protocols[0]),
        notes=[
            f"{runs[0].name} and {run.name}: {note}"
            for run in runs[1:]
            for note in differing_questions(runs[0], run)
        ],
    )


def _loaded(runs: Sequence[Given], compare: Given | None) -> tuple[list[Run], int | None]:
    """Load the runs, adding the reference if needed; also returns the index of the reference."""
    given: list[Given] = []
    for each in runs:
        given += [each] if isinstance(each, Run) else expanded([Path(each)])
    if compare is None:
        return in_natural_order(runs_of(given)), None
    places = [_place(each) for each in given]
    if _place(compare) not in places:
        given.insert(0, compare)
        places.insert(0, _place(compare))
    if len(given) < 2:
        name = compare.name if isinstance(compare, Run) else compare
        raise ConfigError(f"Only {name} is given: name at least one more run to compare it with.")
    loaded = runs_of(given)
    base = loaded[places.index(_place(compare))]
    ordered = in_natural_order(loaded)
    return ordered, next(place for place, run in enumerate(ordered) if run is base)


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
            rubric=first.rubric,
            notes=differing(first, run),
        )
        for place, run in enumerate(runs)
        if place != base
    ]
