"""The run folder: its contents, its writer, and the configuration it belongs to."""

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
from typing import Any, Self

import vicabench
from vicabench import files
from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import DataError, RunFolderError
from vicabench.files import FolderLock, digest_of
from vicabench.predictions import RUN_FILE, Prediction, read_predictions, torn_bytes
from vicabench.rubric import VSI, Rubric, rubric_of
from vicabench.types import Key


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that can change an answer, and nothing else.

    An answer counts as changed if it differs in exact arithmetic. The selection of questions and
    their grouping are therefore not included, so a run of the first 20 videos may grow into a run
    of all. In float32 the texts are equal, too; in bfloat16 another grouping, or a resumed run,
    may change a reply from a token on that is nearly as likely as another. Every start records
    which questions were asked together.
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
    "anthropic",
    "openai",
    "google-genai",
)


def provenance() -> dict[str, object]:
    """Package versions, the platform, the source commit (if any) and the time.

    Versions come from the installed metadata, so that no heavy package is imported.
    """
    return {
        "vicabench": vicabench.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": machine(),
        "packages": {name: installed for name in PACKAGES if (installed := _version(name))},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def machine() -> str:
    """A digest of this machine's name, by which its timings are recognised."""
    return digest_of(platform.node())[:12]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The git commit of a source checkout, with `-dirty` for uncommitted changes."""
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
    # No optional locks: a run that is killed at this moment must not leave the index locked.
    command = ["git", "-C", str(root), "--no-optional-locks", *arguments]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


ASKED_AS = "asked_as"
"""The field of the adapter settings with the preset of a run."""
CONFIG = "config.json"
PREDICTIONS = RUN_FILE
TIMING = "timing.jsonl"
ERRORS = "errors.log"
TORN = "predictions.torn"
OPTIONS = "run.yaml"
"""What `vicabench run --config` reads to repeat or continue the run."""
FIELDS: Mapping[type, Sequence[str]] = {
    str: ("model", "benchmark", "subset", "revision", "sampling"),
    int: ("frames", "seed"),
    dict: ("adapter",),
}
"""The fields of a configuration by their types in JSON."""


class RunFolder:
    """A run folder open for writing; a context manager that holds the folder's lock.

    Entering it checks the whole content before changing anything.

    Attributes:
        torn: The size in bytes of an unfinished last line that a killed writer left; it is moved
            to `predictions.torn`.

    Raises:
        RunFolderError: Another process is writing the folder, it holds a run of another
            configuration (the message names every field that differs), or it is not writable.
        DataError: A line of the predictions is damaged; the message names it.
    """

    def __init__(self, path: Path, config: RunConfig, rubric: Rubric = VSI) -> None:
        self.path = path
        self.config = config
        self.rubric = rubric
        self.torn = 0
        self._lock = FolderLock(path)
        self._earlier: list[Prediction] = []

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
            # Also a broken link, which `exists` would miss: the reader refuses it by name.
            there = os.path.lexists(file)
            self._earlier = (
                read_predictions(file, torn_ok=True, rubric=self.rubric) if there else []
            )
            self.torn = self._end_last_line() if self._earlier or os.path.lexists(file) else 0
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    @property
    def _folder(self) -> files.Folder:
        return self._lock.folder

    def describe(
        self, plan: Mapping[str, Any], provenance: Mapping[str, Any], options: str | None = None
    ) -> None:
        """Write `config.json` by rename: configuration, digest, planned questions, provenance.

        The provenance of earlier starts is kept, so that a resumed run lists all that made it.
        `options` become the content of `run.yaml`.

        Raises:
            RunFolderError: A file cannot be written.
        """
        earlier = read_config(self.path)
        content = {
            "config": asdict(self.config),
            "digest": self.config.digest,
            "plan": plan,
            "starts": [*(earlier["starts"] if earlier else []), provenance],
        }
        name = CONFIG
        try:
            self._folder.write(CONFIG, json.dumps(content, indent=2) + "\n")
            if options is not None:
                name = OPTIONS
                self._folder.write(OPTIONS, options)
        except OSError as error:
            raise RunFolderError(_unwritten(error, self.path / name)) from None

    def planned(self) -> frozenset[str]:
        """The ids of the questions that earlier starts planned to ask."""
        earlier = read_config(self.path)
        return planned_ids(earlier["plan"]) if earlier else frozenset()

    def repeats(self) -> int:
        """How often earlier starts planned to ask each question; 1 before the first start."""
        earlier = read_config(self.path)
        return planned_repeats(earlier["plan"]) if earlier else 1

    def predictions(self) -> list[Prediction]:
        """The predictions that the folder held when it was opened."""
        return list(self._earlier)

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Append the predictions in one write and sync them to disk.

        Raises:
            RunFolderError: The write failed (a full disk), and everything written before is
                intact; or the write succeeded, and the folder was moved or its lock was taken
                by another process meanwhile.
        """
        data = "".join(p.to_json() + "\n" for p in predictions).encode()
        try:
            self._folder.append(PREDICTIONS, data)
        except OSError as error:
            self._lock.check()
            raise RunFolderError(_unwritten(error, self.path / PREDICTIONS)) from None
        self._lock.check()

    def note_timing(self, record: Mapping[str, Any]) -> None:
        """Append a line to `timing.jsonl`: how a start spent its time; raises OSError."""
        self.note(TIMING, json.dumps(record, allow_nan=False) + "\n")

    def note(self, name: str, text: str) -> None:
        """Append to a file that holds no results; raises OSError."""
        self._folder.append(name, text.encode("utf-8", "backslashreplace"))

    def _refuse_other_config(self) -> None:
        stored = read_config(self.path)
        if stored is None:
            if os.path.lexists(self.path / PREDICTIONS):
                raise RunFolderError(
                    f"{self.path} holds a {PREDICTIONS} but no {CONFIG}, so its configuration is "
                    "unknown. Give this run another folder with --out."
                )
            return
        if stored["digest"] == self.config.digest:
            return
        lines = different_fields(stored["config"], asdict(self.config))
        raise RunFolderError(
            f"The run folder {self.path} holds a run of another configuration:\n"
            + "\n".join(lines)
            + "\nRepeat that run's options to continue it, or keep both: "
            f"--out {self.path}-{self.config.digest[:8]}"
        )

    def _end_last_line(self) -> int:
        """Move an unfinished last line to `predictions.torn`; returns its size in bytes."""
        try:
            data = self._folder.read(PREDICTIONS)
            torn = torn_bytes(data)
            if torn:
                self._folder.append(TORN, data[-torn:] + b"\n")
                self._folder.truncate(PREDICTIONS, len(data) - torn)
            elif data and not data.endswith(b"\n"):  # complete: an editor dropped the newline
                self._folder.append(PREDICTIONS, b"\n")
        except OSError as error:
            raise RunFolderError(_unwritten(error, error.filename)) from None
        return torn


def _unwritten(error: OSError, file: Path | str | None) -> str:
    """The message for a file of a run folder that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Free some space" if full else "Fix this"
    return (
        f"{file} cannot be written: {error.strerror}. All earlier results are kept. {advice} and "
        "repeat the same command to continue."
    )


def different_fields(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A line for every field in which two configurations differ, with both values."""
    old, new = _flat(there), _flat(now)
    return [
        f"  {name}: {json.dumps(old.get(name))} there, {json.dumps(new.get(name))} now"
        for name in sorted({*new, *old})
        # A tuple equals the list that it becomes in JSON.
        if json.loads(json.dumps(new.get(name))) != old.get(name)
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the adapter's settings beside the other fields."""
    settings = {f"adapter.{name}": value for name, value in config["adapter"].items()}
    return {name: value for name, value in config.items() if name != "adapter"} | settings


def read_config(folder: Path) -> dict[str, Any] | None:
    """The content of a run folder's `config.json`; None if the file does not exist.

    Raises:
        RunFolderError: The file is unreadable, damaged or edited.
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
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, DataError):
        pass
    raise RunFolderError(
        f"{file} is not the configuration of a vicabench run (damaged or edited?). Put the "
        "original back, or choose another folder with --out."
    )


def plan_rubric(plan: Mapping[str, Any]) -> Rubric:
    """The rubric of the planned questions; VSI-Bench's where none is recorded.

    Raises:
        DataError: The record is damaged.
    """
    return rubric_of(plan["rubric"]) if "rubric" in plan else VSI


def run_predictions(folder: Path) -> list[Prediction]:
    """The predictions of a run folder so far, which may still be written.

    Raises:
        RunFolderError, DataError: `config.json` or a line is damaged.
    """
    content, file = read_config(folder), folder / PREDICTIONS
    rubric = plan_rubric(content["plan"]) if content else VSI
    return read_predictions(file, torn_ok=True, rubric=rubric) if file.exists() else []


def planned_repeats(plan: Mapping[str, Any]) -> int:
    """How often a planned run asks each question."""
    return int(plan.get("repeats", 1))


def planned_keys(plan: Mapping[str, Any]) -> frozenset[Key]:
    """The id and repeat of every planned reply."""
    return frozenset((key, n) for key in planned_ids(plan) for n in range(planned_repeats(plan)))


def planned_ids(plan: Mapping[str, Any]) -> frozenset[str]:
    """The ids of all planned questions."""
    return frozenset(key for asked in plan["videos"].values() for key in asked)


def _is_config(content: Mapping[str, Any]) -> bool:
    """Whether the fields of the configuration have the right types and match its digest."""
    config = vars(RunConfig(**content["config"]))
    return content["digest"] == digest_of(content["config"]) and all(
        isinstance(config[name], kind) for kind, names in FIELDS.items() for name in names
    )


def _are_starts(starts: Any) -> bool:
    """Whether these are records of starts; a record of an import has to be complete."""
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
    """Whether this is the plan of a run: id and type of every question, by video."""
    kinds = [kind for asked in plan["videos"].values() for kind in asked.values()]
    known = {*plan_rubric(plan).types, DESCRIPTION}
    return (
        all(kind in known for kind in kinds)
        and len(kinds) == plan["questions"]
        and digest_of(sorted(planned_ids(plan))) == plan["question_ids_sha256"]
        and ("part" not in plan or _is_part(plan["part"]))
        and type(plan.get("repeats", 1)) is int
        and plan.get("repeats", 1) >= 1
    )


def _is_part(part: Mapping[str, Any]) -> bool:
    """Whether this is the record of a shard: its parts and its whole (`vicabench run --shard`)."""
    of, numbers = part["of"], part["parts"]
    return (
        bool(numbers)
        and all(isinstance(number, int) and 1 <= number <= of for number in numbers)
        and isinstance(part["questions"], int)
        and isinstance(part["question_ids_sha256"], str)
        and all(isinstance(video, str) for video in part["videos"])
    )
