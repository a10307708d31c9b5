"""One static page over benchmarks and models: `vicabench leaderboard`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vicabench.errors import ConfigError
from vicabench.front.compare import runs_of
from vicabench.front.report import made_now
from vicabench.harnesses.protocols import find_protocols
from vicabench.reporting.files import check_not_input, size_of, write_file
from vicabench.reporting.leaderboard import boards
from vicabench.reporting.page.leaderboard import render_leaderboard
from vicabench.results.run import Run
from vicabench.screen import saying


def leaderboard(
    runs: Sequence[Run | str | Path],
    *,
    out: str | Path = "leaderboard.html",
    protocol: str = "official",
    published: bool = False,
    title: str = "Leaderboard",
    command: str = "vicabench.leaderboard",
    progress: bool = True,
) -> str:
    """Make one static page of runs, with ranks, intervals, blind and debiased scores.

    A run on grey frames or without any (`--blind`, `--text-only`) stands in the row of the same
    model. A file `report.html` beside a run's answers is linked.

    Args:
        runs: Runs, or paths of run folders, folders of runs or predictions files.
        out: The page.
        protocol: Protocols, comma-separated; the reader chooses one.
        published: Whether to add the published rows of each benchmark.
        title: The heading of the page.
        command: The command that the page names as its origin.
        progress: Whether to report the size of the page.

    Raises:
        ConfigError, DataError: For an unknown protocol, runs that cannot be read, or a place where
            the page cannot be written.
    """
    rules, file = find_protocols(protocol), Path(out)
    loaded = runs_of(runs)
    inputs = [run.path for run in loaded]
    check_not_input(file, inputs)
    if not file.parent.is_dir():
        raise ConfigError(f"The folder {file.parent} does not exist. Create it first.")
    text = render_leaderboard(
        boards(loaded, rules, published=published),
        rules,
        title=title,
        folder=file.parent,
        command=command,
        made=made_now(),
    )
    write_file(file, text, keep=inputs)
    saying(progress)(f"{file}: {size_of(text)}.")
    return text
