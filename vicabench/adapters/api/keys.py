"""Keys come from the environment, go into requests, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from vicabench.errors import ConfigError

HIDDEN = "[key]"
SHORTEST = 8
"""Shorter secrets are no keys, and hiding them would take words out of replies."""


def key_from(names: Sequence[str]) -> str:
    """The key in the first of these environment variables that is set, or nothing.

    ConfigError, without the key, for one that cannot be sent.
    """
    for name in names:
        if key := os.environ.get(name, "").strip():
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigError(f"{name} holds characters that no key has: set it again.")
            return key
    return ""


def scrubbed(text: str, keys: Sequence[str]) -> str:
    """The text without the keys, should a server or a library have put one into it."""
    for key in keys:
        if len(key) >= SHORTEST:
            text = text.replace(key, HIDDEN)
    return text


def checked_url(url: str) -> str:
    """The address of a server; ConfigError, which does not repeat it, if it carries a secret."""
    try:
        parts = urlsplit(url)
        secret = "@" in parts.netloc or bool(parts.query) or bool(parts.fragment)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        good, secret = False, False
    if secret:
        raise ConfigError(
            "--base-url is written into the run folder, so it may have no user, password, query "
            "or fragment. Give the key in the environment."
        )
    if not good:
        raise ConfigError("--base-url is an address such as http://localhost:8000/v1")
    return url.rstrip("/")
