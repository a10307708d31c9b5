"""The run folder: what makes a run that run, what produced it, and one answer a line."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import vicabench
from vicabench import files
from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import RunFolderError
from vicabench.files import FolderLock, digest_of
from vicabench.predictions import RUN_FILE, Prediction, read_predictions, torn_bytes
from vicabench.types import QUESTION_TYPES


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that can change an answer, and nothing else.

    An answer counts as changed if it differs in exact arithmetic. Which questions are asked, and
    how many together, is therefore no part of it, so a run of the first 20 videos may grow into a
    run of all. In float32 the texts are equal too; in bfloat16 another grouping, or a resumed run,
    may part a reply where two tokens are nearly as likely. What was asked together is recorded
    with every start.
    """

    model: str
    adapter: Mapping[str, Any]
    benchmark: str
    subset: str
    revision: str
    frames: int
    sampling: str
    seed: int

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration as canonical JSON, in hexadecimal."""
        return digest_of(asdict(self))


PACKAGES = (
    "numpy",
    "scipy",
    "av",
    "decord2",
    "decord",
    "huggingface_hub",
    "torch",
    "transformers",
    "tokenizers",
    "pillow",
    "flash_attn",
    "openai",
    "google-genai",
)


def provenance() -> dict[str, object]:
    """Versions of what can matter, the platform, the source commit if there is one, and the time.

    Installed versions are read from metadata: nothing is imported for it.
    """
    return {
        "vicabench": vicabench.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The git commit vicabench runs from, with `-dirty` for uncommitted changes."""
    root = Path(vicabench.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("-dirty" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    # Without optional locks: a run that is killed just now must not leave the index locked.
    command = ["git", "-C", str(root), "--no-optional-locks", *arguments]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


CONFIG = "config.json"
PREDICTIONS = RUN_FILE
TIMING = "timing.jsonl"
ERRORS = "errors.log"
TORN = "predictions.torn"
FIELDS: Mapping[type, Sequence[str]] = {
    str: ("model", "benchmark", "subset", "revision", "sampling"),
    int: ("frames", "seed"),
    dict: ("adapter",),
}
"""The fields of a configuration by their kinds in JSON."""


class RunFolder:
    """A run folder open for writing; a context manager that holds the folder's lock.

    What it holds is judged before anything of it is changed. RunFolderError if another process
    writes it, if it holds a run of another configuration (naming every field that differs), or if
    it cannot be written; DataError naming the line if it was damaged. `torn` are the bytes of a
    last line that a killed writer left unfinished: they were moved to `predictions.torn`.
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config
        self.torn = 0
        self._lock = FolderLock(path)
        self._found: list[Prediction] = []

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise RunFolderError(
                f"The run folder {self.path} cannot be written: {error.strerror}. "
                "Choose another with --out."
            ) from None
        try:
            self._refuse_other_config()
            file = self.path / PREDICTIONS
            self._found = read_predictions(file, torn_ok=True) if os.path.lexists(file) else []
            self.torn = self._end_last_line() if self._found or os.path.lexists(file) else 0
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

    @property
    def _folder(self) -> files.Folder:
        return self._lock.folder

    def describe(self, plan: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Write `config.json` by rename: configuration, digest, planned questions, provenance.

        The provenance of every start is kept, so that a resumed run shows all that made it.
        RunFolderError if it cannot be written.
        """
        there = read_config(self.path)
        content = {
            "config": asdict(self.config),
            "digest": self.config.digest,
            "plan": plan,
            "starts": [*(there["starts"] if there else []), provenance],
        }
        try:
            self._folder.write(CONFIG, json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise RunFolderError(_unwritten(error, self.path / CONFIG)) from None

    def planned(self) -> frozenset[str]:
        """The ids of the questions that earlier starts were to ask."""
        there = read_config(self.path)
        return planned_ids(there["plan"]) if there else frozenset()

    def predictions(self) -> list[Prediction]:
        """What the folder held when it was opened."""
        return list(self._found)

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Append the predictions in one write and sync them to disk.

        RunFolderError when that fails (a full disk): what was written before stays whole. Also,
        once they are written, if the folder was moved or its lock taken meanwhile.
        """
        data = "".join(p.to_json() + "\n" for p in predictions).encode()
        try:
            self._folder.append(PREDICTIONS, data)
        except OSError as error:
            self._lock.check()
            raise RunFolderError(_unwritten(error, self.path / PREDICTIONS)) from None
        self._lock.check()

    def note_timing(self, record: Mapping[str, Any]) -> None:
        """Append a line to `timing.jsonl`: how a start spent its time. Raises OSError."""
        self.note(TIMING, json.dumps(record, allow_nan=False) + "\n")

    def note(self, name: str, text: str) -> None:
        """Append to a file that holds no results. Raises OSError."""
        self._folder.append(name, text.encode("utf-8", "backslashreplace"))

    def _refuse_other_config(self) -> None:
        there = read_config(self.path)
        if there is None:
            if os.path.lexists(self.path / PREDICTIONS):
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
        """Move what a killed writer left of its last line elsewhere; returns how many bytes."""
        try:
            data = self._folder.read(PREDICTIONS)
            torn = torn_bytes(data)
            if torn:
                self._folder.append(TORN, data[-torn:] + b"\n")
                self._folder.cut(PREDICTIONS, len(data) - torn)
            elif data and not data.endswith(b"\n"):  # whole, but an editor took the newline
                self._folder.append(PREDICTIONS, b"\n")
        except OSError as error:
            raise RunFolderError(_unwritten(error, error.filename)) from None
        return torn


def _unwritten(error: OSError, file: Path | str | None) -> str:
    """What to do about a file of a run folder that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Make room" if full else "Put that right"
    return (
        f"{file} cannot be written: {error.strerror}. What was written before is kept. {advice} "
        "and type the same command to continue."
    )


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
        content = json.loads(files.read(file))
        if _is_config(content) and _is_plan(content["plan"]) and _are_starts(content["starts"]):
            return dict(content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise RunFolderError(
        f"{file} is not the configuration of a vicabench run (damaged or edited?). Put the "
        "original back, or start anew in another folder with --out."
    )


def planned_ids(plan: Mapping[str, Any]) -> frozenset[str]:
    """The ids of all planned questions."""
    return frozenset(key for asked in plan["videos"].values() for key in asked)


def _is_config(content: Mapping[str, Any]) -> bool:
    """Whether this is a configuration, its fields of the right kinds, with its own digest."""
    config = vars(RunConfig(**content["config"]))
    return content["digest"] == digest_of(content["config"]) and all(
        isinstance(config[name], kind) for kind, names in FIELDS.items() for name in names
    )


def _are_starts(starts: Any) -> bool:
    """Whether these are records of starts; what an import says of its file has to be whole."""
    imports = [start["imported"] for start in starts if "imported" in start]
    return (
        isinstance(starts, list)
        and all(isinstance(start, dict) for start in starts)
        and all(
            isinstance(origin["from"], str)
            and isinstance(origin["file"], str)
            and isinstance(origin["rows"], int)
            and isinstance(origin["unreadable"], int)
            for origin in imports
        )
    )


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
