"""Frames for a report: find the videos, decode a few frames of each, and keep to the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from vicabench.benchmarks import BENCHMARKS, Source, load_benchmark
from vicabench.benchmarks.paths import is_there, refuse_links_out, stays_inside, video_file
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import fitted, jpegs
from vicabench.errors import DataError, counted
from vicabench.progress import building
from vicabench.reporting.page.render import Page
from vicabench.reporting.page.report import Report, Strip, room_per_video, usual_frames

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
