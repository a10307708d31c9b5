"""Benchmarks of your own: a folder with `benchmark.yaml`, or rows in memory with their tasks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vicabench.benchmarks import own, tables
from vicabench.benchmarks.loading import read_records
from vicabench.benchmarks.paths import stays_inside
from vicabench.errors import ConfigError, DataError, an
from vicabench.files import digest_of
from vicabench.metrics import KINDS
from vicabench.rubric import Rubric, Task, overall_of, task_of
from vicabench.types import Benchmark, FrameRule
from vicabench.wording import Wording, wording_of

FILE = "benchmark.yaml"
KEYS = (
    *("name", "questions", "videos", "columns", "index_from", "tasks", "overall", "official"),
    *("wording", "frames", "errata"),
)
COLUMNS = (
    *("id", "video", "dataset", "scene_name", "question_type", "question", "options"),
    *("ground_truth", "group", "scene"),
)
"""Our names of the columns, which `columns` maps to those of the data."""
REQUIRED = ("question_type", "question", "ground_truth")
LARGEST = 1 << 20
Rows = Iterator[tuple[str, object]]


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `benchmark.yaml` says of a benchmark."""

    name: str
    rubric: Rubric
    questions: str = "questions.jsonl"
    videos: str = "."
    columns: Mapping[str, str] = field(default_factory=dict)
    index_from: int | None = None
    wording: Wording | None = None
    frame_rule: FrameRule | None = None
    errata: tuple[str, ...] = ()

    def rows(self, rows: Rows) -> Rows:
        """The rows with our names of the columns; those without any id are numbered."""
        for number, (place, row) in enumerate(rows, start=1):
            yield place, self._row(row, number) if isinstance(row, Mapping) else row

    def _row(self, row: Mapping[str, Any], number: int) -> dict[str, Any] | DataError:
        for ours, theirs in self.columns.items():
            if ours in REQUIRED and row.get(theirs) is None:
                return DataError(f"the key {theirs!r}, which `columns` names {ours}, is missing.")
        taken = set(self.columns.values())
        kept = {key: value for key, value in row.items() if key not in taken}
        named = kept | {ours: row.get(theirs) for ours, theirs in self.columns.items()}
        if "id" not in named:
            named["id"] = str(number)
        if "question_type" not in named and len(self.rubric.types) == 1:
            named["question_type"] = self.rubric.types[0]
        return named


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """YAML without what a description is better off without: keys given twice, and aliases.

    Of a key that is there twice, plain YAML keeps the last; aliases grow exponentially.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1
            raise DataError(f"line {line} has an alias (*name): write the value itself.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise DataError(f"line {line}: the key {key.value!r} is there twice.")
            seen.add(key.value)
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


def is_described(name: str) -> bool:
    """Whether this is the path of a described benchmark: a folder with, or the file itself."""
    path = Path(name)
    return path.name == FILE or (path / FILE).is_file()


def load(path: Path, videos: Path | None = None, *, videos_needed: bool = True) -> Benchmark:
    """Load the benchmark of a folder with `benchmark.yaml`.

    Its revision is the SHA-256 of that file and of the questions (of a data set on the hub, its
    commit).

    Raises:
        DataError: For a bad file, or a bad row, which the message names.
    """
    file = path if path.name == FILE else path / FILE
    described = read(file)
    rows, revision = questions_of(file, described)
    return _benchmark(
        described,
        rows,
        source=described.questions,
        revision=revision,
        folder=videos or file.parent / described.videos,
        videos_needed=videos_needed,
    )


def questions_of(file: Path, described: Description, *, every: bool = False) -> tuple[Rows, str]:
    """The rows of the questions with our names of the columns, and the benchmark's revision.

    With `every`, lines that are not JSON are rows, too: a DataError each.
    """
    if tables.is_hub_id(described.questions):
        rows, commit = tables.hub_rows(described.questions, columns=described.columns)
        return described.rows(rows), f"{commit}, {own.digest(file)}"
    if not stays_inside(described.questions):
        raise DataError(
            f"{file}: the questions {described.questions!r} are not a file in the folder of "
            f"{FILE}, nor the hub id of a data set, owner/name@revision."
        )
    questions = file.parent / described.questions
    both = own.digest(file) + own.digest(questions)
    revision = f"sha256:{hashlib.sha256(both.encode()).hexdigest()}"
    found = tables.file_rows(questions, every=every, columns=described.columns)
    return described.rows(found), revision


def of_rows(
    rows: Any,
    tasks: Any,
    *,
    name: str,
    videos: Path | None,
    videos_needed: bool,
    columns: Mapping[str, str] | None = None,
) -> Benchmark:
    """A benchmark of rows in memory with tasks of your own; its revision is their digest.

    `tasks` are `Task`s or what `benchmark.yaml` writes of them: a list, or an object by name.

    Raises:
        ConfigError: For something that is not rows.
        DataError: For bad tasks, or a bad row, which the message names.
    """
    records = own.plain_rows(rows)
    described = Description(
        name=name, rubric=Rubric(tasks=tuple(_tasks(tasks))), columns=_columns(columns or {})
    )
    digest = digest_of([records, described.rubric.to_json(), dict(described.columns)])
    return _benchmark(
        described,
        described.rows((f"row {n}", row) for n, row in enumerate(records)),
        source=name,
        revision=f"sha256:{digest}",
        folder=videos or Path(),
        videos_needed=videos_needed,
    )


def _benchmark(
    described: Description,
    rows: Rows,
    *,
    source: str,
    revision: str,
    folder: Path,
    videos_needed: bool,
) -> Benchmark:
    return own.benchmark_of(
        read_records(source, rows, described.rubric, described.index_from),
        name=described.name,
        subset="full",
        revision=revision,
        folder=folder,
        videos_needed=videos_needed,
        source=source,
        rubric=described.rubric,
        wording=described.wording,
        frame_rule=described.frame_rule,
        errata=described.errata,
    )


def read(file: Path) -> Description:
    """Read a `benchmark.yaml`; DataError, naming the file and the key, for a bad one."""
    text = own.read_text(file)
    if len(text) > LARGEST:
        raise DataError(f"{file} has more than {LARGEST:,} characters, as no description has.")
    try:
        content = yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
        return _described(content, file.absolute().parent.name)
    except yaml.YAMLError as error:
        raise DataError(f"{file} is not YAML ({' '.join(str(error).split())[:200]}).") from None
    except (DataError, RecursionError) as error:
        raise DataError(f"{file}: {error}") from None


def _described(content: Any, usual_name: str) -> Description:
    if content is None:
        raise DataError("it is empty. `vicabench init` writes one to start from.")
    if not isinstance(content, Mapping):
        raise DataError(f"expected keys and values, found {an(type(content).__name__)}.")
    if unknown := [str(key) for key in content if key not in KEYS]:
        raise DataError(f"there is no key {unknown[0]!r}. Keys are {', '.join(KEYS)}.")
    name = _text(content, "name", usual_name)
    overall = content.get("overall") or ["macro"]
    overall = overall if isinstance(overall, list) else [overall]
    wording, index_from = content.get("wording"), content.get("index_from")
    if index_from not in (None, 0, 1) or isinstance(index_from, bool):
        raise DataError(f"index_from must be 0 or 1, not {index_from!r}.")
    rubric = Rubric(
        tasks=tuple(_tasks(content.get("tasks"))),
        overall=tuple(overall_of(each) for each in overall),
        official=_text(content, "official", "official"),
    )
    return Description(
        name=name,
        rubric=rubric,
        questions=_text(content, "questions", "questions.jsonl"),
        videos=_text(content, "videos", "."),
        columns=_columns(content.get("columns") or {}),
        index_from=index_from,
        wording=None if wording is None else _wording(wording, name, rubric),
        frame_rule=frame_rule_of(content.get("frames")),
        errata=_errata(content.get("errata")),
    )


def _wording(value: Any, name: str, rubric: Rubric) -> Wording:
    """The wording, which has to fit the tasks: a template for each, and none for others."""
    wording = wording_of(value, name)
    known = (*KINDS, *rubric.types)
    if unknown := [key for key in wording.templates if key not in known]:
        raise DataError(
            f"the wording has a template for {unknown[0]!r}, which is neither a question type nor "
            f"a kind. Those are {', '.join(known)}."
        )
    for kind, task in rubric.of_type.items():
        wording.template(kind, task.kind)
    return wording


def _errata(value: Any) -> tuple[str, ...]:
    if not isinstance(value or [], list):
        raise DataError(f"errata must be a list of texts, not {str(value)[:80]!r}.")
    return tuple(str(each) for each in value or ())


def _tasks(value: Any) -> Iterator[Task]:
    if isinstance(value, Mapping):
        value = [_named_task(name, about) for name, about in value.items()]
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise DataError("tasks must be a list of tasks with a name, unit, kind, metric ...")
    yield from map(task_of, value)


def _named_task(name: Any, about: Any) -> dict[str, Any]:
    if about is not None and not isinstance(about, Mapping):
        raise DataError(f"the task {name} is an object with unit, kind ..., not {about!r}.")
    return {"name": name, **(about or {})}


def _columns(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise DataError("columns must map our names of columns to those of the data.")
    if unknown := [str(key) for key in value if key not in COLUMNS]:
        raise DataError(f"columns names {unknown[0]!r}. Our names are {', '.join(COLUMNS)}.")
    return dict(value)


def frame_rule_of(value: Any) -> FrameRule | None:
    """The frame rule in a YAML value: a number of frames, or an object; raises DataError."""
    if value is None:
        return None
    given = {"frames": value} if type(value) is int else value
    known: dict[str, type | tuple[type, ...]] = {
        "frames": int,
        "fps": (int, float),
        "fixed": bool,
        "why": str,
    }
    if not isinstance(given, Mapping) or any(
        str(key) not in known
        or not isinstance(each, known[str(key)])
        or (isinstance(each, bool) and key != "fixed")
        for key, each in given.items()
    ):
        raise DataError(f"frames must be a number, or an object with {', '.join(known)}.")
    rule = FrameRule(**given)
    if rule.frames < 0 or not 0 <= rule.fps < math.inf or not (rule.frames or rule.fps):
        raise DataError("frames needs a number of frames, or fps, above 0.")
    return rule


def _text(content: Mapping[str, Any], key: str, usual: str) -> str:
    value = content.get(key, usual)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{key} must be a text, not {value!r}.")
    return value


def defines_tasks(tasks: Any) -> bool:
    """Whether `tasks` of `vicabench.benchmark` define tasks rather than select some by name.

    Raises:
        ConfigError: For a mixture of both.
    """
    if isinstance(tasks, Mapping):
        return True
    if isinstance(tasks, str):
        return False
    defines = [not isinstance(task, str) for task in tasks]
    if any(defines) and not all(defines):
        raise ConfigError(
            "tasks either selects tasks by name or defines them: give names, or tasks."
        )
    return any(defines)
