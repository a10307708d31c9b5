"""One checkpoint after another: what is not yet run is, the next one is downloaded meanwhile."""

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
from vicabench.errors import ConfigError, RunFolderError, UserError
from vicabench.front.folders import folders_within
from vicabench.front.run import RunOptions, Selection, run
from vicabench.predictions import read_predictions
from vicabench.results.store import PREDICTIONS, planned_ids, read_config

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
    """Run every model that is not finished yet, in order; `how` is what `vicabench.run` takes.

    One that fails is recorded and the next one is run. ConfigError or DataError before anything
    is run, for options or models that cannot be.
    """
    given.check()
    for model in models:
        find_adapter(model)
    folders = folders_within(models, asked.benchmark.name, out=out, blind=given.model.blind)
    todo = [m for m in models if not finished(asked, m, folders[m], given, how)]
    if done := len(models) - len(todo):
        say(f"Checkpoints finished already: {done:,} of {len(models):,}.")
    cache.remember(todo)
    for model in set(models) - set(todo):  # the last start may have ended before that
        cache.evict(model)
    gaps: dict[str, str] = {}
    with Downloads(say) as downloads:
        for model, following in zip_longest(todo, todo[1:]):
            downloads.wait()
            if following:
                downloads.begin(following)
            try:
                run(model, asked, out=folders[model], **how)
            except UserError as error:  # what was downloaded stays, for the next attempt
                gaps[model] = str(error)
                say(f"{model} has no result: {error}")
            else:
                cache.evict(model)
            gc.collect()  # or the next model would have to share the GPU with this one
    return Results(folders={m: f for m, f in folders.items() if m not in gaps}, gaps=gaps)


def finished(
    asked: Selection, model: str, folder: Path, given: RunOptions, how: Mapping[str, Any]
) -> bool:
    """Whether a folder holds all answers to what is asked now, so that nothing need be loaded.

    True only if the run's last start was asked in the same way; in doubt it is started, which
    compares the configuration down to the weights and asks only what is owed.
    """
    try:
        found = read_config(folder)
    except RunFolderError:
        return False
    if found is None or not (folder / PREDICTIONS).exists():
        return False
    config = found["config"]
    now = {
        "model": model,
        "benchmark": asked.benchmark.name,
        "subset": asked.benchmark.subset,
        "revision": asked.benchmark.revision,
        "frames": 0 if given.video.no_video else given.video.frames,
        "seed": how["seed"],
    }
    alike = all(config[name] == value for name, value in now.items())
    options = found["starts"][-1].get("options") if found["starts"] else None
    if not alike or options != json.loads(json.dumps(asdict(given.model))):
        return False
    ids = {q.id for q in asked.questions}
    there = read_predictions(folder / PREDICTIONS, torn_ok=True)
    settled = {p.question.id for p in there if p.response is not None or not how["retry_errors"]}
    return planned_ids(found["plan"]) == ids and ids <= settled


class Downloads:
    """Fetches one checkpoint ahead, in a process of its own that ends with this one.

    What goes wrong there is no error yet: the run itself fetches again, and says it.
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
        """Start to fetch a checkpoint of the hub that is not in the cache."""
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
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )

    def wait(self) -> None:
        """Wait until the checkpoint that is being fetched is there."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._say(f"{self._model} is still being downloaded ...")
        self._process.wait()
        self._process = None


class Cache:
    """What of the hub's cache may be deleted again: what was not there before the first start.

    Which revisions were there is written to `record` before anything is downloaded, so that the
    next start of a killed command still knows it, and struck out once the rest is deleted: what
    is downloaded later is not ours. With `everything` all of it may go.
    """

    def __init__(self, record: Path | None, *, everything: bool = False) -> None:
        self._record = record
        self._everything = everything
        self._before: dict[str, list[str]] = {}

    def remember(self, models: Sequence[str]) -> None:
        """Note what is cached of these models, unless an earlier start did."""
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
        """What an earlier start noted; ConfigError if that is damaged: nothing is guessed here."""
        if not os.path.lexists(record):
            return {}
        try:
            known: Any = json.loads(files.read(record))
            return {str(repo): [str(commit) for commit in kept] for repo, kept in known.items()}
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            raise ConfigError(
                f"{record} no longer says what was in the cache before. Delete it, and what is in "
                "the cache now is kept; or leave out --evict."
            ) from None

    def evict(self, model: str) -> None:
        """Delete the cached revisions of a model that may be deleted, if it was remembered."""
        repo = zoo.repository(model)
        if self._record is None or repo not in self._before:
            return
        zoo.evict(repo, keep=() if self._everything else self._before[repo])
        left = {name: kept for name, kept in self._recorded(self._record).items() if name != repo}
        self._write(self._record, left)


def _is_whole(repo: str) -> bool:
    there = zoo.cached().get(repo)
    return there is not None and there.whole
