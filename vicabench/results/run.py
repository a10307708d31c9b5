"""A run as its readers need it: answers, grades, and what limits its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.benchmarks.own import plain_rows
from vicabench.errors import ConfigError, DataError, counted, printable
from vicabench.files import digest_of
from vicabench.harnesses.protocols import Protocol, find_protocol, protocol_for
from vicabench.predictions import Prediction, collected, read_predictions
from vicabench.results.asked_as import WITH_MAP, asked_as_note
from vicabench.results.below import expanded, graded_below
from vicabench.results.frames import run_frame
from vicabench.results.store import (
    PREDICTIONS,
    plan_rubric,
    planned_keys,
    planned_repeats,
    read_config,
)
from vicabench.results.thinking import thinking_of
from vicabench.rubric import VSI, Rubric
from vicabench.scoring.grade import Planned, grade_run
from vicabench.scoring.printed import rounded, unscored
from vicabench.scoring.repeats import repeats_of
from vicabench.scoring.replies import question_means
from vicabench.scoring.stats import score_run
from vicabench.types import Grade, Question, Scores

if TYPE_CHECKING:
    from pandas import DataFrame

UNSEEN = {"blind": " (blind)", "text_only": " (text only)"}
"""How a run's name marks that its model did not see the video, by the setting of the adapter."""
DERIVED = "canonicalized_from"
"""The field of the adapter settings that marks a derived run."""
CANONICALIZER_ERROR = "canonicalizer: "
"""The prefix of errors for which the canonicalizer is responsible, not the model."""


def is_derived(config: Mapping[str, Any] | None) -> bool:
    """Whether the content of a `config.json` is that of a canonicalized run."""
    return config is not None and DERIVED in config["config"]["adapter"]


def note_on(config: Mapping[str, Any], predictions: Sequence[Prediction]) -> str:
    """One line about a derived run: its canonicalizer, its source, and how many answers failed."""
    settings = config["config"]["adapter"]
    by = _of(settings, "canonicalizer", "model")
    version, digest = (_of(settings, "canonicalizer_prompt", key) for key in ("version", "sha256"))
    parent = _of(settings, DERIVED, "predictions_sha256")
    note = (
        f"derived: final answers made numbers and letters by {by}, prompt {version} "
        f"({digest[:12]}), from predictions {parent[:12]}"
    )
    blamed = sum((p.answer.error or "").startswith(CANONICALIZER_ERROR) for p in predictions)
    return note + (f"; {blamed} of the unanswered are failures of {by}" if blamed else "")


