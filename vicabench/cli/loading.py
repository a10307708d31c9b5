"""Loading a benchmark for a command: with a bar where it has to be built first."""

from __future__ import annotations

import sys
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from vicabench.benchmarks import Source, load_benchmark
from vicabench.progress import building
from vicabench.types import Benchmark


def load(name: str, source: Source, terminal: Console) -> Benchmark:
    """The benchmark of this name; Ctrl-C while it is built says what is kept, and exits."""
    with building(terminal, f"Building {name}") as progress:
        try:
            return load_benchmark(name, replace(source, progress=progress))
        except KeyboardInterrupt:
            text = "Interrupted. What was built is kept; the same command continues."
            terminal.print(Text(text, style="dim"), soft_wrap=True)
            sys.exit(130)
