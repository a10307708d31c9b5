"""The cache folder, and the validation of file names that come from data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_path

from vicabench.errors import DataError


def cache_dir() -> Path:
    """The folder named by the environment variable VICABENCH_CACHE, else the user's cache folder.

    It may not exist yet.
    """
    chosen = os.environ.get("VICABENCH_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("vicabench")


VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
"""The suffixes tried for a name without one, most likely first."""
OTHER_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".amv", ".apng", ".asf", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264"}
    | {".h265", ".264", ".265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".mj2", ".mjpeg"}
    | {".mjpg", ".mk3d", ".mp4v", ".mpe", ".mpv", ".mts", ".mxf", ".nut", ".obu", ".ogg", ".ogm"}
    | {".ogv", ".qt", ".rm", ".rmvb", ".swf", ".ts", ".vob", ".webp", ".wmv", ".wtv", ".y4m"}
)
"""Further video suffixes that FFmpeg reads, accepted in names."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def stays_inside(name: str) -> bool:
    """Whether `name` is a plain relative path: no root, drive, `..`, backslash or NUL."""
    if not name or any(character in name for character in "\\:\0"):
        return False
    return not PurePosixPath(name).is_absolute() and all(
        part not in ("", ".", "..") for part in name.removesuffix("/").split("/")
    )


def is_video(name: str) -> bool:
    """Whether `name` has the suffix of a video file."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix in VIDEO_SUFFIXES or suffix in OTHER_SUFFIXES


def is_image(name: str) -> bool:
    """Whether `name` has the suffix of an image file."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def video_file(folder: Path, name: str) -> Path:
    """Return the file of video `name`: itself, or with the first suffix for which it exists.

    Where nothing exists it is `name`, with `.mp4` if it has no suffix of a video.
    """
    if is_video(name) or is_there(folder / name):
        return folder / name
    candidates = [folder / f"{name}{suffix}" for suffix in VIDEO_SUFFIXES]
    return next((path for path in candidates if is_there(path)), candidates[0])


def refuse_links_out(folder: Path, files: Iterable[Path]) -> None:
    """Raise DataError for a file below `folder` that a link in its path leads out of it.

    Whoever made the folder would choose which file of this machine is read, and sent to an API.
    """
    root = Path(os.path.realpath(folder))
    for file in files:
        real = Path(os.path.realpath(file))
        if not real.is_relative_to(root):
            raise DataError(
                f"{file} is a link out of {folder}, to {real}, and is not followed. Put the file "
                "itself there, or name the folder that holds it with --videos DIR."
            )


def is_there(path: Path) -> bool:
    """Whether a file exists; False for names too long for the disk."""
    try:
        return path.is_file()
    except OSError:
        return False
