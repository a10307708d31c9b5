"""What a model replied to a prompt, kept by content: the same request is never sent twice.

A reply is one small file named by the SHA-256 of all that can change it: the model with its
settings, the prompt, and the limit of tokens. Files are written by rename, so that a killed
process leaves whole ones only, and several may write at once. Failures are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.config import digest_of


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's reply to a prompt, or the `error` that says why there is none.

    `stop` says what ended it, tokens are as the model counted them, `cost` is in the currency of
    the user's price table: None where it is not known. `cached` replies were not asked for now.
    """

    text: str | None = None
    error: str | None = None
    stop: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    cost: float | None = None
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class ReplyCache:
    """The replies in a folder, which is made when the first is kept."""

    folder: Path

    def find(self, key: str) -> Reply | None:
        """The reply kept under this key; None if there is none, or its file was damaged."""
        try:
            content = json.loads(files.read(self._file(key)))
            reply = Reply(**{**content["reply"], "cached": True})
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        whole = content.get("key") == key and isinstance(reply.text, str)
        return reply if whole else None

    def keep(self, key: str, reply: Reply) -> None:
        """Write the reply to disk. Raises OSError where that is impossible."""
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"key": key, "reply": asdict(reply)}, allow_nan=False)
        files.write(file, text + "\n")

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def key_of(settings: Mapping[str, Any], prompt: str, max_new_tokens: int) -> str:
    """The SHA-256 of all that can change a reply, in hexadecimal."""
    return digest_of(
        {"settings": dict(settings), "prompt": prompt, "max_new_tokens": max_new_tokens}
    )
