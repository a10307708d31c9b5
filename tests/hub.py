"""A hub on loopback: what `huggingface_hub` asks of huggingface.co, over real sockets.

It serves repositories from memory, keeps a log of requests, and misbehaves where a test wants it.
`huggingface_hub` reads `HF_ENDPOINT` when it is imported: ask in a separate process that is
started with `hub.environment(...)`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+)(?:/(.*))?)?")
COMMIT = re.compile(r"/api/((?:datasets|models)/[^/]+/[^/]+)/commit/main")
RESOLVE = re.compile(r"(/store)?/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Files by name at one commit; large or binary files are announced with their SHA-256."""

    files: Mapping[str, bytes]

    @property
    def commit(self) -> str:
        listed = "".join(f"{name} {git_sha1(data)}\n" for name, data in sorted(self.files.items()))
        return hashlib.sha1(listed.encode()).hexdigest()

    def describe(self, repo: str) -> dict[str, Any]:
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": git_sha1(data), **lfs(name, data)}
            for name, data in self.files.items()
        ]
        return {"id": repo, "sha": self.commit, "private": False, "tags": [], "siblings": siblings}

    def tree(self, folder: str) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": git_sha1(data)}
            for name, data in self.files.items()
            if name.startswith(f"{folder}/" if folder else "")
        ]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One line of the log: `start` is where a `Range` began, `sent` the bytes of content."""

    method: str
    path: str
    start: int | None
    sent: int


@dataclass(kw_only=True)
class Hub:
    """Repositories by `datasets/OWNER/NAME` or `models/OWNER/NAME`, and how to misbehave."""

    address: str = ""
    repositories: dict[str, list[Repository]] = field(default_factory=dict)
    """Every commit of each repository; the last is `main`."""
    log: list[Request] = field(default_factory=list)
    token: str | None = None
    """Whoever does not send this token is refused with 401."""
    drop_after: dict[str, int] = field(default_factory=dict)
    """Break the connection after so many bytes of the file, once."""
    stall_after: dict[str, int] = field(default_factory=dict)
    """Send nothing more after so many bytes of the file, until `released` is set."""
    corrupt: set[str] = field(default_factory=set)
    """Send other bytes than announced."""
    endless: set[str] = field(default_factory=set)
    """Send the content of these files again and again, up to 256 MB, without saying a length."""
    page: bytes | None = None
    """What every request is answered with, as a network does that wants a login first."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Announce another size for a file."""
    released: threading.Event = field(default_factory=threading.Event)

    def publish(self, name: str, files: Mapping[str, bytes]) -> str:
        """Put a commit with these files on `main` of `datasets/OWNER/NAME`; return its hash."""
        repository = Repository(files=files)
        self.repositories.setdefault(name, []).append(repository)
        return repository.commit

    def environment(self, home: Path) -> dict[str, str]:
        """The environment for a process that takes this for the hub; `home` is its HF_HOME."""
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("HF_", "HUGG"))}
        proxies = {k: "" for k in kept if k.lower().endswith("_proxy")}
        return {**kept, **proxies, "HF_ENDPOINT": self.address, "HF_HOME": str(home)}

    def downloads(self, name: str) -> list[Request]:
        """The requests for the content of a file."""
        return [r for r in self.log if r.method == "GET" and r.path.endswith(f"/{name}")]


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def lfs(name: str, data: bytes) -> dict[str, Any]:
    if not name.endswith((".zip", ".parquet", ".safetensors", ".bin")):
        return {}
    sha256 = hashlib.sha256(data).hexdigest()
    return {"lfs": {"sha256": sha256, "size": len(data), "pointerSize": 130}}


