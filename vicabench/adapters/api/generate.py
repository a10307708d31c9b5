"""Gemini's `generateContent` through Google's client, which repeats nothing by itself here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from google import genai
from google.genai import errors, types

from vicabench.adapters.api.calls import Calls
from vicabench.adapters.api.chat import nothing
from vicabench.adapters.api.completion import Completion, Usage, count
from vicabench.adapters.api.failures import EMPTY, FILTERED, CallError, of_status
from vicabench.adapters.api.files import Files, end_failed_upload
from vicabench.adapters.api.keys import checked_url, key_from
from vicabench.adapters.api.waiting import asked_wait
from vicabench.errors import ConfigError
from vicabench.options import ApiOptions

OFFICIAL = "https://generativelanguage.googleapis.com"
KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""In the order in which Google's client looks for them."""
STOPS = {"STOP": "stop", "MAX_TOKENS": "length"}
"""How a reply ends that is one; every other reason withholds it."""


class GeminiModel:
    """A Gemini model: greedy (`temperature` 0) with a `seed`. `files` holds uploaded videos.

    ConfigError for a missing key, or an address that is none.
    """

    def __init__(self, name: str, options: ApiOptions, seed: int) -> None:
        self.base_url = checked_url(options.base_url or OFFICIAL)
        keys = [found for variable in KEYS if (found := key_from([variable]))]
        if not keys:
            raise ConfigError(f"gemini:{name} needs a key: set GEMINI_API_KEY in the environment.")
        self.name, self.calls, self._seed = name, Calls(name, options, keys), seed
        client = self.calls.http(self.base_url)
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "response": [*hooks["response"], end_failed_upload]}
        http = types.HttpOptions(base_url=self.base_url, httpx_async_client=client)
        # An environment variable would turn it into a client of Vertex AI.
        self._client = genai.Client(api_key=keys[0], vertexai=False, http_options=http)
        self.files = Files(self._client, self.calls, explain)

    @property
    def settings(self) -> dict[str, Any]:
        """All that can change a reply."""
        sampling = {"temperature": 0.0, "seed": self._seed}
        return {"endpoint": self.base_url, "model": self.name, "sampling": sampling}

    async def reply(self, parts: Sequence[types.Part], max_new_tokens: int) -> Completion:
        """The reply to one message of a user; CallError if there is none."""
        return await self.calls.complete(lambda: self._send(parts, max_new_tokens))

    async def _send(self, parts: Sequence[types.Part], max_new_tokens: int) -> Completion:
        config = types.GenerateContentConfig(
            temperature=0.0,
            seed=self._seed,
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
    """A text as a part of a message."""
    return types.Part(text=text)


def explain(error: errors.APIError) -> CallError:
    """What an error of Google's client means."""
    details = list(_details(error.details))
    delays = [d["retryDelay"] for d in details if isinstance(d.get("retryDelay"), str)]
    reasons = [d.get("reason") for d in details]
    daily = any("PerDay" in str(d.get("violations")) for d in details)
    headers = getattr(error.response, "headers", {})
    status = 401 if "API_KEY_INVALID" in reasons else error.code
    wait = asked_wait(headers)
    if wait is None and delays:  # of the form 34.5s
        wait = asked_wait({"retry-after": delays[0].removesuffix("s")})
    return of_status(status, str(error.message), wait=wait, spent=daily)


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    """The objects by which Google explains an error (google.rpc.ErrorInfo, RetryInfo ...)."""
    error = body.get("error") if isinstance(body, dict) else None
    found = error.get("details") if isinstance(error, dict) else None
    yield from (d for d in found if isinstance(d, dict)) if isinstance(found, list) else ()


def read_reply(reply: types.GenerateContentResponse) -> Completion:
    """The completion in a reply; CallError for one that is no answer."""
    usage = _usage(reply.usage_metadata)
    unsaid = _nothing_new(usage)
    if reply.prompt_feedback and (reason := reply.prompt_feedback.block_reason):
        raise CallError(FILTERED, f"the prompt was blocked: {_name(reason)}", usage=unsaid)
    if not reply.candidates:
        raise CallError(EMPTY, nothing(cut=False), usage=unsaid)
    candidate = reply.candidates[0]
    stop = _name(candidate.finish_reason)
    if stop not in STOPS:
        why = f"{stop} {candidate.finish_message or ''}"
        raise CallError(FILTERED, f"the reply was withheld: {why}", usage=unsaid)
    parts = (candidate.content and candidate.content.parts) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if not text.strip():
        raise CallError(EMPTY, nothing(STOPS[stop] == "length"), usage=unsaid)
    return Completion(text=text, stop=STOPS[stop], usage=usage, served_by=reply.model_version)


def _usage(found: types.GenerateContentResponseUsageMetadata | None) -> Usage:
    if found is None:
        return Usage()
    written, thought = count(found.candidates_token_count), count(found.thoughts_token_count)
    new = None if written is None and thought is None else (written or 0) + (thought or 0)
    return Usage(
        prompt_tokens=count(found.prompt_token_count),
        cached_tokens=count(found.cached_content_token_count),
        new_tokens=new,
    )


def _nothing_new(usage: Usage) -> Usage:
    """The same where no text came: Google leaves out counts that are 0."""
    if usage.prompt_tokens is None:
        return usage
    return replace(usage, new_tokens=usage.new_tokens or 0)


def _name(value: Any) -> str:
    """The name of a member of one of Google's enumerations, or what came in its place."""
    return str(getattr(value, "value", value))
