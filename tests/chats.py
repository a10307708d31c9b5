"""A server on loopback that speaks OpenAI's chat completions, for what asks about texts."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Replies = Callable[[str], str | int]


@dataclass(kw_only=True)
class Chats:
    """Answers each prompt by `reply`: a text, or the HTTP status of a failure.

    `prompts` are those of all requests, `bodies` the requests themselves, in their order.
    """

    reply: Replies
    url: str = ""
    prompts: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def serve(reply: Replies) -> Iterator[Chats]:
    """Serve until the block ends; `url` is what `--base-url` takes."""
    chats = Chats(reply=reply)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            content = json.loads(body)["messages"][-1]["content"]
            prompt = next(part["text"] for part in reversed(content) if part["type"] == "text")
            chats.bodies.append(body)
            chats.prompts.append(prompt)
            found = chats.reply(prompt)
            status, content = (200, _completion(found)) if isinstance(found, str) else (found, {})
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    chats.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield chats
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _completion(text: str) -> dict[str, object]:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text, "refusal": None},
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "reader-1",
        "choices": [choice],
        "usage": {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103},
    }
