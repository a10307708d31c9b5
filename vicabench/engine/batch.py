"""Answer through a provider's batch API: `--batch`.

All requests of a run are written to files, each of which becomes a job, and the run waits for the
jobs. What was sent is in `batches.jsonl` of the run folder before the next thing is sent, so that
a run that ends meanwhile, however it ends, leaves its jobs running and finds them again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from vicabench import files
from vicabench.adapters.api.batch import MOST_BYTES, Jobs, custom_id
from vicabench.adapters.api.openai import ChatAdapter
from vicabench.engine.loop import AnswerTimeout, Overdue, answer_videos
from vicabench.engine.timing import Timing
from vicabench.engine.workers.messages import Built, Job
from vicabench.errors import ConfigError, DataError, counted
from vicabench.predictions import Prediction, torn_bytes
from vicabench.results.plan import ByVideo
from vicabench.types import Answer, Question, Video

FILE = "batches.jsonl"
REQUESTS = ".batch-requests.jsonl"
SENT = "batch: sent, and not answered yet"
"""What a question's answer is until its job has ended; never written."""
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds between two questions about the jobs: twice as long each time."""


@dataclass(kw_only=True)
class Sent:
    """A file that was uploaded, and its job.

    Attributes:
        ids: The custom ids of its requests.
        job: None if the run ended before the job's id was known.
    """

    file: str
    ids: frozenset[str]
    job: str | None = None
    ended: bool = False


@dataclass(kw_only=True)
class Record:
    """What a run folder knows of its jobs: `batches.jsonl`."""

    path: Path
    sent: list[Sent] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read the record of a run folder, which may have none yet.

        A last line that a killed run left unfinished is cut off. Nothing paid for is lost with it:
        a job is created after its file was recorded, and found by its file.

        Raises:
            DataError: The file is malformed; its jobs may be paid for, so nothing is guessed.
        """
        record = cls(path=folder / FILE)
        try:
            data = files.read(record.path) if record.path.exists() else b""
            if torn := torn_bytes(data):
                data = data[:-torn]
                os.truncate(record.path, len(data))
            for row in map(json.loads, data.splitlines()):
                record._apply(row)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise DataError(
                f"{record.path} is damaged ({error}), so it is not known which jobs of this run "
                "are still running. Mend that line, or remove the file to send all requests "
                "that have no answer again."
            ) from None
        return record

    def _apply(self, row: Mapping[str, Any]) -> None:
        if "ids" in row:
            self.sent.append(Sent(file=str(row["file"]), ids=frozenset(row["ids"])))
            return
        one = next(each for each in self.sent if each.file == row["file"])
        one.job = str(row["job"]) if "job" in row else one.job
        one.ended = one.ended or "ended" in row

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a line, on the disk first."""
        with files.opened(self.path, "ab") as file:
            file.write(json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._apply(row)

    @property
    def open(self) -> list[Sent]:
        """The files whose jobs have not ended, as far as is known."""
        return [each for each in self.sent if not each.ended]


class BatchExecutor:
    """Answers by jobs of a provider, recorded in a run folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, job: Job, warned: Callable[[str], None]) -> BatchRunner:
        """Build the adapter.

        Raises:
            ConfigError: For a model that has no batch API.
        """
        adapter = job.build()
        if not isinstance(adapter, ChatAdapter):
            raise ConfigError(f"--model {job.model} has no batch API: leave out --batch.")
        return BatchRunner(job, adapter, self._folder, warned)


