"""One file of a data set repository: downloaded, resumed, and checked before it gets its name.

`hf_hub_download` starts a file again from its first byte after an interruption; with zips of
several gigabytes we keep what came and ask for the rest with a `Range` request.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from vicabench import files
from vicabench.datasets.fetched import has_size
from vicabench.datasets.hub import Listing, RemoteFile, explained, host
from vicabench.errors import DataError
from vicabench.text import counted

BLOCK = 1 << 20
ATTEMPTS = 3
"""How often a connection may break in a row without a byte before we give up."""

Advance = Callable[[int], None]
"""Called with the number of bytes that there are now."""


def download(listing: Listing, name: str, folder: Path, advance: Advance) -> Path:
    """Bring the file `name` to `folder/name`; a right file that is there already is kept.

    Raises:
        DataError: when it is not in the repository, the hub fails, or the content is not what
            the hub announced (size, SHA-256 or git hash).
    """
    remote = listing.files.get(name)
    if remote is None:
        raise DataError(f"{listing.repo} at {listing.revision} holds no file {name}.")
    target = folder / name
    if has_size(target, remote.size) and _is_right(target, remote):
        advance(remote.size)
        return target
    partial = part_path(folder, remote)
    partial.parent.mkdir(parents=True, exist_ok=True)
    _complete(listing, remote, partial, advance)
    if not (has_size(partial, remote.size) and _is_right(partial, remote)):
        partial.unlink(missing_ok=True)
        raise DataError(
            f"{name} of {listing.repo} came damaged: its content does not have the checksum that "
            "the hub announced. The download was deleted; type the same command again."
        )
    partial.replace(target)
    return target


def part_path(folder: Path, remote: RemoteFile) -> Path:
    """Return where the unfinished content of `remote` is kept, named by its final content."""
    return folder / ".download" / f"{remote.key}.part"


def _complete(listing: Listing, remote: RemoteFile, partial: Path, advance: Advance) -> None:
    """Append to `partial` until it has all bytes, going on after a broken connection."""
    from huggingface_hub import errors  # noqa: PLC0415

    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    failures = 0
    with explained(listing.repo, listing.revision):
        while _length(partial) < remote.size:
            before = _length(partial)
            try:
                _append(listing, remote, partial, advance)
            except errors.HfHubHTTPError:
                raise
            except transport_error:
                failures = 0 if _length(partial) > before else failures + 1
                if failures >= ATTEMPTS:
                    raise
                time.sleep(failures)
            else:
                break


def _append(listing: Listing, remote: RemoteFile, partial: Path, advance: Advance) -> None:
    """Ask for what is missing of `remote` and write it behind what is there."""
    from huggingface_hub import (  # noqa: PLC0415
        constants,
        get_session,
        hf_hub_url,
        hf_raise_for_status,
    )
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415

    url = hf_hub_url(listing.repo, remote.name, repo_type="dataset", revision=listing.revision)
    start = _length(partial)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
        hf_raise_for_status(response)
        # A server that does not know ranges answers 200 and sends the file from its first byte.
        if response.status_code != 206:
            partial.unlink(missing_ok=True)
        with files.opened(partial, files.APPEND) as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                file.flush()  # what has come stays, however this process ends
                advance(file.tell())
                if file.tell() > remote.size:
                    raise DataError(
                        f"{host()} sends more of {remote.name} than the "
                        f"{counted(remote.size, 'byte')} that "
                        "it announced. Check the network, proxy and HF_ENDPOINT."
                    )


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_right(path: Path, remote: RemoteFile) -> bool:
    """Tell whether the content of `path` has the hash that the hub announced, if it did."""
    if remote.sha256 is not None:
        return _hash(path, hashlib.sha256()) == remote.sha256
    if remote.git_sha1 is not None:
        header = f"blob {remote.size}\0".encode()
        return _hash(path, hashlib.sha1(header, usedforsecurity=False)) == remote.git_sha1
    return True


def _hash(path: Path, state: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
    return state.hexdigest()
