"""Several runs, of which some cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vicabench.errors import DataError, RunFolderError, UserError
from vicabench.results.run import Run, load_run, load_runs


def load_readable(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Read several runs as `load_runs` does; one that cannot be read is a problem, not an end.

    Returns:
        The runs, and a sentence about each path that holds none.

    Raises:
        ConfigError: Two paths lead to the same predictions.
        DataError, RunFolderError: Of a single path, or if no run can be read.
    """
    loaded: dict[Path, Run] = {}
    problems: dict[Path, UserError] = {}
    for path in paths:
        try:
            loaded[path] = load_run(path)
        except (DataError, RunFolderError) as error:
            if len(paths) == 1:
                raise
            problems[path] = error
    if not loaded:
        raise next(iter(problems.values()))
    readable = [path for path in paths if path not in problems]
    return load_runs(readable, loaded.__getitem__), [str(error) for error in problems.values()]
