"""Runs of several checkpoints in sequence, downloading the next one meanwhile."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self

from vicabench import files, zoo
from vicabench.adapters import find_adapter
from vicabench.engine.run import sampling_of
from vicabench.errors import ConfigError, RunFolderError, UserError
from vicabench.front.benchmark import Selection
from vicabench.front.folders import folders_within
from vicabench.front.run import run
from vicabench.front.run_options import RunOptions
from vicabench.results.plan import repeated
from vicabench.results.store import PREDICTIONS, planned_keys, read_config, run_predictions

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True, kw_only=True)
class Results:
    """The run folder of each spec that has a result, and why the others have none."""

    folders: Mapping[str, Path]
    gaps: Mapping[str, str]


def run_checkpoints(
    models: Sequence[str],
    asked: Selection,
    cache: Cache,
    *,
    given: RunOptions,
    how: Mapping[str, Any],
    out: Path | None,
    say: Callable[[str], None],
) -> Results:
    """Run every unfinished model, in order; a model that fails is recorded in `gaps`.

    Args:
        given: The options of all runs, checked before anything is run.
        how: The keyword arguments of `vicabench.run`.
        out: The folder for the run folders; None for the benchmark's folder of runs.

    Raises:
        ConfigError, DataError: Before anything is run, for invalid options or models.
    """
    given.check()
    for model in models:
        find_adapter(model)
    folders = folders_within(models, asked.benchmark.name, out=out, suffix=given.model.suffix)
    todo = [m for m in models if not finished(asked, m, folders[m], given, how)]
    if done := len(models) - len(todo):
        say(f"Checkpoints finished already: {done:,} of {len(models):,}.")
    cache.remember(todo)
    for model in set(models) - set(todo):  # an earlier start may have been killed before evicting
        cache.evict(model)
    gaps: dict[str, str] = {}
    with Downloads(say) as downloads:
        for model, following in zip_longest(todo, todo[1:]):
            downloads.wait()
            if following:
                downloads.begin(following)
            try:
                run(model, asked, out=folders[model], **how)
            except UserError as error:  # the download stays in the cache for the next attempt
                gaps[model] = str(error)
                say(f"{model} has no result: {error}")
            else:
                cache.evict(model)
            gc.collect()  # free the GPU memory of this model before the next one is loaded
    return Results(folders={m: f for m, f in folders.items() if m not in gaps}, gaps=gaps)


def finished(
    asked: Selection, model: str, folder: Path, given: RunOptions, how: Mapping[str, Any]
) -> bool:
    """Whether a run folder already holds every answer, so that the model need not be loaded.

    True only if the last start had the same configuration. Otherwise the run is started, which
    compares the whole configuration, weights included, and asks only outstanding questions.
    """
    try:
        content = read_config(folder)
    except RunFolderError:
        return False
    if content is None or not (folder / PREDICTIONS).exists():
        return False
    config = content["config"]
    now = {
        "model": model,
        "benchmark": asked.benchmark.name,
        "subset": asked.benchmark.subset,
        "revision": asked.benchmark.revision,
        "seed": how["seed"],
    }
    alike = all(config[name] == value for name, value in now.items())
    alike &= config["sampling"] in ("none", sampling_of(given.video.decoding()))
    alike &= config["frames"] in (0, given.video.frames, given.video.max_frames)
    options = content["starts"][-1].get("options") if content["starts"] else None
    if not alike or options != json.loads(json.dumps(asdict(given.model))):
        return False
    keys = {q.key for q in repeated(asked.questions, given.repeats)}
    predictions = run_predictions(folder)
    settled = {
        p.question.key for p in predictions if p.response is not None or not how["retry_errors"]
    }
    return planned_keys(content["plan"]) == keys and keys <= settled


class Downloads:
    """Downloads the next checkpoint in a separate process, which ends with this one.

    Errors there are ignored: the run fetches the checkpoint again and reports them.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._model = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def begin(self, model: str) -> None:
        """Start downloading a checkpoint from the hub unless it is in the cache."""
        repo = zoo.repository(model)
        offline = any(os.environ.get(name, "0").upper() not in ("0", "", "OFF") for name in OFFLINE)
        if repo is None or offline or _is_whole(repo):
            return
        self._model = model
        self._process = subprocess.Popen(  # noqa: S603  (our own command)
            [sys.executable, "-P", "-m", "vicabench", "models", "fetch", model],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only this process, which ends the other
        )

    def wait(self) -> None:
        """Wait for the download in progress, if any."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._say(f"{self._model} is still being downloaded ...")
        self._process.wait()
        self._process = None


class Cache:
    """The part of the hub's cache that may be deleted: what the first start did not find there.

    The revisions cached before are written to `record` before anything is downloaded, so that a
    command restarted after a kill still knows them. A model's entry is removed once its downloads
    are deleted: later downloads are not ours. With `everything`, all revisions may be deleted.
    """

    def __init__(self, record: Path | None, *, everything: bool = False) -> None:
        self._record = record
        self._everything = everything
        self._before: dict[str, list[str]] = {}

    def remember(self, models: Sequence[str]) -> None:
        """Record the cached revisions of these models, unless an earlier start did."""
        if self._record is None:
            return
        known = self._recorded(self._record)
        for repo in filter(None, map(zoo.repository, models)):
            known.setdefault(repo, sorted(zoo.revisions(repo)))
        self._before = dict(known)
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._write(self._record, known)

    @staticmethod
    def _write(record: Path, known: Mapping[str, list[str]]) -> None:
        try:
            files.write(record, json.dumps(known, indent=1) + "\n")
        except OSError as error:
            raise ConfigError(f"{record} cannot be written: {error.strerror}.") from None

    def _recorded(self, record: Path) -> dict[str, list[str]]:
        """Read what an earlier start recorded; ConfigError if the record is damaged."""
        if not os.path.lexists(record):
            return {}
        try:
            known: Any = json.loads(files.read(record))
            return {str(repo): list(map(str, commits)) for repo, commits in known.items()}
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            raise ConfigError(
                f"{record} is damaged: it should list what was in the cache before. Delete it "
                "(what is in the cache now is then kept), or leave out --evict."
            ) from None

    def evict(self, model: str) -> None:
        """Delete the revisions of a remembered model that were not in the cache before."""
        repo = zoo.repository(model)
        if self._record is None or repo not in self._before:
            return
        zoo.evict(repo, keep=() if self._everything else self._before[repo])
        left = {n: commits for n, commits in self._recorded(self._record).items() if n != repo}
        self._write(self._record, left)


def _is_whole(repo: str) -> bool:
    cached = zoo.cached().get(repo)
    return cached is not None and cached.whole
