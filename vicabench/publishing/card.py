"""The card of a published run: `model-index` for programs, tables and commands for people."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

import vicabench
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.scores import FORMATS
from vicabench.reporting.tables import columns_for, estimate_of, markdown_text
from vicabench.results.run import Run
from vicabench.results.store import OPTIONS
from vicabench.types import Scores

TASK = "video-text-to-text"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""A model that is a repository of the hub; servers and files have a colon or a path."""
DATA_SETS = {"vsi-bench": "nyu-visionx/VSI-Bench"}


def card(run: Run, protocol: Protocol, files: Mapping[str, bytes]) -> str:
    """The README.md of a published run.

    Args:
        run: A finished run, as others see it.
        protocol: The grading protocol of the scores.
        files: The other files.
    """
    scores = run.scores(protocol)
    return f"---\n{_metadata(run, scores)}\n---\n\n{_text(run, scores, files)}"


def _metadata(run: Run, scores: Scores) -> str:
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415  (half a second)

    settings = _settings(run)
    benchmark, subset = str(settings["benchmark"]), str(settings["subset"])
    kinds = {task.name: task.scored_by.name for task in scores.rubric.tasks}
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=DATA_SETS.get(benchmark, benchmark),
            dataset_name=benchmark,
            dataset_config=subset,
            dataset_revision=str(settings["revision"]),
            metric_type=kinds.get(column, "score"),
            metric_name=f"{title} ({scores.protocol} protocol)",
            metric_value=round(estimate.mean, 4),
            metric_args={
                "low": round(estimate.low, 4) if estimate.low == estimate.low else None,
                "high": round(estimate.high, 4) if estimate.high == estimate.high else None,
                "n": estimate.count,
                "videos": estimate.clusters,
                "unanswered": estimate.failed,
            },
        )
        for column, title in columns_for(scores.rubric)
        if (estimate := estimate_of(scores, column)) is not None and estimate.mean == estimate.mean
    ]
    model = str(settings["model"])
    data = ModelCardData(
        model_name=run.name,
        base_model=model if REPOSITORY.fullmatch(model) else None,
        library_name="vicabench",
        pipeline_tag=TASK,
        tags=["spatial-reasoning", "evaluation", benchmark],
        eval_results=results,
    )
    return str(data.to_yaml()).strip()


def _text(run: Run, scores: Scores, files: Mapping[str, bytes]) -> str:
    table = FORMATS["markdown"]([scores], (), ())
    digest = run.identity["config_digest"]
    lines = [
        f"# {markdown_text(run.name)} on {markdown_text(_benchmark(run))}",
        "",
        "Every question, reply and score of one run; neither weights nor media are here.",
        "",
        table,
        "",
        "## Reproduce it",
        "",
        "```bash",
        *_commands(scores, files),
        "```",
        "",
        "## Files",
        "",
        *(f"- `{name}`: {WHAT[name]}" for name in files),
        "",
        f"Made by vicabench {vicabench.__version__}; configuration `{digest}`.",
    ]
    return "\n".join(lines) + "\n"


WHAT = {
    "config.json": "what was asked, with which settings and library versions",
    "predictions.jsonl": "a line for each question: question, truth, reply",
    "run.yaml": "the options of the command",
    "report.html": "the page of this run, to be opened from disk",
}


NEEDED = ("model", "benchmark")


def _commands(scores: Scores, files: Mapping[str, bytes]) -> list[str]:
    install = f'pip install "vicabench[models]=={vicabench.__version__}"'
    grade = f"vicabench score . --protocol {scores.protocol}  # the table above, from the replies"
    if OPTIONS not in files:
        return [install, grade]
    known = yaml.safe_load(files[OPTIONS])
    private = "".join(f" --{name} YOURS" for name in NEEDED if name not in known)
    again = f"vicabench run --config {OPTIONS}{private} --out again  # asks the model again"
    return [install, grade, again]


def _benchmark(run: Run) -> str:
    settings = _settings(run)
    whole = settings["subset"] in ("full", "unknown")
    return str(settings["benchmark"]) + ("" if whole else f" ({settings['subset']})")


def _settings(run: Run) -> dict[str, object]:
    assert run.config is not None  # noqa: S101  (a bundle has one)
    settings: dict[str, object] = run.config["config"]
    return settings
