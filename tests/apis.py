"""Providers on loopback: OpenAI's chat completions, Anthropic's messages, and Gemini's files and
`generateContent`.

They speak the real protocols over real sockets, keep a log of every request, and misbehave as a
test's plan says: `plan` maps words of a question to what becomes of each request about it, one
after another; when it is used up, requests are answered. Wherever a server could leak the key that
it was sent, these do.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-loopback-0123456789abcdef"
RESET, HALF, HANG, DRIP, GARBAGE, GZIP = "reset", "half", "hang", "drip", "garbage", "gzip"
PROMPT_TOKENS, CACHED_TOKENS, NEW_TOKENS = 1000, 600, 10


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Answer with a status instead of a reply."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Answer with these bytes, whatever they are."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply as the protocol has it; what is None is left to the server."""

    text: str | None = None
    stop: str | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Other members of the message (OpenAI, Anthropic) or of the candidate (Gemini)."""
    whole: Any = None
    """Another body altogether."""


@dataclass(kw_only=True)
class Hit:
    """A request in the log: `number` is how often this question was asked.

    From `replied` on its reply may be known to the client, by `ended` all of it was sent.
    """

    method: str
    path: str
    question: str
    body: bytes
    began: float
    number: int = 1
    replied: float = 0.0
    ended: float = 0.0
    delivered: bool = False
    """Whether a reply with tokens to pay for went out whole."""


@dataclass(kw_only=True)
class Api:
    """What a server is told, and what it saw."""

    address: str = ""
    plan: dict[str, list[Any]] = field(default_factory=dict)
    log: list[Hit] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)
    """Gemini: the files that are stored now, by name."""
    cached: set[str] = field(default_factory=set)
    """Anthropic: the beginnings of messages that were marked to be kept."""
    looks: int = 1
    """Gemini: how often a file is looked at before it is ready."""
    upload_host: str = "127.0.0.1"
    """Gemini: where a video is to be sent."""
    pace: float = 0.0
    """Seconds that a reply takes."""
    state: str = "ACTIVE"
    """Gemini: what a file is in the end."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)

    def next_for(self, question: str) -> Any:
        """What becomes of this request."""
        with self.lock:
            for words, steps in self.plan.items():
                if words in question and steps:
                    return steps.pop(0)
        return Reply()

    def about(self, path: str) -> list[Hit]:
        """The requests to a path that has these words in it."""
        return [hit for hit in self.log if path in hit.path]