def _of(settings: Mapping[str, Any], name: str, key: str) -> str:
    """A value two levels down as text; "unknown" where an edited file no longer has it."""
    section = settings.get(name)
    return str(section.get(key)) if isinstance(section, Mapping) else "unknown"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The predictions of one run, and what is known about it.

    Attributes:
        name: The model's name, made printable.
        path: The run folder or predictions file.
        config: The content of `config.json`; None for a bare predictions file.
        predictions: The answers and errors so far, one per question and repeat.
        planned: Question types by video and question id; empty if no plan is known.
        unasked: How many planned questions, or repeats of them, have no answer and no error.
        origin: Notes on the files of other harnesses that an imported run comes from.
        rubric: The tasks of the questions, and how they are scored.
        repeats: How many replies each question is to get.
    """

    name: str
    path: Path
    config: Mapping[str, Any] | None
    predictions: tuple[Prediction, ...]
    planned: Planned
    unasked: int
    origin: tuple[str, ...]
    rubric: Rubric = VSI
    repeats: int = 1
    _grades: dict[str, list[Grade]] = field(init=False, default_factory=dict, repr=False)
    _scores: dict[str, Scores] = field(init=False, default_factory=dict, repr=False)

    @property
    def never_asked(self) -> int:
        """How many replies were not asked for: planned, or skipped when the budget ran out."""
        return self.unasked + sum(not p.asked for p in self.predictions)

    @property
    def incomplete(self) -> str | None:
        """Why the run is unfinished and has no score; None if it is finished."""
        if not self.never_asked:
            return None
        answered = sum(p.response is not None for p in self.predictions)
        total = len(self.predictions) + self.unasked
        if self.repeats > 1:
            return (
                f"incomplete, so without a score: {answered} of "
                f"{counted(total, 'reply', 'replies')} there; {self.never_asked:,} not asked for "
                "yet"
            )
        return (
            f"incomplete, so without a score: {answered} of "
            f"{counted(total, 'question')} answered; "
            f"{counted(self.never_asked, 'question')} not asked yet"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of any score has to know."""
        errata = self.config["plan"].get("errata", ()) if self.config else ()
        known = (f"erratum of the benchmark: {printable(str(each))}" for each in errata)
        preset = asked_as_note(self.config)
        notes = (self.part, self.incomplete, preset, _with_map(self.config))
        first = (note for note in notes if note)
        return (*first, *self.origin, *known)

    @property
    def part(self) -> str | None:
        """Which part of the whole this run is (`--shard`); None for a whole run."""
        return _part(self.config["plan"]) if self.config else None

    @property
    def identity(self) -> dict[str, str | None]:
        """The digests of the configuration and of all replies, which no move or rename changes."""
        replied = sorted(
            (p.question.id, p.response or "", p.answer.error or "", *_again(p))
            for p in self.predictions
        )
        return {
            "config_digest": self.config["digest"] if self.config else None,
            "predictions_sha256": digest_of(replied),
        }

    @property
    def benchmark(self) -> str | None:
        """The benchmark named in the configuration; None if there is no configuration."""
        return self.config["config"]["benchmark"] if self.config else None

    def grades(self, protocol: Protocol) -> list[Grade]:
        """The grade of each question that is planned or has a reply; a mean over its replies.

        In the order of the first replies, then planned questions without one.
        """
        return question_means(self.reply_grades(protocol))

    def reply_grades(self, protocol: Protocol) -> list[Grade]:
        """The grades of all predictions, in order, then of planned replies without one."""
        if protocol.name not in self._grades:
            own = protocol_for(self.rubric, protocol)
            self._grades[protocol.name] = grade_run(
                self.predictions, own, self.planned, self.rubric, self.repeats
            )
        return self._grades[protocol.name]

    def rubric_for(self, protocol: Protocol) -> Rubric:
        """The rubric with the headline score of a protocol that averages in another way."""
        return protocol_for(self.rubric, protocol).rubric(self.rubric)

    @property
    def questions(self) -> list[Question]:
        """The questions that have an answer or an error."""
        first: dict[str, Question] = {}
        for prediction in self.predictions:
            first.setdefault(prediction.question.id, prediction.question)
        return list(first.values())

    def asked(self) -> dict[str, tuple[str, str]]:
        """Video and type of every question that was asked, by its id."""
        return {
            p.question.id: (p.question.video, p.question.task) for p in self.predictions if p.asked
        }

    def asked_grades(self, protocol: Protocol) -> list[Grade]:
        """The grades of the questions that were asked."""
        asked = self.asked()
        return [grade for grade in self.grades(protocol) if grade.id in asked]

    def only(self, ids: Collection[str]) -> Run:
        """This run restricted to the questions with these ids."""
        predictions = tuple(p for p in self.predictions if p.question.id in ids)
        planned = {
            video: {key: task for key, task in asked.items() if key in ids}
            for video, asked in self.planned.items()
        }
        answered = {p.question.key for p in predictions}
        keys = {(key, n) for asked in planned.values() for key in asked for n in self._numbers}
        unasked = len(keys - answered)
        return replace(self, predictions=predictions, planned=planned, unasked=unasked)

    @property
    def _numbers(self) -> range:
        return range(self.repeats)

    def scores(self, protocol: Protocol) -> Scores:
        """The estimates with their intervals over videos; all NaN for an incomplete run."""
        if protocol.name not in self._scores:
            grades = self.reply_grades(protocol)
            rubric = self.rubric_for(protocol)
            scores = score_run(grades, model=self.name, rubric=rubric, notes=self.notes)
            scores = rounded(scores, protocol_for(self.rubric, protocol))
            scores = replace(
                scores,
                thinking=thinking_of(self.predictions, grades),
                repeats=None if self.incomplete else repeats_of(grades, scores),
            )
            self._scores[protocol.name] = unscored(scores) if self.incomplete else scores
        return self._scores[protocol.name]

    def frame(self, protocol: str = "official") -> DataFrame:
        """One row per reply, graded by the protocol of this name.

        Returns:
            A DataFrame with the columns `vicabench.results.frames.RUN_COLUMNS`.

        Raises:
            ConfigError: The protocol is unknown.
        """
        return run_frame(self.predictions, self.reply_grades(find_protocol(protocol)))

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"

    def __repr__(self) -> str:
        asked = len(self.predictions) + self.unasked
        open_ = f", {self.unasked:,} not asked yet" if self.unasked else ""
        errors = sum(p.response is None for p in self.predictions)
        failed = f", {errors:,} failed" if errors else ""
        about = f" on {printable(self.benchmark)}" if self.benchmark else ""
        what = counted(asked, "question")
        if self.repeats > 1:
            what = counted(asked, "reply", "replies")
        return f"<Run of {self.name}{about}: {what}{failed}{open_}, {self.path}>"


