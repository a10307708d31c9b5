"""Git-LFS pointers: what a clone without Git LFS leaves in place of large files."""

from __future__ import annotations

from pathlib import Path

START = b"version https://git-lfs.github.com/spec/"


def pointer(path: Path) -> str:
    """What to say of a file that is a Git-LFS pointer, without its path; empty for all others."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            is_pointer = file.read(len(START)) == START
    except OSError:
        return ""
    if not is_pointer:
        return ""
    return (
        "is a Git-LFS pointer in place of the file: type `git lfs pull` in its repository, or "
        "download the file"
    )
