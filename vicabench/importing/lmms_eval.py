"""Per-sample outputs of lmms-eval: `DATE_samples_TASK.jsonl`, as `--log_samples` writes them.

The model and the version stand in `DATE_results.json` beside the file.
"""

from __future__ import annotations

import re
from pathlib import Path

from vicabench.importing.lines import json_lines
from vicabench.importing.rows import Record, Source, each, frames_in, without_secrets
from vicabench.importing.samples import SUBSETS, as_object, only_file, results_in, sample

FILES = "*_samples_*vsibench*.jsonl"
UNSURE = ("vsibench_pruned",)  # every released version loads the full set for it
NAME = re.compile(r"(?P<date>.*)_samples_(?P<task>.*)\.jsonl")


def read(path: Path) -> Source:
    """Read a samples file, or the one samples file of VSI-Bench in a folder."""
    file = only_file(path, FILES) if path.is_dir() else path
    name = NAME.fullmatch(file.name)
    task = name["task"] if name else ""
    results = results_in(file.with_name(f"{name['date']}_results.json")) if name else {}
    settings = as_object(results.get("config"))
    loaded = as_object(as_object(results.get("configs")).get(task)).get("dataset_name")
    return Source(
        harness="lmms-eval",
        file=file,
        rows=each(json_lines(file), sample),
        model=(model or None) if isinstance(model := results.get("model_name"), str) else None,
        subset=loaded if loaded in SUBSETS.values() else SUBSETS.get(task),
        subset_sure=task not in UNSURE or loaded in SUBSETS.values(),
        frames=frames_in(settings.get("model_args")),
        details={
            "version": _version(results),
            "commit": results.get("git_hash"),
            "task": task or None,
            "model_type": settings.get("model"),
            "model_args": without_secrets(settings.get("model_args")),
            "gen_kwargs": settings.get("gen_kwargs"),
        },
    )


def _version(results: Record) -> str | None:
    """`BRANCH@COMMIT`; where lmms-eval is installed without git it calls itself unknown."""
    version = results.get("lmms_eval_version")
    return None if version is None or str(version).startswith("unknown") else str(version)