def _again(prediction: Prediction) -> tuple[int, ...]:
    """The number of a repeat after the first."""
    return (prediction.question.repeat,) if prediction.question.repeat else ()


def load_run(path: str | Path) -> Run:
    """Read a run folder, or any predictions file.

    Raises:
        DataError: There is nothing to grade, a line is malformed (the message names it), or the
            run holds descriptions, which no protocol can grade.
        RunFolderError: `config.json` is damaged.
    """
    path = Path(path)
    run = load_any(path)
    if is_of_descriptions(run):
        raise DataError(
            f"{path} holds descriptions of videos, which have no correct answer to grade. "
            f"Have a model judge them: vicabench judge {path} --model openai:NAME"
        )
    return run


def is_of_descriptions(run: Run) -> bool:
    """Whether the run describes videos, which no protocol can grade."""
    kinds = {kind for asked in run.planned.values() for kind in asked.values()}
    return DESCRIPTION in kinds | {p.question.task for p in run.predictions}


def load_any(path: Path) -> Run:
    """Read a run folder or a predictions file, also one of descriptions; see `load_run`."""
    file = path / PREDICTIONS if path.is_dir() else path
    config = read_config(file.parent) if file.name == PREDICTIONS else None
    planned: Planned = config["plan"]["videos"] if config else {}
    asked = file.exists() or not planned
    rubric = plan_rubric(config["plan"]) if config else VSI
    predictions = read_predictions(file, torn_ok=config is not None, rubric=rubric) if asked else []
    if not predictions and not any(planned.values()):
        raise DataError(f"{file} holds no predictions.")
    owed = planned_keys(config["plan"]) - {p.question.key for p in predictions} if config else ()
    repeats = max(planned_repeats(config["plan"]) if config else 1, _most(predictions))
    return Run(
        name=_name(path, config),
        path=path,
        config=config,
        predictions=tuple(predictions),
        planned=planned,
        unasked=len(owed),
        origin=tuple(_origin(config, predictions)) if config else (),
        rubric=rubric,
        repeats=repeats,
    )


def _most(predictions: Sequence[Prediction]) -> int:
    """How many replies the questions of a predictions file have at most."""
    return 1 + max((p.question.repeat for p in predictions), default=0)


def load_all(folder: str | Path) -> list[Run]:
    """Read every run folder below a folder, in natural order of paths, with distinct names.

    Folders of descriptions, which no protocol can grade, are skipped.

    Raises:
        DataError: There is no run below the folder, or one is damaged.
    """
    return load_runs(graded_below(Path(folder)))


