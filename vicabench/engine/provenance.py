"""What produced a run: versions, machine and commit, for `config.json`. Never a key or a token."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import vicabench

PACKAGES = (
    "numpy",
    "scipy",
    "av",
    "decord2",
    "decord",
    "huggingface_hub",
    "torch",
    "transformers",
    "tokenizers",
    "pillow",
    "flash_attn",
    "openai",
    "google-genai",
)


def provenance() -> dict[str, object]:
    """Versions of what can matter, the platform, the source commit if there is one, and the time.

    Installed versions are read from metadata: nothing is imported for it.
    """
    return {
        "vicabench": vicabench.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The git commit vicabench runs from, with `-dirty` for uncommitted changes."""
    root = Path(vicabench.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("-dirty" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    # Without optional locks: a run that is killed just now must not leave the index locked.
    command = ["git", "-C", str(root), "--no-optional-locks", *arguments]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
