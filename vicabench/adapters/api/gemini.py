"""`gemini:MODEL`: upload a video once for all its questions, or send sampled frames."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from google import genai
from google.genai import errors, types

from vicabench.adapters.api.account import (
    EMPTY,
    FILTERED,
    MALFORMED,
    UPLOAD,
    CallError,
    Completion,
    Usage,
    checked_url,
    count,
    key_from,
    of_status,
)
from vicabench.adapters.api.adapter import (
    NO_SAMPLING,
    SHARED,
    ApiAdapter,
    Frames,
    Showing,
    benchmark_asking,
    settings_of,
)
from vicabench.adapters.api.calls import Calls, retry_after_seconds
from vicabench.adapters.api.openai import empty_reason
from vicabench.errors import ConfigError
from vicabench.options import SAMPLING, ApiOptions
from vicabench.runtime import within
from vicabench.types import AdapterContext, ModelOptions, Video

LOG = logging.getLogger(__name__)
SHORTEST_POLL, LONGEST_POLL = 0.05, 10.0
"""Limits of the pause, in seconds, between two requests for the state of a video."""
DELETING = 30.0
"""Time limit in seconds for deleting a file, retries included."""
COMMAND, STATUS = "x-goog-upload-command", "x-goog-upload-status"


class Files:
    """The uploaded files of one client; `explain` turns its errors into CallErrors."""

    def __init__(
        self, client: genai.Client, calls: Calls, explain: Callable[[errors.APIError], CallError]
    ) -> None:
        self._files, self._calls, self._explain = client.aio.files, calls, explain

    async def upload(self, path: Path, names: list[str]) -> types.FileData:
        """Upload a video and wait until it is processed; CallError if that fails.

        Each attempt uses a new name, which is added to `names` before it is sent, so that a file
        whose upload was not acknowledged can be deleted too.
        """
        kind = mimetypes.guess_type(path)[0] or "video/mp4"

        async def send() -> types.File:
            name = f"vicabench-{uuid4().hex[:24]}"
            names.append(name)
            config = types.UploadFileConfig(name=name, mime_type=kind)
            try:
                with path.open("rb") as file:
                    return await self._files.upload(file=file, config=config)
            except errors.APIError as error:
                raise self._explain(error) from None

        file, _ = await self._calls.call(send)
        file = await self._processed(file)
        return types.FileData(file_uri=file.uri, mime_type=file.mime_type or kind)

    async def _processed(self, file: types.File) -> types.File:
        """Wait until the file is active; CallError if it is not in time, or never."""
        pause = max(SHORTEST_POLL, self._calls.options.retry_wait)
        try:
            async with within(self._calls.options.request_timeout):
                while file.state == types.FileState.PROCESSING:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_POLL)
                    file, _ = await self._calls.call(partial(self._get, file.name))
        except TimeoutError:
            reason = "the video is still being processed (--request-timeout)"
            raise CallError(UPLOAD, reason) from None
        if file.state != types.FileState.ACTIVE or not file.uri:
            why = file.error.message if file.error else file.state
            raise CallError(
                UPLOAD, self._calls.safe_text(f"Gemini cannot process the video: {why}")
            )
        return file

    async def _get(self, name: str | None) -> types.File:
        try:
            return await self._files.get(name=str(name))
        except errors.APIError as error:
            raise self._explain(error) from None

    async def delete(self, names: Sequence[str]) -> None:
        """Delete the files of these names that exist; log a warning if that fails."""
        for name in names:
            try:
                async with within(DELETING):
                    await self._calls.call(partial(self._delete, name), free=True)
            except (CallError, TimeoutError) as error:
                LOG.warning(
                    "An uploaded video could not be deleted (%s): Google deletes it after 48 hours",
                    error,
                )

    async def _delete(self, name: str) -> None:
        try:
            await self._files.delete(name=name)
        except errors.APIError as error:
            if error.code not in (403, 404):  # Google's answers for a file that does not exist
                raise self._explain(error) from None


async def end_failed_upload(response: httpx2.Response) -> None:
    """A response hook that raises for a failed upload, which Google's client would repeat."""
    is_part = response.request.headers.get(COMMAND, "start") != "start"
    if is_part and STATUS not in response.headers:
        text = (await response.aread()).decode(errors="replace")
        if response.is_success:
            raise CallError(MALFORMED, "the upload was answered without a status")
        raise of_status(
            response.status_code, text, retry_after=retry_after_seconds(response.headers)
        )