@contextmanager
def serve(repositories: Mapping[str, Mapping[str, bytes]]) -> Iterator[Hub]:
    """Serve repositories (`{"datasets/me/toy": {"test.jsonl": b"..."}}`) on 127.0.0.1."""
    hub = Hub()
    for name, files in repositories.items():
        hub.publish(name, files)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = hub
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    hub: Hub
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    """Answers as huggingface.co does, as far as downloads and small uploads go."""

    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def hub(self) -> Hub:
        return self.server.hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = self.hub.token
        if self.hub.page is not None:
            self._page(self.hub.page)
        elif token is not None and self.headers["Authorization"] != f"Bearer {token}":
            self._refuse(401, None)
        elif match := API.fullmatch(path):
            self._note(0, path, None)
            self._api(*match.groups())
        elif match := RESOLVE.fullmatch(path):
            self._file(path, *match.groups())
        else:
            self._refuse(404, "RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Take an upload as the hub takes small files: all of them within the commit."""
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.hub.token is not None and (
            self.headers["Authorization"] != f"Bearer {self.hub.token}"
        ):
            self._refuse(401, None)
        elif path == "/api/repos/create":
            self._note(0, path, None)
            asked = json.loads(body)
            self._json({"url": f"{self.hub.address}/{asked['organization']}/{asked['name']}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            kept = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{"path": name, **kept} for name in names]})
        elif match := COMMIT.fullmatch(path):
            self._commit(match[1], body)
        else:
            self._refuse(404, "RepoNotFound")

    def _commit(self, name: str, body: bytes) -> None:
        lines = [json.loads(line)["value"] for line in body.splitlines() if b'"file"' in line]
        files = {line["path"]: base64.b64decode(line["content"]) for line in lines}
        commit = self.hub.publish(name, files)
        self._json(
            {
                "commitUrl": f"{self.hub.address}/{name.removeprefix('models/')}/commit/{commit}",
                "commitOid": commit,
                "success": True,
            }
        )

    def _api(self, kind: str, repo: str, view: str | None, rev: str, folder: str) -> None:
        repository = self._repository(f"{kind}/{repo}", rev or "main")
        if repository is None:
            return
        if view == "tree":
            self._json(repository.tree(folder or ""))
            return
        described = repository.describe(repo)
        for sibling in described["siblings"]:
            sibling["size"] = self.hub.sizes.get(sibling["rfilename"], sibling["size"])
        self._json(described)

    def _file(self, path: str, store: str | None, kind: str | None, repo: str, *rest: str) -> None:
        """Answer for a file; as the hub does, send whoever asks for a large one to the store."""
        rev, name = rest
        repository = self._repository(f"{'datasets' if kind else 'models'}/{repo}", rev)
        if repository is None:
            return
        if name not in repository.files:
            self._refuse(404, "EntryNotFound")
            return
        data = repository.files[name]
        sha256 = lfs(name, data).get("lfs", {}).get("sha256")
        if sha256 and not store:
            self.send_response(302)
            self.send_header("Location", f"{self.hub.address}/store{self.path}")
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Repo-Commit", repository.commit)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._content(path, name, data, repository.commit)

    def _content(self, path: str, name: str, data: bytes, commit: str) -> None:
        if name in self.hub.endless and self.command == "GET":
            self._endless(data)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{git_sha1(data)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "HEAD":
            self._note(0, path, None)
            return
        drop, stall = self.hub.drop_after.pop(name, None), self.hub.stall_after.pop(name, None)
        end = min(x for x in (drop, stall, len(data)) if x is not None)
        # Before it is sent: who has all of it may look at the log.
        self._note(end - start, path, start if asked else None)
        sent = bytes(len(data)) if name in self.hub.corrupt else data
        self.wfile.write(sent[start:end])
        self.wfile.flush()
        if stall is not None:
            self.hub.released.wait(timeout=60)
        self.close_connection = self.close_connection or end < len(data)

    def _endless(self, content: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        block = (content * ((1 << 20) // len(content) + 1))[: 1 << 20]
        with suppress(OSError):  # whoever has had enough
            for _ in range(256):
                self.wfile.write(block)

    def _note(self, sent: int, path: str, start: int | None) -> None:
        self.hub.log.append(Request(method=self.command, path=path, start=start, sent=sent))

    def _repository(self, name: str, rev: str) -> Repository | None:
        """Return the repository at `rev`, or answer as the hub does where there is none."""
        commits = self.hub.repositories.get(name)
        if commits is None:
            self._refuse(404, "RepoNotFound")
            return None
        found = [c for c in commits if rev == c.commit] or commits[-1:] * (rev == "main")
        if not found:
            self._refuse(404, "RevisionNotFound")
            return None
        return found[0]

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _refuse(self, status: int, code: str | None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the test's output quiet."""