def run_of_rows(rows: Any, name: str, rubric: Rubric = VSI) -> Run:
    """A run of predictions in memory: a list of dicts or a DataFrame.

    Raises:
        ConfigError: `rows` is neither.
        DataError: There are no rows, they are descriptions, or one is malformed (the message
            names it).
    """
    predictions = collected(name, "row", enumerate(plain_rows(rows)), rubric)
    if not predictions:
        raise DataError(f"{name} holds no predictions.")
    if any(p.question.task == DESCRIPTION for p in predictions):
        raise DataError(
            f"{name} holds descriptions of videos, which have no correct answer to grade."
        )
    return Run(
        name=_one_line(name),
        path=Path(name),
        config=None,
        predictions=tuple(predictions),
        planned={},
        unasked=0,
        origin=(),
        rubric=rubric,
        repeats=_most(predictions),
    )


def load_runs(paths: Sequence[Path], load: Callable[[Path], Run] = load_run) -> list[Run]:
    """Read several runs and give them distinct names.

    A folder that is not a run folder stands for the runs below it.

    Raises:
        ConfigError: Two paths lead to the same predictions.
        DataError: A folder holds no run, and as `load` does.
    """
    paths = expanded(paths, descriptions=load is load_any)
    places = [(path / PREDICTIONS if path.is_dir() else path).resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError(f"{path} is named twice. Name each run once.")
    return with_distinct_names([load(path) for path in paths])


def with_distinct_names(runs: Sequence[Run]) -> list[Run]:
    """The runs, with the path (or, for equal paths, a number) added to names that several share."""
    names = Counter(run.name for run in runs)
    places = Counter((run.name, run.path) for run in runs)
    renamed = []
    for number, run in enumerate(runs, start=1):
        suffix = run.path if places[run.name, run.path] == 1 else number
        name = run.name if names[run.name] == 1 else _one_line(f"{run.name} ({suffix})")
        renamed.append(run if name == run.name else replace(run, name=name))
    return renamed


def _part(plan: Mapping[str, Any]) -> str | None:
    part = plan.get("part")
    if part is None or plan["questions"] == part["questions"]:
        return None
    named = ("part " if len(part["parts"]) == 1 else "parts ") + ", ".join(map(str, part["parts"]))
    whole = counted(part["questions"], "question")
    return f"{named} of {part['of']} only: {plan['questions']} of {whole}"


def _with_map(config: Mapping[str, Any] | None) -> str | None:
    """What a configuration says of the maps in the prompts; None without any."""
    revision = str(config["config"]["revision"]) if config else ""
    told = revision.partition(WITH_MAP)[2]
    return printable(f"asked with a cognitive map in the prompt: {told}") if told else None


def _origin(config: Mapping[str, Any], predictions: Sequence[Prediction]) -> list[str]:
    """Notes on how a derived run was made and on the files that an imported run comes from."""
    derived = [printable(note_on(config, predictions))] if is_derived(config) else []
    imports = [start["imported"] for start in config["starts"] if "imported" in start]
    return derived + [printable(_imported(origin)) for origin in imports]


def _imported(origin: Mapping[str, Any]) -> str:
    notes = [f"imported from {origin['from']}, {origin['file']}"]
    if origin["unreadable"]:
        notes.append(
            f"left out what could not be read: {origin['unreadable']} of "
            f"{counted(origin['rows'], 'row')}"
        )
    if cut := origin.get("cut"):
        notes.append(f"replies cut off at the 32,767 characters of a spreadsheet's cell: {cut}")
    for known in ("scores", "graded_by"):
        if known in origin:
            notes.append(origin[known]["note"])
    return "; ".join(notes)


def _name(path: Path, config: Mapping[str, Any] | None) -> str:
    """The name of the run's model; without a configuration, of the file or its folder."""
    if config:
        adapter = config["config"]["adapter"]
        blind = "".join(mark for name, mark in UNSEEN.items() if adapter.get(name) is True)
        derived = " (canonicalized)" if is_derived(config) else ""
        return _one_line(f"{config['config']['model']}{blind}{derived}")
    place = path.resolve()
    if place.name == PREDICTIONS:
        return _one_line(place.parent.name)
    return _one_line(place.name if place.is_dir() else place.stem)


def _one_line(name: str) -> str:
    return printable(name).replace("\n", "?")
