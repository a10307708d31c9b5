"""What a shell offers for the values of options: names that this package knows, without a search.

Each module is imported when it is asked for: a shell waits for the answer at every press of Tab.
"""

from __future__ import annotations

from collections.abc import Iterable


def complete_model(incomplete: str) -> list[str]:
    """Published and included checkpoints, baselines, and the prefixes of adapters."""
    from vicabench.adapters import ADAPTERS, SHIPPED
    from vicabench.adapters.baselines import BASELINES
    from vicabench.reference import model_zoo

    names = [*SHIPPED, *(f"baseline:{name}" for name in (*BASELINES, "constant:"))]
    names += [f"{name}:" for name in ADAPTERS if name != "baseline"]
    return _starting(incomplete, [*names, *(model.repo for model in model_zoo())])


def complete_benchmark(incomplete: str) -> list[str]:
    """The benchmarks that have names."""
    from vicabench.benchmarks import BENCHMARKS

    return _starting(incomplete, BENCHMARKS)


def complete_subset(incomplete: str) -> list[str]:
    """The subsets of VSI-Bench."""
    from vicabench.benchmarks.vsi_bench import SUBSETS

    return _starting(incomplete, SUBSETS)


def complete_tasks(incomplete: str) -> list[str]:
    """Tasks and question types, after the last comma."""
    from vicabench.rubric import VSI

    return _last_of_list(incomplete, dict.fromkeys([*(t.name for t in VSI.tasks), *VSI.types]))


def complete_protocol(incomplete: str) -> list[str]:
    """Grading protocols, after the last comma."""
    from vicabench.harnesses.protocols import PROTOCOLS

    return _last_of_list(incomplete, PROTOCOLS)


def complete_preset(incomplete: str) -> list[str]:
    """Presets, with their versions behind an @."""
    from vicabench.harnesses.presets import FILES, all_presets

    names = [preset.spec for preset in all_presets()] if "@" in incomplete else FILES
    return _starting(incomplete, names)


def complete_format(incomplete: str) -> list[str]:
    """Formats of tables."""
    return _starting(incomplete, ("terminal", "markdown", "latex", "csv", "json"))


def _last_of_list(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in _starting(last, names)]


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
