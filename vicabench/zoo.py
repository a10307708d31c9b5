"""Checkpoints in the local cache of the Hugging Face hub: what is there, bringing more,
and deleting it again.

Nothing of torch is needed here.
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

from vica.hub import UNKNOWN, bounded

from vicabench.errors import ConfigError

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, CachedRevisionInfo
    from huggingface_hub.errors import HfHubHTTPError

SMALL = ("*.json", "*.txt", "*.jinja")
PATTERNS = ("*.safetensors", *SMALL)
"""All that is ever read of a checkpoint: weights that can run code stay where they are."""
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Cached:
    """A repository in the local cache: bytes on disk, and whether any revision has all weights."""

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
    """The repository of a spec such as `owner/name@revision`; None for what is not on the hub."""
    name = spec.partition("@")[0]
    hub = name.count("/") == 1 and ":" not in name and name[0] not in "./~"
    return name if hub and not Path(spec).is_dir() else None


def revisions(repo: str) -> frozenset[str]:
    """The commits of a model repository that are in the local cache, in whole or in part."""
    return frozenset(revision.commit_hash for revision in _cached_revisions(repo))


def evict(repo: str, *, keep: Collection[str] = ()) -> int:
    """Delete the cached commits of a repository other than those to `keep`; the bytes freed."""
    from huggingface_hub import scan_cache_dir  # noqa: PLC0415

    doomed = revisions(repo) - frozenset(keep)
    if not doomed:
        return 0
    strategy = scan_cache_dir().delete_revisions(*doomed)
    strategy.execute()
    return strategy.expected_freed_size


def _cached_revisions(repo: str) -> Collection[CachedRevisionInfo]:
    found = (one for one in _cached_repositories() if one.repo_type == "model")
    return [revision for one in found if one.repo_id == repo for revision in one.revisions]


def _cached_repositories() -> Collection[CachedRepoInfo]:
    from huggingface_hub import scan_cache_dir  # noqa: PLC0415
    from huggingface_hub.errors import CacheNotFound  # noqa: PLC0415

    try:
        return scan_cache_dir().repos
    except CacheNotFound:
        return ()
    except ValueError as error:
        raise ConfigError(f"{error}. Its place is set by HF_HUB_CACHE or HF_HOME.") from None


def fetch(
    repo: str, revision: str | None = None, *, weights: bool = True, again: bool = False
) -> Path:
    """Download a checkpoint into the local cache and return its folder; continues what was begun.

    Without `weights` only the small files. What is downloaded is checked against the SHA-256 that
    the hub announces; with `again` what was there already is too. Raises ConfigError saying what
    the hub answered, or that there is none, or what came damaged, and what to do.
    """
    with _explained(repo):
        from huggingface_hub import (  # noqa: PLC0415  (an address that is none fails here)
            HfApi,
            snapshot_download,
            try_to_load_from_cache,
        )

        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
        wanted = {
            file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id
            for file in info.siblings or ()
            if any(fnmatch(file.rfilename, p) for p in (PATTERNS if weights else SMALL))
        }
        if weights and not any(name.endswith(".safetensors") for name in wanted):
            raise ConfigError(
                f"{repo} has no safetensors files, and only those are read: pickled weights can "
                "run code when they are loaded."
            )
        cached_at = partial(try_to_load_from_cache, repo, revision=info.sha)
        there = {name for name in wanted if isinstance(cached_at(name), str)}
        size = sum(file.size or UNKNOWN for file in info.siblings or () if file.rfilename in wanted)
        folder = Path(
            snapshot_download(
                repo,
                revision=info.sha,
                allow_patterns=list(wanted),
                tqdm_class=bounded(repo, size, ConfigError),
            )
        )
    _require(repo, folder, wanted)
    _check(repo, folder, {n: h for n, h in wanted.items() if again or n not in there})
    return folder


def _require(repo: str, folder: Path, wanted: Collection[str]) -> None:
    """ConfigError for files that did not come.

    Without a connection the hub's library gives what is there, and says nothing.
    """
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise ConfigError(
            f"The connection to the hub broke: {', '.join(missing)} of {repo} did not come. Type "
            "the same command again: what was downloaded is kept."
        )


def _check(repo: str, folder: Path, announced: Mapping[str, str | None]) -> None:
    """Delete files whose content is not what was announced, and raise ConfigError naming them.

    Large files are announced by their SHA-256, small ones by git's hash.
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
            f"{', '.join(damaged)} of {repo} came damaged and was deleted: the content does not "
            "have the checksum that the hub announced. Type the same command again."
        )


def _hash(path: Path, known: str) -> str:
    """The file's hash of the kind that is known: SHA-256, or that of git, which hashes a size."""
    with path.open("rb") as file:
        if len(known) == 64:
            return hashlib.file_digest(file, "sha256").hexdigest()
        state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        state.update(file.read())
        return state.hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether all files of weights are there: those of the index, or the single one."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return all((folder / name).is_file() for name in set(index["weight_map"].values()))
    except FileNotFoundError:
        return (folder / SINGLE).is_file()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Turn every way in which a request to the hub fails into one that says what to do."""
    from huggingface_hub import errors  # noqa: PLC0415

    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except UnicodeEncodeError:
        raise ConfigError("HF_TOKEN holds characters that no token has. Set it again.") from None
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
            "the network, proxy, HF_ENDPOINT and HF_HUB_OFFLINE and type the same command again: "
            "what was downloaded is kept. A folder that was copied here works as well: --model "
            "./folder"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        # A login page of the network, or a proxy of a kind that the HTTP client does not have.
        raise ConfigError(
            f"What answers for {repo} is not a hub ({str(error) or type(error).__name__}): a login "
            "page of the network, perhaps, or a mirror that is out of order. Check the network, "
            "proxy and HF_ENDPOINT."
        ) from None


def _refusal(repo: str, error: HfHubHTTPError) -> str:
    """What an HTTP status means; the hub answers 401 for what does not exist, too."""
    status = error.response.status_code
    page = f"https://huggingface.co/{repo}"
    if status in (401, 403):
        return (
            f"The hub does not let you read {repo} (HTTP {status}): it needs a login, its terms "
            "have to be accepted, or there is no such repository. Check the name, accept its "
            f"terms at {page}, and put a token that may read it into HF_TOKEN."
        )
    if status == 404:
        return f"There is no model {repo} on the hub (HTTP 404). Check its name: {page}"
    return (
        f"The hub answered HTTP {status} for {repo}. Type the same command again later: what was "
        "downloaded is kept."
    )
