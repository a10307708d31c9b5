"""Checkpoints in the local hub cache: list, download and delete them.

This module does not import torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vica.hub import UNKNOWN, address, bounded

from vicabench.errors import ConfigError, did_you_mean
from vicabench.reference import model_zoo

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, CachedRevisionInfo
    from huggingface_hub.errors import HfHubHTTPError

SMALL = ("*.json", "*.txt", "*.jinja")
PATTERNS = ("*.safetensors", *SMALL)
"""The only files of a checkpoint that are read: pickled weights, which can run code, are not."""
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Cached:
    """A repository in the local cache: its bytes, and whether a revision has all its weights."""

    size: int
    whole: bool


def cached() -> Mapping[str, Cached]:
    """The model repositories in the local cache, by id."""
    return {
        repo.repo_id: Cached(
            size=repo.size_on_disk,
            whole=any(_is_whole(revision.snapshot_path) for revision in repo.revisions),
        )
        for repo in _cached_repositories()
        if repo.repo_type == "model"
    }


def repository(spec: str) -> str | None:
    """The repository of a spec such as `owner/name@revision`; None if it does not name one."""
    name = spec.partition("@")[0]
    hub = name.count("/") == 1 and ":" not in name and name[0] not in "./~"
    return name if hub and not Path(spec).is_dir() else None


def revisions(repo: str) -> frozenset[str]:
    """The commits of a model repository that are in the local cache, complete or not."""
    return frozenset(revision.commit_hash for revision in _cached_revisions(repo))


def evict(repo: str, *, keep: Collection[str] = ()) -> int:
    """Delete all cached commits of a repository except those to `keep`; returns the freed bytes."""
    from huggingface_hub import scan_cache_dir  # noqa: PLC0415

    doomed = revisions(repo) - frozenset(keep)
    if not doomed:
        return 0
    strategy = scan_cache_dir().delete_revisions(*doomed)
    strategy.execute()
    return strategy.expected_freed_size


def _cached_revisions(repo: str) -> Collection[CachedRevisionInfo]:
    models = (one for one in _cached_repositories() if one.repo_type == "model")
    return [revision for one in models if one.repo_id == repo for revision in one.revisions]


def _cached_repositories() -> Collection[CachedRepoInfo]:
    from huggingface_hub import scan_cache_dir  # noqa: PLC0415
    from huggingface_hub.errors import CacheNotFound  # noqa: PLC0415

    try:
        return scan_cache_dir().repos
    except CacheNotFound:
        return ()
    except ValueError as error:
        raise ConfigError(f"{error}. HF_HUB_CACHE or HF_HOME sets its place.") from None


def fetch(
    repo: str, revision: str | None = None, *, weights: bool = True, recheck: bool = False
) -> Path:
    """Download a checkpoint into the local cache, or continue, and return its folder.

    Without `weights` only the small files. Checks what it downloads against the hub's hashes, with
    `recheck` also what was cached. Raises ConfigError for a failure or a damaged file.
    """
    with explained(repo):
        from huggingface_hub import (  # noqa: PLC0415  (the import fails for a bad HF_ENDPOINT)
            HfApi,
            snapshot_download,
            try_to_load_from_cache,
        )

        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
        announced = {
            file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id
            for file in info.siblings or ()
            if any(fnmatch(file.rfilename, p) for p in (PATTERNS if weights else SMALL))
        }
        if weights and not any(name.endswith(".safetensors") for name in announced):
            raise ConfigError(
                f"{repo} has no safetensors files. Only those are read, because pickled weights "
                "can run code when they are loaded."
            )
        cached_at = partial(try_to_load_from_cache, repo, revision=info.sha)
        present = {name for name in announced if isinstance(cached_at(name), str)}
        size = sum(
            file.size or UNKNOWN for file in info.siblings or () if file.rfilename in announced
        )
        folder = Path(
            snapshot_download(
                repo,
                revision=info.sha,
                allow_patterns=list(announced),
                tqdm_class=bounded(repo, size, ConfigError),
            )
        )
    _require(repo, folder, announced)
    _check(repo, folder, {n: h for n, h in announced.items() if recheck or n not in present})
    return folder


def _require(repo: str, folder: Path, wanted: Collection[str]) -> None:
    """Raise ConfigError for missing files.

    Without a connection the hub's library silently returns the files that are cached.
    """
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise ConfigError(
            f"The connection to the hub broke: {', '.join(missing)} of {repo} could not be "
            "downloaded. Repeat the same command: the files downloaded so far are kept."
        )


def _check(repo: str, folder: Path, announced: Mapping[str, str | None]) -> None:
    """Delete files whose content does not match the announced hash, and raise ConfigError.

    The hub announces the SHA-256 of large files and git's hash of small ones.
    """
    damaged = []
    for name, known in announced.items():
        if known is None or known == _hash(folder / name, known):
            continue
        damaged.append(name)
        (folder / name).resolve().unlink()
        (folder / name).unlink(missing_ok=True)
    if damaged:
        raise ConfigError(
            f"{', '.join(damaged)} of {repo} arrived damaged and was deleted: the content does "
            "not have the checksum that the hub announced. Repeat the same command."
        )


def _hash(path: Path, known: str) -> str:
    """The file's hash of the same kind as `known`: SHA-256, or git's, which includes the size."""
    with path.open("rb") as file:
        if len(known) == 64:
            return hashlib.file_digest(file, "sha256").hexdigest()
        state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        state.update(file.read())
        return state.hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether all files of weights exist: those in the index, or the single one."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return all((folder / name).is_file() for name in set(index["weight_map"].values()))
    except FileNotFoundError:
        return (folder / SINGLE).is_file()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn every failure of a request to the hub into a ConfigError that says what to do."""
    from huggingface_hub import errors  # noqa: PLC0415

    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except UnicodeEncodeError:
        raise ConfigError(
            "HF_TOKEN contains characters that do not occur in tokens. Set it again."
        ) from None
    except errors.HFValidationError as error:
        raise ConfigError(f"{repo!r} is not the name of a repository: {error}") from None
    except errors.RevisionNotFoundError:
        raise ConfigError(
            f"{repo} has no such revision. Give a commit, tag or branch after @, or leave it out."
        ) from None
    except errors.HfHubHTTPError as error:
        raise ConfigError(_refusal(repo, error)) from None
    except (transport_error, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise ConfigError(
            f"The hub cannot be reached for {repo} ({str(error) or type(error).__name__}). Check "
            "the network, proxy, HF_ENDPOINT and HF_HUB_OFFLINE and repeat the same command: the "
            "files downloaded so far are kept. A folder copied from elsewhere works as well: "
            "--model ./folder"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        # A login page of the network, or a proxy of a kind that the HTTP client does not support.
        raise ConfigError(
            f"The server that answers for {repo} is not a hub "
            f"({str(error) or type(error).__name__}): it may be a login page of the network, or a "
            "broken mirror. Check the network, proxy and HF_ENDPOINT."
        ) from None


def _refusal(repo: str, error: HfHubHTTPError) -> str:
    """The message for an HTTP status; the hub also answers 401 for unknown repositories."""
    status = error.response.status_code
    near = did_you_mean(repo, [model.repo for model in model_zoo() if model.repo != repo])
    page = f"{address()}/{repo}"
    if status in (401, 403):
        return (
            f"The hub does not let you read {repo} (HTTP {status}): it requires a login, its terms "
            "have to be accepted, or there is no such repository. Check the name, accept its "
            f"terms at {page}, and set HF_TOKEN to a token that may read it.{near}"
        )
    if status == 404:
        return f"There is no model {repo} on the hub (HTTP 404). Check its name: {page}{near}"
    return (
        f"The hub answered HTTP {status} for {repo}. Repeat the same command later: the files "
        "downloaded so far are kept."
    )