class BatchRunner:
    """Sends what is owed, waits for the jobs, and reads their replies."""

    def __init__(
        self, job: Job, adapter: ChatAdapter, folder: Path, warned: Callable[[str], None]
    ) -> None:
        self._job, self._adapter, self._folder = job.seen_by(adapter), adapter, folder
        self._warned, self._jobs = warned, Jobs(adapter)
        self._clock = self._job.clock(adapter, warned)
        self.built = Built.of(adapter)
        self.record: Mapping[str, Any] = {"executor": "batch"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            (self._folder / REQUESTS).unlink(missing_ok=True)

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield predictions as they are known: of videos that failed first, then job by job."""
        record = Record.of(self._folder)
        waiting = {key for each in record.open for key in each.ids}
        named = {custom_id(q): q for asked in todo.values() for q in asked}
        owed = {
            video: [q for q in asked if custom_id(q) not in waiting]
            for video, asked in todo.items()
        }
        sender = _Sender(self._adapter, self._jobs, record, self._folder / REQUESTS, self._warned)
        videos = answer_videos(
            self._job.benchmark,
            {video: asked for video, asked in owed.items() if asked},
            sender,
            self._job.decoding,
            timeout=AnswerTimeout(seconds=self._job.answer_seconds, overdue=overdue),
            clock=self._clock,
            warned=self._warned,
        )
        with closing(videos):
            for predictions in videos:
                yield from self._known([p for p in predictions if p.answer.error != SENT])
        sender.send()
        yield from self._collected(record, named)

    def _known(self, predictions: list[Prediction]) -> Iterator[list[Prediction]]:
        if predictions:
            self._clock.count(predictions)
            yield predictions

    def _collected(
        self, record: Record, named: Mapping[str, Question]
    ) -> Iterator[list[Prediction]]:
        """The predictions of every job that ends; ask until all have."""
        for each in record.open:
            if each.job is None:
                job = self._jobs.started(each.file) or self._jobs.create(each.file)
                record.add({"file": each.file, "job": job})
        wait = FIRST_WAIT
        while left := record.open:
            ended = 0
            for each in left:
                state = self._jobs.state(str(each.job))
                if not state.ended:
                    continue
                ended += 1
                for file in state.files:
                    yield from self._by_video(list(self._jobs.answers(file, named)), named)
                record.add({"file": each.file, "ended": state.status})
                if state.status != "completed":
                    self._warned(_unfinished(each, state.status, state.reason))
            if record.open and not ended:
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    def _by_video(
        self, answers: Sequence[Answer], named: Mapping[str, Question]
    ) -> Iterator[list[Prediction]]:
        asked = {question.key: question for question in named.values()}
        by_video: dict[str, list[Prediction]] = {}
        for answer in answers:
            question = asked[answer.question_id, answer.repeat]
            by_video.setdefault(question.video, []).append(
                Prediction(question=question, answer=answer)
            )
        for predictions in by_video.values():
            yield from self._known(predictions)

    def timing(self) -> Timing | None:
        """How the time has been spent so far."""
        return self._clock.timing()


def _unfinished(each: Sent, status: str, reason: str) -> str:
    why = f": {reason}" if reason else ""
    return (
        f"Job {each.job} of {counted(len(each.ids), 'request')} ended as {status}{why}. What has "
        "no reply is still owed: the same command sends it again."
    )


class _Sender:
    """Takes the place of the adapter while requests are written: every question is sent.

    The first question of a run is asked at once, so that what the model refuses is known before
    thousands of requests are refused a day later.
    """

    needs_video = True

    def __init__(
        self,
        adapter: ChatAdapter,
        jobs: Jobs,
        record: Record,
        requests: Path,
        warned: Callable[[str], None],
    ) -> None:
        self._adapter, self._jobs, self._record = adapter, jobs, record
        self._requests, self._warned = requests, warned
        self._untried = not record.sent
        self._ids: list[str] = []
        self._size = 0
        self.settings: Mapping[str, Any] = adapter.settings
        requests.unlink(missing_ok=True)

    def prepare(self, video: Video) -> Any:
        """As the adapter does."""
        return self._adapter.prepare(video)

    @property
    def stopped(self) -> str | None:
        """Why nothing more is sent."""
        return self._adapter.stopped

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterator[Answer]:
        """Write the requests about a video, and yield what stands for their answers."""
        if self._untried:
            self._untried = False
            yield from self._adapter.answer(video, questions[:1])
            questions = questions[1:]
        for question, line in self._jobs.lines(video, questions):
            if self._size + len(line) > MOST_BYTES:
                self.send()
            with self._requests.open("ab") as file:
                file.write(line)
            self._size += len(line)
            self._ids.append(custom_id(question))
            if len(self._ids) == self._jobs.most_requests:
                self.send()
            yield Answer(question_id=question.id, repeat=question.repeat, error=SENT)

    def send(self) -> None:
        """Make a job of what was written."""
        if not self._ids:
            return
        file = self._jobs.upload(self._requests)
        self._record.add({"file": file, "ids": self._ids})
        job = self._jobs.create(file)
        self._record.add({"file": file, "job": job})
        self._warned(
            f"Job {job}: {counted(len(self._ids), 'request')} sent, to be answered within a day. "
            "Ctrl-C leaves it running, and the same command collects it."
        )
        self._requests.unlink()
        self._ids, self._size = [], 0
