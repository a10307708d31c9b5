"""A published benchmark as data: its tasks, prompts, frames and errata, and how its rows read.

What is fetched lies in one folder of the cache, with a record of every file (`fetched`). Nothing
is taken for granted of a repository that others can change: what the rows, files and counts are
assumed to be stands in the benchmark, and a data set that differs is refused with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vicabench.benchmarks import fetched, own
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.loading import question_of
from vicabench.benchmarks.paths import cache_dir, refuse_links_out
from vicabench.benchmarks.repository import RepositoryLayout, rows_in
from vicabench.benchmarks.source import Source, refuse
from vicabench.benchmarks.tables import config_rows
from vicabench.errors import ConfigError, DataError, counted
from vicabench.rubric import Rubric
from vicabench.types import Benchmark, FrameRule, Question
from vicabench.wording import Wording

Row = Mapping[str, Any]
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What a function raises for a row that is not what it reads."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row stands: the subset that is loaded, its file without suffix, its number from 0."""

    subset: str
    table: str
    number: int


Read = Callable[[Row, Place], Row | None]
"""A published row as one with our columns (`id`, `video`, `question_type`, `question`, `options`,
`ground_truth`, `group`, `scene`); None for a row that does not belong to the subset."""


def nothing(questions: tuple[Question, ...]) -> Iterable[str]:
    """No remarks."""
    del questions
    return ()


