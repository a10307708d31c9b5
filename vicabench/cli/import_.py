"""`vicabench import`: results of other harnesses, as run folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

SHOWN = 10  # problems that are printed one by one


def command(
    harness: Annotated[
        str, typer.Argument(help="official, lmms-eval, vlmevalkit or jsonl.", metavar="HARNESS")
    ],
    path: Annotated[
        Path, typer.Argument(help="The file of per-sample outputs, or the harness's output folder.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    model: Annotated[
        str | None, typer.Option(help="The model's name (default: what the file says).")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="Take the questions from vsi-bench, rooms or a questions.jsonl."),
    ] = None,
    subset: Annotated[str, typer.Option(help="vsi-bench: full, debiased or pruned.")] = "full",
    data: Annotated[
        Path | None, typer.Option(help="vsi-bench: the folder it was fetched to.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="jsonl: which column is ours, as in response=output.text. Repeat."),
    ] = None,
) -> None:
    """Turn what another harness answered into a run folder.

    official: the vsibench.json of the benchmark authors' harness, and
    lmms-eval: its samples file, both written by --log_samples. vlmevalkit:
    its xlsx, tsv or json of predictions. jsonl: any file with one answer a
    line. What the file does not hold comes from --benchmark.
    Exit code 1: some rows could not be read; each is named.
    """
    from vicabench.cli.importing import load, say
    from vicabench.errors import ConfigError
    from vicabench.results.importing import collect, write_run

    source = load(harness, path, column or [])
    questions = None
    if benchmark is not None:
        from vicabench.benchmarks import Source, load_benchmark

        wanted = Source(subset=subset, data=data, videos_needed=False)
        questions = load_benchmark(benchmark, wanted)
    elif subset != "full" or data is not None:
        raise ConfigError("--subset and --data belong to --benchmark vsi-bench: name that too.")
    imported = collect(source, questions)
    name = model or imported.model or source.model
    if name is None:
        raise ConfigError(f"{source.file} does not name its model. Say so: --model NAME.")
    write_run(out, source, imported, model=name, benchmark=questions)
    say(imported, questions, out, shown=SHOWN)
    sys.exit(1 if imported.problems else 0)
