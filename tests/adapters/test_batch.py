"""`openai: --batch`, against a server on loopback that speaks the batch API."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support import Vicabench, read_jsonl, refuses

USAGE = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}


@dataclass(kw_only=True)
class Provider:
    """A provider's files and jobs, and how it treats them."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    """Requests that were asked directly."""
    held: bool = False
    """Whether jobs stay in progress."""
    refused: bool = False
    """Whether no job can be created."""
    expires_after: int = 10**6
    """The requests of a job that are answered before it expires."""

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """A job after its requests were answered, refused or given up."""
        answered, failed = [], []
        rows = [json.loads(line) for line in self.files[job["input_file_id"]].splitlines()]
        for place, row in enumerate(rows):
            text = row["body"]["messages"][0]["content"][-1]["text"]
            base = {"id": f"r{place}", "custom_id": row["custom_id"], "error": None}
            if place >= self.expires_after:
                error = {"code": "batch_expired", "message": "not in time"}
                failed.append({**base, "response": None, "error": error})
            elif "route_planning" in text:
                body = {"error": {"message": "no such route"}}
                failed.append({**base, "response": {"status_code": 400, "body": body}})
            else:
                answered.append({**base, "response": {"status_code": 200, "body": reply("4")}})
        answered.reverse()  # in any order
        outs = {"output_file_id": answered, "error_file_id": failed}
        for name, lines in outs.items():
            if lines:
                job[name] = f"{job['id']}-{name}"
                self.files[job[name]] = "\n".join(map(json.dumps, lines)).encode()
        job["status"] = "expired" if len(rows) > self.expires_after else "completed"
        return job