@contextmanager
def serve() -> Iterator[Api]:
    """Serve on 127.0.0.1 until the block ends."""
    api = Api()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.api, server.daemon_threads = api, True
    api.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        api.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    api: Api
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are gone are no errors here."""


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    """The text of a message, which stands behind its frames or in front of them."""
    return next(str(part["text"]) for part in reversed(parts) if "text" in part)


class _Handler(BaseHTTPRequestHandler):
    """Both protocols; what belongs to neither is 404."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/chat/completions"):
            parts = json.loads(body)["messages"][-1]["content"]
            self._ask(body, _text(parts), self._chat)
        elif self.path.endswith("/v1/messages"):
            parts = json.loads(body)["messages"][-1]["content"]
            kept = self._kept(parts)
            self._ask(body, _text(parts), lambda reply: self._message(reply, kept))
        elif self.path.endswith(":generateContent"):
            parts = json.loads(body)["contents"][-1]["parts"]
            self._ask(body, _text(parts), self._candidate)
        elif self.path.startswith("/upload/v1"):
            self._upload(body)
        else:
            self._hit(body)
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})

    def do_GET(self) -> None:
        self._file("GET")

    def do_DELETE(self) -> None:
        self._file("DELETE")

    def _ask(self, body: bytes, question: str, make: Any) -> None:
        hit = self._hit(body, question)
        step = self.server.api.next_for(question)
        self.server.api.released.wait(self.server.api.pace)
        hit.replied = time.monotonic()
        if isinstance(step, Reply):
            self._send(200, make(step))
            hit.delivered = step.whole is None
        else:
            self._misbehave(step, make(Reply()))
        hit.ended = time.monotonic()

    def _hit(self, body: bytes, question: str = "") -> Hit:
        api = self.server.api
        with api.lock:
            number = 1 + sum(h.question == question and h.method == "POST" for h in api.log)
            hit = Hit(
                method=self.command,
                path=self.path,
                question=question,
                body=body,
                began=time.monotonic(),
                number=number,
            )
            api.log.append(hit)
        return hit

    def _misbehave(self, step: Any, good: Any) -> None:
        """Do what the plan says instead of sending the good reply."""
        data = json.dumps(good).encode()
        if isinstance(step, Refuse):
            error = {"message": f"no, {self._key()}", **step.error}
            self._send(step.status, {"error": error}, step.headers)
        elif isinstance(step, Raw):
            self._begin(200, len(step.body), step.headers)
            self.wfile.write(step.body)
        elif step == GARBAGE:
            self._begin(200, 9)
            self.wfile.write(b'{"choices')
        elif step == GZIP:
            packed = gzip.compress(data)
            self._begin(200, len(packed), {"Content-Encoding": "gzip"})
            self.wfile.write(packed)
        elif step == RESET:
            linger = struct.pack("ii", 1, 0)  # closing sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif step == HALF:
            self._begin(200, len(data))
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif step == HANG:
            self.server.api.released.wait(timeout=60)
            self.close_connection = True
        else:  # DRIP: never silent for long, and never done
            self._begin(200, len(data))
            for byte in data[:-1]:
                self.wfile.write(bytes([byte]))
                if self.server.api.released.wait(timeout=0.2):
                    break
            self.close_connection = True

    def _chat(self, reply: Reply) -> Any:
        if reply.whole is not None:
            return reply.whole
        message = {"role": "assistant", "content": self._text(reply), **reply.changed}
        choice = {"index": 0, "message": message, "finish_reason": reply.stop or "stop"}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "tiny-2026-11-01",
            "choices": [choice],
            "usage": {
                "prompt_tokens": PROMPT_TOKENS,
                "completion_tokens": NEW_TOKENS,
                "total_tokens": PROMPT_TOKENS + NEW_TOKENS,
                "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
            },
        }

    def _kept(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """The counts of a prompt whose marked beginning is read from the cache, or put there."""
        api = self.server.api
        marked = [place for place, part in enumerate(parts) if "cache_control" in part]
        if not marked:
            return {"input_tokens": PROMPT_TOKENS}
        prefix = json.dumps(parts[: marked[-1] + 1])
        with api.lock:
            read = prefix in api.cached
            api.cached.add(prefix)
        return {
            "input_tokens": PROMPT_TOKENS - CACHED_TOKENS,
            "cache_read_input_tokens": CACHED_TOKENS if read else 0,
            "cache_creation_input_tokens": 0 if read else CACHED_TOKENS,
        }

    def _message(self, reply: Reply, counts: Mapping[str, int]) -> Any:
        if reply.whole is not None:
            return reply.whole
        thought = {"type": "thinking", "thinking": "Two?", "signature": "s"}
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "tiny-2026-11-01",
            "content": [thought, {"type": "text", "text": self._text(reply)}],
            "stop_reason": reply.stop or "end_turn",
            "stop_sequence": None,
            "usage": {**counts, "output_tokens": NEW_TOKENS},
            **reply.changed,
        }

    def _candidate(self, reply: Reply) -> Any:
        if reply.whole is not None:
            return reply.whole
        content = {"role": "model", "parts": [{"text": self._text(reply)}]}
        stop = reply.stop or "STOP"
        return {
            "candidates": [{"content": content, "finishReason": stop, **reply.changed}],
            "modelVersion": "tiny-2026-11-01",
            "usageMetadata": {
                "promptTokenCount": PROMPT_TOKENS,
                "cachedContentTokenCount": CACHED_TOKENS,
                "candidatesTokenCount": NEW_TOKENS - 4,
                "thoughtsTokenCount": 4,
            },
        }

    def _text(self, reply: Reply) -> str:
        return f"2 {self._key()}" if reply.text is None else reply.text

    def _upload(self, body: bytes) -> None:
        """The resumable upload: a start, which names where to go on, then all of the bytes."""
        api = self.server.api
        hit = self._hit(body, "upload")
        if self.headers["X-Goog-Upload-Command"] == "start":
            step = api.next_for("upload start")
            name = json.loads(body)["file"]["name"]
            address = api.address.replace("127.0.0.1", api.upload_host)
            where = f"{address}{self.path}?upload_id={name.removeprefix('files/')}"
            headers = {"X-Goog-Upload-URL": where, "X-Goog-Upload-Status": "active"}
            self._send(200, {}, headers) if step == Reply() else self._misbehave(step, {})
        else:
            name = "files/" + re.split("upload_id=", self.path)[1]
            api.files[name] = {"content": body, "looks": 0}
            good = {"file": self._described(name)}
            step = api.next_for("upload bytes")
            final = {"X-Goog-Upload-Status": "final"}
            self._send(200, good, final) if step == Reply() else self._misbehave(step, good)
        hit.ended = time.monotonic()

    def _file(self, method: str) -> None:
        api, name = self.server.api, re.sub("^/v1[a-z]*/", "", self.path)
        self._hit(b"", method.lower())
        step = api.next_for(method.lower())
        if step != Reply():
            self._misbehave(step, {})
        elif name not in api.files:
            self._send(403, {"error": {"code": 403, "message": "no such file, or not yours"}})
        elif method == "DELETE":
            del api.files[name]
            self._send(200, {})
        else:
            self._send(200, self._described(name))

    def _described(self, name: str) -> Any:
        api, file = self.server.api, self.server.api.files[name]
        state = api.state if file["looks"] >= api.looks else "PROCESSING"
        file["looks"] += 1
        uri = f"{api.address}/v1beta/{name}"
        found = {"name": name, "uri": uri, "mimeType": "video/mp4", "state": state}
        problem = {"code": 3, "message": f"not a video, {self._key()}"}
        return {**found, "error": problem} if state == "FAILED" else found

    def _key(self) -> str:
        bearer = self.headers["Authorization"] or ""
        return str(self.headers["x-goog-api-key"] or bearer.removeprefix("Bearer "))

    def _send(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._begin(status, len(body), headers)
        self.wfile.write(body)

    def _begin(self, status: int, size: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the test's output quiet."""