@dataclass(frozen=True, kw_only=True)
class Published:
    """A benchmark whose data set is a repository of the hub; see `source.Loader`.

    Attributes:
        name: The name on the command line.
        repo: The repository.
        citation: The paper and the code that was read.
        rubric: The tasks, and how their scores are averaged.
        wording: The official prompts.
        read: How a row becomes a question.
        columns: The columns that `read` needs.
        tables: Patterns of the files with questions, in which `{subset}` is the subset.
        archives: The same for the zips that hold videos; the first that fits any is used.
            `{stem}` is the subset up to its first underscore.
        split: If given, `datasets` finds this split in the files; else each is read as it is.
        configs: Whether each subset is a configuration of the repository's card.
        subsets: Their names; the first is the default.
        rubrics: The rubric of a subset, where it differs.
        frame_rule: Which frames the questions are about.
        frame_rules: The same for a subset, where it differs.
        errata: Known problems of every score.
        subset_errata: The same for a subset, beside those.
        assumes: What is assumed of the data set, for messages.
        counts: The number of questions of a subset, which is required of the published data set.
        stated: The same, where others state it: a difference is an erratum.
        refused: Numbers of questions that show another revision, and why that is refused.
        remarks: Errata that the questions themselves show; raises DataError to refuse them.
        revision: The revision that is fetched by default.
        size: What a download comes to, for messages.
    """

    name: str
    repo: str
    citation: str
    rubric: Rubric
    wording: Wording
    read: Read
    columns: tuple[str, ...]
    tables: tuple[str, ...]
    archives: tuple[str, ...] = ("*.zip",)
    split: str = ""
    configs: bool = False
    subsets: tuple[str, ...] = ("full",)
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)
    frame_rule: FrameRule | None = None
    frame_rules: Mapping[str, FrameRule] = field(default_factory=dict)
    errata: tuple[str, ...] = ()
    subset_errata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    assumes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    stated: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    remarks: Callable[[tuple[Question, ...]], Iterable[str]] = nothing
    revision: str = "main"
    size: str = ""

    @property
    def folder(self) -> Path:
        """The default folder of the data."""
        return cache_dir() / self.name

    def subset(self, name: str) -> str:
        """The subset of this name, or the one that begins with it: `64` for `64_frame`.

        Of `10mins` and `10mins_streaming`, `10` is the first.

        Raises:
            ConfigError: No subset begins with the name, or several that differ.
        """
        if name in self.subsets:
            return name
        if name == "full":
            return self.subsets[0]
        near = [subset for subset in self.subsets if subset.startswith(name)]
        if not near or not all(subset.startswith(near[0]) for subset in near):
            raise ConfigError(
                f"{self.name} has no subset {name!r}. Choose {', '.join(self.subsets)}."
            )
        return near[0]

    def layout(self, subset: str) -> RepositoryLayout:
        """How the data of a subset lies in its repository."""
        chosen = self.subset(subset)
        return RepositoryLayout(
            name=self.name,
            repo=self.repo,
            revision=self.revision,
            folder=self.folder,
            patterns=tuple(pattern.format(subset=chosen) for pattern in self.tables),
            archives=tuple(
                pattern.format(subset=chosen, stem=chosen.partition("_")[0])
                for pattern in self.archives
            ),
            option="" if chosen == self.subsets[0] else f" --subset {chosen}",
            size=self.size,
            assumes=self.assumes,
            subset=chosen,
            questions_in=lambda folder, record: self.questions(folder, record, chosen)[0],
        )

    def load(self, source: Source) -> Benchmark:
        """Load a subset from the folder that it was fetched to.

        Raises:
            ConfigError: For an unknown subset, or an option without effect.
            DataError: If questions or videos are missing or changed, or differ from what is
                assumed of them.
        """
        refuse(self.name, videos=source.videos)
        subset = self.subset(source.subset)
        folder = source.data or self.folder
        layout = self.layout(subset)
        record = fetched.read(folder)
        tables = layout.tables_in(folder)
        digests = layout.check_unchanged(folder, tables, record)
        questions, notes = self.questions(folder, record, subset)
        files = layout.files(folder, {question.video for question in questions}, record)
        refuse_links_out(folder, files.values())
        if source.videos_needed:
            layout.check_videos(folder, files, record)
        repo = self.repo if record is None else record.repo
        return Benchmark(
            name=self.name if repo == self.repo else repo,
            subset=subset,
            revision=own.digest_of_all(digests) if record is None else record.revision,
            questions=questions,
            files=files,
            rubric=self.rubrics.get(subset, self.rubric),
            wording=self.wording,
            frame_rule=self.frame_rules.get(subset, self.frame_rule),
            errata=(*self.errata, *self.subset_errata.get(subset, ()), *notes),
        )

    def questions(
        self, folder: Path, record: Fetched | None, subset: str
    ) -> tuple[tuple[Question, ...], tuple[str, ...]]:
        """The questions of a subset, checked, and what is to be said of them."""
        repo = self.repo if record is None else record.repo
        questions = tuple(self._read(folder, subset))
        ids = [question.id for question in questions]
        if len(set(ids)) != len(ids):
            twice = next(key for key in ids if ids.count(key) > 1)
            raise self._differs(repo, f"the id {twice!r} is there twice.")
        if not questions:
            raise self._differs(repo, f"the subset {subset} has no questions.")
        if reason := self.refused.get(len(questions)):
            raise DataError(f"{repo} is refused: {reason}")
        notes = [] if repo != self.repo else self._counted(subset, len(questions))
        try:
            return questions, (*notes, *self.remarks(questions))
        except DataError as error:
            raise self._differs(repo, str(error)) from None

    def _counted(self, subset: str, number: int) -> list[str]:
        expected = self.counts.get(subset)
        if expected is not None and number != expected:
            raise self._differs(
                self.repo,
                f"the subset {subset} has {counted(number, 'question')}, and {expected:,} are "
                "published.",
            )
        stated = self.stated.get(subset, number)
        if stated == number:
            return []
        return [
            f"{self.name} {subset} has {counted(number, 'question')} here; {stated:,} are stated "
            "elsewhere, which nobody has checked."
        ]

    def _differs(self, repo: str, problem: str) -> DataError:
        return DataError(
            f"{repo} differs from what is assumed of {self.name}: {problem}"
            f"{self.layout('full').advice}"
        )

    def _read(self, folder: Path, subset: str) -> Iterator[Question]:
        rubric = self.rubrics.get(subset, self.rubric)
        for table, place, row in self._rows(folder, subset):
            where = f"{table}, row {place.number + 1}"
            if not isinstance(row, Mapping):
                raise self._differs(self.repo, f"{where} has no columns.")
            if lacking := [name for name in self.columns if name not in row]:
                raise self._differs(
                    self.repo,
                    f"{where} has no column {lacking[0]!r} (it has {', '.join(map(str, row))}).",
                )
            try:
                ours = self.read(row, place)
                if ours is not None:
                    yield question_of(ours, rubric)
            except DataError as error:
                raise self._differs(self.repo, f"{where}: {error}") from None
            except MALFORMED as error:
                said = f"{type(error).__name__}: {error}"
                raise self._differs(self.repo, f"{where} cannot be read ({said}).") from None

    def _rows(self, folder: Path, subset: str) -> Iterator[tuple[str, Place, object]]:
        names = self.layout(subset).tables_in(folder)
        if self.split:
            config = subset if self.configs else None
            with TemporaryDirectory() as alone:  # without the videos, which `datasets` would read
                for name in names:
                    (Path(alone) / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(folder / name, Path(alone) / name)
                rows = list(config_rows(self.repo, Path(alone), config=config, split=self.split))
            for number, (_, row) in enumerate(rows):
                yield self.repo, Place(subset=subset, table=self.split, number=number), row
            return
        for name in names:
            for number, row in enumerate(rows_in(folder / name)):
                yield name, Place(subset=subset, table=Path(name).stem, number=number), row
