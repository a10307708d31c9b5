"""The run folder: `config.json` says what was run, `predictions.jsonl` holds one answer a line.

`timing.jsonl` says how each start spent its time; nothing reads it but people.

The folder is locked while a run writes it. Lines are appended video by video and synced, so that
a killed run loses at most the video in flight; a torn last line is cut off and asked again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from vicabench.config import RunConfig, digest_of
from vicabench.descriptions import DESCRIPTION
from vicabench.errors import RunFolderError
from vicabench.predictions import Prediction, read_predictions, torn_bytes
from vicabench.types import QUESTION_TYPES

CONFIG = "config.json"
PREDICTIONS = "predictions.jsonl"
TIMING = "timing.jsonl"
LOCK = ".lock"


class RunFolder:
    """A run folder open for writing; a context manager that holds the folder's lock.

    RunFolderError if another process writes it, if it holds a run of another configuration
    (naming every field that differs), or if it cannot be written.
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config
        self._lock = FileLock(path / LOCK)
        self.torn = 0

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"Another process is writing the run folder {self.path}. Wait for it to finish, "
                "or give this run a folder of its own with --out."
            ) from None
        except OSError as error:
            raise RunFolderError(
                f"The run folder {self.path} cannot be written: {error.strerror}. "
                "Choose another with --out."
            ) from None
        try:
            self._refuse_other_config()
            self.torn = self._end_last_line()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def describe(self, plan: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Write `config.json` by rename: configuration, digest, planned questions, provenance.

        The provenance of every start is kept, so that a resumed run shows all that made it.
        """
        there = read_config(self.path)
        content = {
            "config": asdict(self.config),
            "digest": self.config.digest,
            "plan": plan,
            "starts": [*(there["starts"] if there else []), provenance],
        }
        text = json.dumps(content, indent=2)
        partial = self.path / (CONFIG + ".partial")
        with partial.open("w", encoding="utf-8") as out:
            out.write(text + "\n")
            out.flush()
            os.fsync(out.fileno())  # or after a power cut the new name might have no content
        partial.replace(self.path / CONFIG)

    def planned(self) -> frozenset[str]:
        """The ids of the questions that earlier starts were to ask."""
        there = read_config(self.path)
        return planned_ids(there["plan"]) if there else frozenset()

    def predictions(self) -> list[Prediction]:
        """What the folder holds so far; DataError naming the line if it was damaged."""
        file = self.path / PREDICTIONS
        return read_predictions(file) if file.exists() else []

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Append the predictions in one write and sync them to disk.

        RunFolderError when that fails (a full disk): what was written before stays whole.
        """
        data = "".join(p.to_json() + "\n" for p in predictions).encode()
        file = self.path / PREDICTIONS
        size = file.stat().st_size if file.exists() else 0
        try:
            with file.open("ab") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            if file.exists() and file.stat().st_size > size:
                os.truncate(file, size)
            raise RunFolderError(
                f"{file} cannot be written: {error.strerror}. The {size} bytes written before "
                "are kept; make room and type the same command to continue."
            ) from None

    def note_timing(self, record: Mapping[str, Any]) -> None:
        """Append a line to `timing.jsonl`: how a start spent its time. Raises OSError."""
        with (self.path / TIMING).open("a", encoding="utf-8") as out:
            out.write(json.dumps(record, allow_nan=False) + "\n")

    def _refuse_other_config(self) -> None:
        there = read_config(self.path)
        if there is None:
            if (self.path / PREDICTIONS).exists():
                raise RunFolderError(
                    f"{self.path} holds a {PREDICTIONS} but no {CONFIG}, so it cannot be known "
                    "what was run. Give this run another folder with --out."
                )
            return
        if there["digest"] == self.config.digest:
            return
        lines = different_fields(there["config"], asdict(self.config))
        raise RunFolderError(
            f"The run folder {self.path} holds a run of another configuration:\n"
            + "\n".join(lines)
            + "\nRepeat that run's options to continue it, or keep both: "
            f"--out {self.path}-{self.config.digest[:8]}"
        )

    def _end_last_line(self) -> int:
        """Cut what a killed writer left of its last line; returns the bytes cut."""
        file = self.path / PREDICTIONS
        data = file.read_bytes() if file.exists() else b""
        torn = torn_bytes(data)
        if torn:
            os.truncate(file, len(data) - torn)
        elif data and not data.endswith(b"\n"):  # whole, but for an editor that took the newline
            with file.open("ab") as out:
                out.write(b"\n")
        return torn


def different_fields(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A line for every field in which two configurations differ, with both values."""
    old, ours = _flat(there), _flat(now)
    return [
        f"  {name}: {json.dumps(old.get(name))} there, {json.dumps(ours.get(name))} now"
        for name in sorted({*ours, *old})
        if json.loads(json.dumps(ours.get(name))) != old.get(name)
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the adapter's settings beside the other fields."""
    settings = {f"adapter.{name}": value for name, value in config["adapter"].items()}
    return {name: value for name, value in config.items() if name != "adapter"} | settings


def read_config(folder: Path) -> dict[str, Any] | None:
    """The content of a run folder's `config.json`, None if there is none.

    RunFolderError if it is not what vicabench writes.
    """
    file = folder / CONFIG
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        RunConfig(**content["config"])
        if content["digest"] == digest_of(content["config"]) and _is_plan(content["plan"]):
            return {**content, "starts": list(content["starts"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise RunFolderError(
        f"{file} is not the configuration of a vicabench run (damaged or edited?). Put the "
        "original back, or start anew in another folder with --out."
    )


def planned_ids(plan: Mapping[str, Any]) -> frozenset[str]:
    """The ids of all planned questions."""
    return frozenset(key for asked in plan["videos"].values() for key in asked)


def _is_plan(plan: Mapping[str, Any]) -> bool:
    """Whether this is the plan of a run: the id and type of every question about each video."""
    kinds = [kind for asked in plan["videos"].values() for kind in asked.values()]
    known = {*QUESTION_TYPES, DESCRIPTION}
    return (
        all(kind in known for kind in kinds)
        and len(kinds) == plan["questions"]
        and digest_of(sorted(planned_ids(plan))) == plan["question_ids_sha256"]
        and ("part" not in plan or _is_part(plan["part"]))
    )


def _is_part(part: Mapping[str, Any]) -> bool:
    """Whether this says which parts of which whole a run is (`vicabench run --shard`)."""
    of, numbers = part["of"], part["parts"]
    return (
        bool(numbers)
        and all(isinstance(number, int) and 1 <= number <= of for number in numbers)
        and isinstance(part["questions"], int)
        and isinstance(part["question_ids_sha256"], str)
        and all(isinstance(video, str) for video in part["videos"])
    )
