"""Jobs of OpenAI's batch API: requests in a file, replies within a day, at half the price.

https://platform.openai.com/docs/guides/batch, read in December 2026.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import openai

from vicabench.adapters.api.account import (
    BATCH_SHARE,
    HTTP,
    MALFORMED,
    CallError,
    Completion,
    of_status,
)
from vicabench.adapters.api.adapter import answer_of, failed
from vicabench.adapters.api.calls import LARGEST
from vicabench.adapters.api.openai import ChatAdapter, ChatModel, read_chat
from vicabench.errors import ConfigError
from vicabench.types import Answer, Question, Video

T = TypeVar("T")
MOST_REQUESTS, MOST_BYTES = 10_000, 100_000_000
"""The largest file, below the API's 50,000 requests and 200 MB: it is uploaded as one request."""
REPLY_BYTES, TOKEN_BYTES = 4096, 16
"""What a reply in a file may take, and each of its tokens, written as JSON."""
OK = 200
ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""The states of a job that will not change."""
EXPIRED = frozenset({"batch_expired", "batch_cancelled"})
"""Codes of requests that were not made, and are still owed."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a job stands: its status, the files of its replies, and why it failed."""

    status: str
    files: tuple[str, ...]
    reason: str

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ENDED


def custom_id(question: Question) -> str:
    """What identifies a reply to a question within a job: 64 characters, whatever its id is."""
    return hashlib.sha256(f"{question.repeat}\n{question.id}".encode()).hexdigest()


class Jobs:
    """Sends requests of an adapter as jobs, and reads their replies."""

    def __init__(self, adapter: ChatAdapter) -> None:
        self._adapter = adapter
        self._model = cast(ChatModel, adapter.model)

    @property
    def most_requests(self) -> int:
        """The most requests of a job whose replies can be downloaded as one body."""
        reply = REPLY_BYTES + TOKEN_BYTES * self._adapter.options.max_new_tokens
        return max(1, min(MOST_REQUESTS, LARGEST // reply))

    def lines(
        self, video: Video, questions: Sequence[Question]
    ) -> Iterator[tuple[Question, bytes]]:
        """The requests about a video, each with its line of a job's file."""
        showing = self._adapter.showing
        encoded = video.prepared if video.prepared is not None else showing.encode(video)
        with showing.show(video, encoded) as shown:
            for question in questions:
                yield question, self._line(question, video, shown)

    def _line(self, question: Question, video: Video, shown: Any) -> bytes:
        parts = self._adapter.parts(shown, video, question)
        limit = self._adapter.options.max_new_tokens
        body = self._model.request(parts, limit, question.repeat)
        request = {
            "custom_id": custom_id(question),
            "method": "POST",
            "url": ENDPOINT,
            "body": body,
        }
        return json.dumps(request).encode() + b"\n"

    def upload(self, file: Path) -> str:
        """Upload a file of requests; returns its id."""
        client = self._model.client
        sent = self._call(lambda: client.files.create(file=file, purpose="batch"))
        return str(sent.id)

    def create(self, file: str) -> str:
        """Start the job of an uploaded file; returns its id."""
        client = self._model.client
        job = self._call(
            lambda: client.batches.create(
                input_file_id=file, endpoint=ENDPOINT, completion_window="24h"
            )
        )
        return str(job.id)

    def started(self, file: str) -> str | None:
        """The id of the job of an uploaded file, if there is one."""
        client = self._model.client

        async def found() -> str | None:
            jobs = client.batches.list(limit=100)  # a page: all are gone through, the newest first
            async for job in jobs:
                if job.input_file_id == file:
                    return str(job.id)
            return None

        return self._call(found)

    def state(self, job: str) -> State:
        """Where a job stands now."""
        client = self._model.client
        found = self._call(lambda: client.batches.retrieve(job), free=True)
        errors = (found.errors.data if found.errors else None) or []
        return State(
            status=str(found.status),
            files=tuple(str(f) for f in (found.output_file_id, found.error_file_id) if f),
            reason="; ".join(str(error.message) for error in errors[:3]),
        )

    def answers(self, file: str, asked: Mapping[str, Question]) -> Iterator[Answer]:
        """The answers in a file of replies; requests that were not made are left out."""
        client = self._model.client
        content = self._call(lambda: client.files.content(file), free=True)
        for line in content.text.splitlines():
            try:
                row = json.loads(line)
                question = asked.get(row["custom_id"])
            except (ValueError, LookupError, TypeError):
                continue  # without an id nobody knows what it is about: its question stays owed
            if question is None or (row.get("error") or {}).get("code") in EXPIRED:
                continue
            try:
                yield answer_of(question, self._completion(row))
            except CallError as error:
                error.attempts = 1
                yield failed(question, error)

    def _completion(self, row: Any) -> Completion:
        account = self._model.calls.account
        try:
            response = row["response"]
            status, body = int(response["status_code"]), response["body"]
        except (LookupError, TypeError, ValueError):
            message = self._model.calls.safe_text(_message(row))
            raise CallError(HTTP if message else MALFORMED, message or "no response") from None
        if status != OK:
            raise of_status(status, self._model.calls.safe_text(_message(body)))
        try:
            completion = read_chat(body)
        except CallError as error:
            if error.usage is not None:
                error.cost = account.received(error.usage, BATCH_SHARE)
            raise
        cost = account.received(completion.usage, BATCH_SHARE)
        return self._model.calls.settled(replace(completion, cost=cost))

    def _call(self, send: Callable[[], Awaitable[T]], *, free: bool = False) -> T:
        """The result of a call to the API; ConfigError if there is none."""

        async def once() -> T:
            try:
                return await send()
            except openai.APIStatusError as error:
                raise of_status(error.status_code, str(error.message)) from None
            except openai.APIConnectionError as error:
                reason = f"{type(error).__name__}: {error}"
                raise CallError(HTTP, reason, retryable=True) from None

        async def tried() -> T:
            result, _ = await self._model.calls.call(once, free=free)
            return result

        try:
            return self._model.calls.run(tried())
        except CallError as error:
            raise ConfigError(
                f"The batch API of {self._model.base_url} cannot be used: {error}. Jobs that were "
                "sent go on, and the same command finds them again."
            ) from None


def _message(body: Any) -> str:
    """What the API says under `error`; empty if it says nothing."""
    detail = body.get("error") if isinstance(body, dict) else None
    message = detail.get("message") if isinstance(detail, dict) else None
    return str(message or "")
