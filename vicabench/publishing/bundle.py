"""The files of a published run, without what is private, and where they go: a folder or the hub."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from vicabench.errors import ConfigError, DataError, counted
from vicabench.results.run import Run
from vicabench.results.store import CONFIG, OPTIONS, PREDICTIONS
from vicabench.zoo import explained

HUB = "hub:"
TOLD = ("vicabench", "commit", "python", "platform", "packages", "started", "asked")
"""What is published of each start of a run; not the machine and its options."""
KEYS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bAIza[A-Za-z0-9_-]{30,}|\bAKIA[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bBearer +[A-Za-z0-9._~+/-]{20,}"
)
"""Keys and tokens as the providers write them."""
NAMED = re.compile(r"(?i)(?:key|token|secret|password)\Z")
SHORTEST = 8  # characters of a value that can be looked for without finding words
LOCAL = re.compile(r"(?:~|/|\\\\|[A-Za-z]:\\)")
SHOWN = 3  # places that a message lists


def public(run: Run) -> Run:
    """The run as others see it: without the machines that it ran on, and where it lies there.

    Raises:
        ConfigError: The run is a bare file, or unfinished.
    """
    if run.config is None:
        raise ConfigError(
            f"{run.path} does not say how its answers came about. Give a run folder: `vicabench "
            "import jsonl` makes one of a predictions file."
        )
    if run.incomplete:
        raise ConfigError(f"{run.name} is {run.incomplete}. Finish it first.")
    return replace(run, config=_told(run.config), path=Path())


def bundle(run: Run, folder: Path) -> dict[str, bytes]:
    """The files to publish by name, without the report and the card.

    Args:
        run: A public run.
        folder: Its run folder.

    Raises:
        ConfigError: A file has a key or token in it.
        DataError: A file cannot be read.
    """
    config = json.dumps(run.config, indent=2, ensure_ascii=False)
    files = {CONFIG: f"{config}\n".encode(), PREDICTIONS: _read(folder / PREDICTIONS)}
    if (folder / OPTIONS).exists():
        files[OPTIONS] = _portable(_read(folder / OPTIONS))
    check_secrets(files)
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without the machines that it ran on."""
    starts = config.get("starts")
    known = [start for start in starts if isinstance(start, dict)] if starts else []
    return {
        **config,
        "starts": [{name: start[name] for name in TOLD if name in start} for start in known],
    }


def _portable(text: bytes) -> bytes:
    """The options without paths of this machine, and with the run's folder named anew."""
    options = yaml.safe_load(text)
    kept = {
        name: value
        for name, value in options.items()
        if not (isinstance(value, str) and LOCAL.match(value)) and name != "out"
    }
    head = "# `vicabench run --config FILE` repeats this run.\n"
    return f"{head}{yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)}".encode()


def check_secrets(files: Mapping[str, bytes]) -> None:
    """Refuse files that hold a key or token, or the value of a variable that is named like one.

    Raises:
        ConfigError: Naming files and lines, never what stands there.
    """
    places = list(_secrets(files))
    if places:
        more = f" and {counted(len(places) - SHOWN, 'more place')}" if len(places) > SHOWN else ""
        raise ConfigError(
            f"Nothing is published: there is a key or token in {', '.join(places[:SHOWN])}{more}. "
            "Remove it there, and revoke it if it was shown to others."
        )


def _secrets(files: Mapping[str, bytes]) -> Iterator[str]:
    ours = [v for k, v in os.environ.items() if NAMED.search(k) and len(v) >= SHORTEST]
    for name, content in files.items():
        for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), start=1):
            if KEYS.search(line) or any(value in line for value in ours):
                yield f"{name}, line {number}"


def to_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files; ConfigError for a folder that has something in it, or cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty. Name a new folder.")
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}.") from None


def to_hub(files: Mapping[str, bytes], repo: str, *, private: bool) -> str:
    """Upload the files as one commit, creating the repository where needed; returns its address.

    The token is that of `huggingface_hub` (`HF_TOKEN`, or `hf auth login`).

    Raises:
        ConfigError: The hub refuses or cannot be reached.
    """
    with explained(repo), TemporaryDirectory() as folder:
        from huggingface_hub import HfApi  # noqa: PLC0415  (the import fails for a bad HF_ENDPOINT)

        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        api = HfApi()
        with _may_write(repo):
            api.create_repo(repo, private=private, exist_ok=True)
            message = "Publish a run of vicabench"
            done = api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
        return str(done.commit_url)


@contextmanager
def _may_write(repo: str) -> Iterator[None]:
    """Explain that the hub takes nothing from this user."""
    from huggingface_hub import errors  # noqa: PLC0415

    try:
        yield
    except errors.HfHubHTTPError as error:
        if (status := error.response.status_code) not in (401, 403):
            raise
        raise ConfigError(
            f"The hub does not let you write to {repo} (HTTP {status}). Put a token that may into "
            "HF_TOKEN, or log in with `hf auth login`, and check the name."
        ) from None