def reply(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    made = {"id": "c", "object": "chat.completion", "created": 1, "model": "tiny"}
    return {**made, "choices": [choice], "usage": USAGE}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def provider(self) -> Provider:
        return self.server.provider  # type: ignore[attr-defined,no-any-return]

    def do_POST(self) -> None:
        provider, body = self.provider, self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/files":
            name = f"file-{len(provider.files)}"
            content = re.search(rb"\r\n\r\n(\{.*\})\n?\r\n--", body, re.DOTALL)
            assert content is not None
            provider.files[name] = content[1]
            about = {"id": name, "object": "file", "bytes": len(body), "created_at": 1}
            self.send({**about, "filename": "r", "purpose": "batch", "status": "processed"})
        elif self.path == "/v1/batches" and provider.refused:
            self.send({"error": {"message": "try later"}}, 500)
        elif self.path == "/v1/batches":
            given = json.loads(body)
            name = f"batch_{len(provider.jobs)}"
            job = {"id": name, "object": "batch", "created_at": 1, "status": "in_progress", **given}
            provider.jobs[name] = job
            self.send(job)
        else:
            provider.asked += 1
            self.send(reply("2"))

    def do_GET(self) -> None:
        provider, path = self.provider, self.path.partition("?")[0]
        if path == "/v1/batches":
            after = re.search("after=([^&]*)", self.path)
            names = [*reversed(provider.jobs)]
            rest = names[names.index(after[1]) + 1 :] if after else names
            page = [provider.jobs[name] for name in rest[:1]]  # one a page
            self.send({"object": "list", "data": page, "has_more": len(rest) > 1})
        elif path.startswith("/v1/batches/"):
            job = provider.jobs[path.rpartition("/")[2]]
            waits = provider.held or job["status"] != "in_progress"
            self.send(job if waits else provider.ended(job))
        else:
            self.send(provider.files[path.split("/")[3]])

    def send(self, content: Any, status: int = 200) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.provider = Provider(address=f"http://127.0.0.1:{server.server_port}/v1")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.provider  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def asked(provider: Provider, clips: Path, *more: object) -> list[object]:
    where = ["--benchmark", clips / "questions.jsonl", "--limit", "3", "--frames", "2"]
    how = ["--model", "openai:tiny", "--base-url", provider.address, "--batch", "--out", "run"]
    return ["run", *where, *how, "--max-retries", "0", *more]


def test_requests_go_as_a_job_at_half_the_price(
    vicabench: Vicabench, provider: Provider, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "prices.json").write_text('{"tiny": {"input": 2.0, "output": 8.0}}')
    done = vicabench(*asked(provider, clips, "--prices", "prices.json"))
    assert done.returncode == 1, done.stderr
    assert "Job batch_0: 29 requests sent" in done.stderr
    rows = {row["id"]: row for row in read_jsonl(tmp_path / "run" / "predictions.jsonl")}
    assert len(rows) == 30
    assert provider.asked == 1  # the first of all is asked at once
    direct = (1000 * 2 + 10 * 8) / 1e6
    assert rows["0-0"]["response"] == "2"
    assert rows["0-0"]["usage"]["cost"] == pytest.approx(direct)
    assert rows["1-0"]["response"] == "4"
    assert rows["1-0"]["usage"]["cost"] == pytest.approx(direct / 2)
    failed = [row for row in rows.values() if row["error"]]
    assert {row["question_type"] for row in failed} == {"route_planning"}
    assert "no such route" in failed[0]["error"]
    requests = [json.loads(line) for line in provider.files["file-0"].splitlines()]
    assert {(row["method"], row["url"]) for row in requests} == {("POST", "/v1/chat/completions")}
    content = requests[0]["body"]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    again = vicabench(*asked(provider, clips, "--prices", "prices.json"))
    assert again.returncode == 1
    assert len(provider.jobs) == 1


def test_one_question_alone_is_asked_at_once(
    vicabench: Vicabench, provider: Provider, clips: Path
) -> None:
    """Also where the first video has no other."""
    done = vicabench(*asked(provider, clips, "--tasks", "room_size_estimation"))
    assert done.returncode == 0, done.stderr
    assert (provider.asked, len(provider.jobs)) == (1, 1)


def test_a_killed_run_finds_its_job_again(
    vicabench: Vicabench, provider: Provider, clips: Path, tmp_path: Path
) -> None:
    provider.held = True
    command = [sys.executable, "-m", "vicabench", *map(str, asked(provider, clips))]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    record, until = tmp_path / "run" / "batches.jsonl", time.monotonic() + 60
    while not (record.exists() and '"job"' in record.read_text()):
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    provider.held = False
    written = record.read_bytes()
    record.write_bytes(written[:-9])  # as if killed while it wrote the id of the job
    other = {"object": "batch", "created_at": 2, "input_file_id": "other", "endpoint": "/"}
    provider.jobs["batch_other"] = {**other, "id": "batch_other", "status": "completed"}
    done = vicabench(*asked(provider, clips))
    assert done.returncode == 1, done.stderr
    assert (list(provider.jobs), provider.asked) == (["batch_0", "batch_other"], 1)
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == 30


def test_an_uploaded_file_is_not_uploaded_twice(
    vicabench: Vicabench, provider: Provider, clips: Path, tmp_path: Path
) -> None:
    provider.refused = True
    refuses(vicabench(*asked(provider, clips)), "batch API", "the same command")
    provider.refused = False
    done = vicabench(*asked(provider, clips))
    assert done.returncode == 1, done.stderr
    assert [name for name in provider.files if name.startswith("file")] == ["file-0"]
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == 30


def test_what_expires_is_still_owed(
    vicabench: Vicabench, provider: Provider, clips: Path, tmp_path: Path
) -> None:
    provider.expires_after = 20
    done = vicabench(*asked(provider, clips))
    assert done.returncode == 1
    assert "ended as expired" in done.stderr
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == 21
    provider.expires_after = 10**6
    vicabench(*asked(provider, clips))
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == 30
    assert len(provider.files[provider.jobs["batch_1"]["input_file_id"]].splitlines()) == 9


def test_what_a_batch_cannot_do_is_refused(
    vicabench: Vicabench, provider: Provider, clips: Path
) -> None:
    refuses(vicabench(*asked(provider, clips, "--concurrency", "2")), "--concurrency", "leave it")
    where = ("--benchmark", clips / "questions.jsonl", "--model", "baseline:random")
    refuses(vicabench("run", *where, "--batch"), "--batch")
