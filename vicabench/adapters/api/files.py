"""Videos stored at Google while questions about them are asked, and deleted afterwards."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx2
from google import genai
from google.genai import errors, types

from vicabench.adapters.api.calls import Calls
from vicabench.adapters.api.failures import MALFORMED, UPLOAD, CallError, of_status
from vicabench.adapters.api.waiting import asked_wait
from vicabench.runtime import within

LOG = logging.getLogger(__name__)
SHORTEST_POLL, LONGEST_POLL = 0.05, 10.0
"""Seconds between two looks at a video that is being processed."""
DELETING = 30.0
"""Seconds that deleting may take, whatever happens to it."""
COMMAND, STATUS = "x-goog-upload-command", "x-goog-upload-status"


class Files:
    """The files of one client; `explain` says what its errors mean."""

    def __init__(
        self, client: genai.Client, calls: Calls, explain: Callable[[errors.APIError], CallError]
    ) -> None:
        self._files, self._calls, self._explain = client.aio.files, calls, explain

    async def upload(self, path: Path, names: list[str]) -> types.FileData:
        """Upload a video and wait until it can be asked about; CallError if that fails.

        Each attempt has a name of its own, added to `names` before it is sent: also a file whose
        upload was not acknowledged can be deleted then.
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
        """The file once it is active; CallError if it never will be."""
        wait = max(SHORTEST_POLL, self._calls.options.retry_wait)
        try:
            async with within(self._calls.options.request_timeout):
                while file.state == types.FileState.PROCESSING:
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, LONGEST_POLL)
                    file, _ = await self._calls.call(partial(self._get, file.name))
        except TimeoutError:
            reason = "the video is still being processed (--request-timeout)"
            raise CallError(UPLOAD, reason) from None
        if file.state != types.FileState.ACTIVE or not file.uri:
            why = file.error.message if file.error else file.state
            raise CallError(UPLOAD, self._calls.told(f"Gemini cannot process the video: {why}"))
        return file

    async def _get(self, name: str | None) -> types.File:
        try:
            return await self._files.get(name=str(name))
        except errors.APIError as error:
            raise self._explain(error) from None

    async def delete(self, names: Sequence[str]) -> None:
        """Delete the files that there are of these names; a warning is logged if that fails."""
        for name in names:
            try:
                async with within(DELETING):
                    await self._calls.call(partial(self._delete, name), free=True)
            except (CallError, TimeoutError) as error:
                LOG.warning(
                    "An uploaded video could not be deleted (%s): Google does so after 48 hours",
                    error,
                )

    async def _delete(self, name: str) -> None:
        try:
            await self._files.delete(name=name)
        except errors.APIError as error:
            if error.code not in (403, 404):  # which is how Google says that there is none
                raise self._explain(error) from None


async def end_failed_upload(response: httpx2.Response) -> None:
    """A hook for uploads: a failed one is an error here, for Google's client would repeat it."""
    part = response.request.headers.get(COMMAND, "start") != "start"
    if part and STATUS not in response.headers:
        text = (await response.aread()).decode(errors="replace")
        if response.is_success:
            raise CallError(MALFORMED, "the upload was answered without a status")
        raise of_status(response.status_code, text, wait=asked_wait(response.headers))
