"""Where a published run goes: a folder, or a repository of the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vicabench.errors import ConfigError
from vicabench.zoo import explained

HUB = "hub:"


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
