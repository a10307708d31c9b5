"""Where data that can be made or fetched again is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir() -> Path:
    """The folder named by the environment variable VICABENCH_CACHE, else the user's cache folder.

    It need not exist yet.
    """
    chosen = os.environ.get("VICABENCH_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("vicabench")
