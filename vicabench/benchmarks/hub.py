"""Data set repositories on the Hugging Face Hub: listings and downloads of files."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vica.hub import address

from vicabench import files
from vicabench.benchmarks.fetched import has_size
from vicabench.errors import ConfigError, DataError, counted

OFFLINE_WAY = "`--benchmark rooms` works offline."


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of a repository: its size in bytes, and its SHA-256 or, for small files, git hash."""

    name: str
    size: int
    sha256: str | None
    git_sha1: str | None

    @property
    def key(self) -> str:
        """A name that identifies the content."""
        return self.sha256 or self.git_sha1 or "unverified"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a data set at one commit; `revision` is its full hash."""

    repo: str
    revision: str
    files: Mapping[str, RemoteFile]


def listing(repo: str, revision: str) -> Listing:
    """List the files of data set `repo` at a branch, tag or commit, with one request.

    Raises:
        ConfigError: If HF_ENDPOINT is not an address.
        DataError: For any failure of the request, with advice.
    """
    check_endpoint()
    from huggingface_hub import HfApi, constants  # noqa: PLC0415  (half a second, for fetch alone)

    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with explained(repo, revision):
        info = HfApi().dataset_info(repo, revision=revision, files_metadata=True, timeout=timeout)
    if info.sha is None:
        raise DataError(f"{host()} did not name the commit of {revision!r} of {repo}.")
    files = {
        file.rfilename: RemoteFile(
            name=file.rfilename,
            size=file.size or 0,
            sha256=file.lfs.sha256 if file.lfs else None,
            git_sha1=None if file.lfs else file.blob_id,
        )
        for file in info.siblings or ()
    }
    return Listing(repo=repo, revision=info.sha, files=files)


@contextmanager
def explained(repo: str, revision: str) -> Iterator[None]:
    """Turn every failure of a hub request into a DataError that says what to do."""
    from huggingface_hub import errors  # noqa: PLC0415

    # `HTTPError` is that of the HTTP client which the installed huggingface_hub works with.
    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise DataError(
            "HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids requests to the hub. Unset it to "
            f"fetch; {OFFLINE_WAY}"
        ) from None
    except errors.HFValidationError as error:
        raise DataError(f"{repo!r} is not a valid repository name: {error}") from None
    except errors.RevisionNotFoundError:
        raise DataError(
            f"The data set {repo} has no revision {revision!r} on {host()}. Give the hash of one "
            "of its commits, a tag, or main with --revision."
        ) from None
    except errors.HfHubHTTPError as error:
        raise DataError(_refusal(error.response.status_code, repo)) from None
    except transport_error as error:
        raise DataError(
            f"The hub at {host()} cannot be reached ({str(error) or type(error).__name__}). Check "
            "the network, proxy and HF_ENDPOINT and repeat the same command: what was "
            f"downloaded is kept. {OFFLINE_WAY}"
        ) from None
    except (ValueError, TypeError, KeyError, ImportError) as error:
        # A login page of the network, or a proxy of a kind that the HTTP client does not have.
        raise DataError(
            f"{host()} does not answer like a hub ({str(error) or type(error).__name__}). Check "
            f"the network, proxy and HF_ENDPOINT; {OFFLINE_WAY}"
        ) from None


def _refusal(status: int, repo: str) -> str:
    """Explain an HTTP status; the hub also answers 401 for repositories that do not exist."""
    page = f"{address()}/datasets/{repo}"
    if status in (401, 403):
        return (
            f"{host()} does not let you read the data set {repo} (HTTP {status}): it needs a "
            "login, its terms have to be accepted, or there is no such repository. Check the "
            f"name, accept its terms at {page}, and put a token that may read it into HF_TOKEN."
        )
    if status == 404:
        return f"There is no data set {repo} on {host()} (HTTP 404). Check its name: {page}"
    return (
        f"{host()} answered HTTP {status} for the data set {repo}. Repeat the same command "
        f"later: what was downloaded is kept. {OFFLINE_WAY}"
    )


def check_endpoint() -> None:
    """Refuse an invalid HF_ENDPOINT, with which importing huggingface_hub would fail."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        parts = urlsplit(endpoint)
        good = parts.port is None or parts.port > 0  # ValueError beyond 65535
        is_address = good and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(
            "HF_ENDPOINT is not the address of a hub, such as https://huggingface.co. Correct it "
            "or unset it."
        )


def host() -> str:
    """The hub's host and port, the only parts of the address that are shown."""
    parts = urlsplit(address())
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


BLOCK = 1 << 20
ATTEMPTS = 3
"""Maximum number of consecutive broken connections without any data."""

Advance = Callable[[int], None]
"""Called with the number of bytes downloaded so far."""


def download(listing: Listing, name: str, folder: Path, advance: Advance) -> Path:
    """Download the file `name` to `folder/name`; an existing correct file is kept.

    Raises:
        DataError: If the repository lacks the file, the hub fails, or the content does not match
            the announced size, SHA-256 or git hash.
    """
    remote = listing.files.get(name)
    if remote is None:
        raise DataError(f"{listing.repo} at {listing.revision} has no file {name}.")
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
            f"{name} of {listing.repo} arrived damaged: its content does not have the checksum "
            "that the hub announced. The download was deleted. Repeat the same command."
        )
    partial.replace(target)
    return target


def part_path(folder: Path, remote: RemoteFile) -> Path:
    """Return the path of the unfinished download of `remote`, named after its content."""
    return folder / ".download" / f"{remote.key}.part"


def _complete(listing: Listing, remote: RemoteFile, partial: Path, advance: Advance) -> None:
    """Append to `partial` until it is complete, reconnecting after broken connections."""
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
    """Request the missing bytes of `remote` and append them."""
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
    """Whether `path` has the hash that the hub announced; True if it announced none."""
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