OFFICIAL = "https://generativelanguage.googleapis.com"
KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""In the order in which Google's client looks for them."""
STOPS = {"STOP": "stop", "MAX_TOKENS": "length"}
"""Reasons for the end of a reply; with any other reason it is withheld."""


class GeminiModel:
    """A Gemini model, decoded greedily (`temperature` 0) unless `sampling` says more, with a seed.

    Raises:
        ConfigError: For a missing key or an invalid address.
    """

    def __init__(
        self, name: str, options: ApiOptions, seed: int, sampling: Mapping[str, float] = NO_SAMPLING
    ) -> None:
        self.base_url = checked_url(options.base_url or OFFICIAL)
        keys = [key for variable in KEYS if (key := key_from([variable]))]
        if not keys:
            raise ConfigError(f"gemini:{name} needs a key: set GEMINI_API_KEY in the environment.")
        self.name, self.calls = name, Calls(name, options, keys)
        self._sampling: Mapping[str, Any] = {"temperature": 0.0, "seed": seed, **sampling}
        client = self.calls.http(self.base_url)
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "response": [*hooks["response"], end_failed_upload]}
        http = types.HttpOptions(base_url=self.base_url, httpx_async_client=client)
        # Without `vertexai`, an environment variable could make it a client of Vertex AI.
        self._client = genai.Client(api_key=keys[0], vertexai=False, http_options=http)
        self.files = Files(self._client, self.calls, explain)

    @property
    def settings(self) -> dict[str, Any]:
        """All that can change a reply."""
        sampling = dict(self._sampling)
        return {"endpoint": self.base_url, "model": self.name, "sampling": sampling}

    async def reply(
        self, parts: Sequence[types.Part], max_new_tokens: int, repeat: int = 0
    ) -> Completion:
        """Return the reply to one user message; CallError if there is none.

        Each repeat has its own seed.
        """
        return await self.calls.complete(lambda: self._send(parts, max_new_tokens, repeat))

    async def _send(
        self, parts: Sequence[types.Part], max_new_tokens: int, repeat: int
    ) -> Completion:
        config = types.GenerateContentConfig(
            **{**self._sampling, "seed": self._sampling["seed"] + repeat},
            max_output_tokens=max_new_tokens,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        contents = types.Content(role="user", parts=list(parts))
        try:
            reply = await self._client.aio.models.generate_content(
                model=self.name, contents=contents, config=config
            )
        except errors.APIError as error:
            raise explain(error) from None
        return read_reply(reply)


def text_part(text: str) -> types.Part:
    """A text as part of a message."""
    return types.Part(text=text)


def explain(error: errors.APIError) -> CallError:
    """The CallError for an error of Google's client."""
    details = list(_details(error.details))
    delays = [d["retryDelay"] for d in details if isinstance(d.get("retryDelay"), str)]
    reasons = [d.get("reason") for d in details]
    daily = any("PerDay" in str(d.get("violations")) for d in details)
    headers = getattr(error.response, "headers", {})
    status = 401 if "API_KEY_INVALID" in reasons else error.code
    pause = retry_after_seconds(headers)
    if pause is None and delays:  # of the form 34.5s
        pause = retry_after_seconds({"retry-after": delays[0].removesuffix("s")})
    return of_status(status, str(error.message), retry_after=pause, spent=daily)


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    """The details of an error (google.rpc.ErrorInfo, RetryInfo ...)."""
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    yield from (d for d in details if isinstance(d, dict)) if isinstance(details, list) else ()


def read_reply(reply: types.GenerateContentResponse) -> Completion:
    """Read the completion from a reply; CallError for one that is filtered or empty."""
    usage = _usage(reply.usage_metadata)
    without_text = _nothing_new(usage)
    if reply.prompt_feedback and (reason := reply.prompt_feedback.block_reason):
        raise CallError(FILTERED, f"the prompt was blocked: {_name(reason)}", usage=without_text)
    if not reply.candidates:
        raise CallError(EMPTY, empty_reason(cut=False), usage=without_text)
    candidate = reply.candidates[0]
    stop = _name(candidate.finish_reason)
    if stop not in STOPS:
        why = f"{stop} {candidate.finish_message or ''}"
        raise CallError(FILTERED, f"the reply was withheld: {why}", usage=without_text)
    parts = (candidate.content and candidate.content.parts) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if not text.strip():
        raise CallError(EMPTY, empty_reason(STOPS[stop] == "length"), usage=without_text)
    return Completion(text=text, stop=STOPS[stop], usage=usage, served_by=reply.model_version)


def _usage(counts: types.GenerateContentResponseUsageMetadata | None) -> Usage:
    if counts is None:
        return Usage()
    written, thought = count(counts.candidates_token_count), count(counts.thoughts_token_count)
    new = None if written is None and thought is None else (written or 0) + (thought or 0)
    return Usage(
        prompt_tokens=count(counts.prompt_token_count),
        cached_tokens=count(counts.cached_content_token_count),
        new_tokens=new,
    )


def _nothing_new(usage: Usage) -> Usage:
    """The usage of a reply without text: Google leaves out counts of 0."""
    if usage.prompt_tokens is None:
        return usage
    return replace(usage, new_tokens=usage.new_tokens or 0)


def _name(value: Any) -> str:
    """The name of a member of Google's enumerations; any other value as text."""
    return str(getattr(value, "value", value))


FASTEST = 24.0
"""The highest frame rate, per second, at which Gemini samples a video."""
OF_FRAMES = ("image_size", "jpeg_quality", "blind")
"""Options that apply to sampled frames only."""


class GeminiAdapter(ApiAdapter):
    """Asks with the video or its frames, then the question."""

    # Gemini's API has no repetition penalty.
    accepts_options = (*SHARED, "as_frames", *SAMPLING[:-1])


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """Shows a video by its file, which is stored at Google while questions are asked."""

    model: GeminiModel
    frames: int
    fps: float = 0.0

    @property
    def settings(self) -> dict[str, Any]:
        """How Gemini samples the video."""
        return {"video": "the whole file, of which Gemini takes frames / duration a second"}

    def encode(self, video: Video) -> None:
        """Do nothing: a video is uploaded only when its questions are asked."""

    @contextmanager
    def show(self, video: Video, encoded: None) -> Iterator[list[types.Part]]:  # noqa: ARG002
        """Upload the file, yield the part that names it, and delete it; CallError if that fails."""
        calls, names = self.model.calls, list[str]()
        try:
            file = calls.run(self.model.files.upload(video.path, names))
            rates = [self.fps] if self.fps else []
            rates += [self.frames / video.duration] if self.frames and video.duration > 0 else []
            rate = min(FASTEST, *rates) if rates else None
            yield [types.Part(file_data=file, video_metadata=types.VideoMetadata(fps=rate))]
        finally:
            calls.run(self.model.files.delete(names))


def build(argument: str, context: AdapterContext) -> GeminiAdapter:
    """Build the adapter of the model that `argument` names.

    Raises:
        ConfigError: For a missing name or key, or invalid options.
    """
    options = context.options
    if not argument:
        raise ConfigError("Say which model: --model gemini:MODEL")
    _refuse_unused(options)
    model = GeminiModel(argument, options, context.seed, options.sampling)
    showing: Showing = Uploaded(model=model, frames=context.frames, fps=context.fps)
    if options.as_frames:
        showing = Frames(options=options, part=_image)
    asking = benchmark_asking(context)
    return GeminiAdapter(
        model=model,
        options=options,
        settings=settings_of(model, showing, options, asking),
        showing=showing,
        asking=asking,
        text=text_part,
    )


def _refuse_unused(options: ModelOptions) -> None:
    unused = [name for name in options.given() if name in OF_FRAMES]
    if unused and not options.as_frames:
        typed = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise ConfigError(
            f"{typed}: Gemini gets the whole video. Add --as-frames, or leave it out."
        )


def _image(jpeg: bytes) -> Any:
    return types.Part(inline_data=types.Blob(data=jpeg, mime_type="image/jpeg"))
