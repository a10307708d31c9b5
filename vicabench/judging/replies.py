"""Texts asked of a language model: each prompt once, and what it replied kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, TypeVar

from vicabench import files
from vicabench.adapters.text import TextModel
from vicabench.errors import UserError
from vicabench.files import digest_of

_BRACKET = re.compile(r"(?<=[<\[‹«〈⟨])(?=\S)|(?=[|｜¦│])|(?<=[|｜¦│])")
"""Where a space breaks `<end_of_turn>`, `</s>`, `[INST]`, `<<SYS>>`, `<|im_end|>`, `<｜User｜>`."""


def enclosed(text: str, name: str) -> str:
    """The text between an opening and a closing mark of this name, each on a line of its own.

    The marks carry a digest of the text: to forge one, a text would have to hold its own digest.
    """
    clean = harmless(text)
    mark = f"{name} {hashlib.sha256(clean.encode()).hexdigest()[:32]}"
    return f"<{mark}>\n{clean}\n</{mark}>"


def harmless(text: str) -> str:
    """The text with a space in whatever could be a token, control characters made spaces.

    All such tokens are in brackets or bars, whatever they are called.
    """
    seen = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return _BRACKET.sub(" ", seen)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's reply to a prompt, or the `error` that says why there is none.

    `stop` says what ended it, tokens are as the model counted them, `cost` is in the currency of
    the user's price table: None where it is not known. `cached` replies were not asked for now.
    """

    text: str | None = None
    error: str | None = None
    stop: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    cost: float | None = None
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class ReplyCache:
    """The replies in a folder, which is made when the first is kept."""

    folder: Path

    def find(self, key: str) -> Reply | None:
        """The reply kept under this key; None if there is none, or its file was damaged."""
        try:
            content = json.loads(files.read(self._file(key)))
            reply = Reply(**{**content["reply"], "cached": True})
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        whole = content.get("key") == key and isinstance(reply.text, str)
        return reply if whole else None

    def keep(self, key: str, reply: Reply) -> None:
        """Write the reply to disk. Raises OSError where that is impossible."""
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"key": key, "reply": asdict(reply)}, allow_nan=False)
        files.write(file, text + "\n")

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def key_of(settings: Mapping[str, Any], prompt: str, max_new_tokens: int) -> str:
    """The SHA-256 of all that can change a reply, in hexadecimal."""
    return digest_of(
        {"settings": dict(settings), "prompt": prompt, "max_new_tokens": max_new_tokens}
    )


K = TypeVar("K")
Result = tuple[str, Reply | Exception]


def replies(
    model: TextModel,
    prompts: Mapping[K, str],
    cache: ReplyCache,
    *,
    max_new_tokens: int,
    fresh: Collection[K] = (),
) -> Iterator[tuple[K, Reply]]:
    """Yield the reply to every prompt: first those in the cache, then the others as they come.

    Prompts of one text are asked once; those in `fresh` are asked whatever is in the cache. What
    the model replies is in the cache before it is yielded. Raises the UserError and OSError that
    asking or keeping raised; any other exception is the error of its prompt.
    """
    asked: dict[str, list[K]] = defaultdict(list)
    for name, prompt in prompts.items():
        asked[prompt].append(name)
    settings = model.settings
    keys = {prompt: key_of(settings, prompt, max_new_tokens) for prompt in asked}
    owed: dict[str, str] = {}
    for prompt, key in keys.items():
        again = any(name in fresh for name in asked[prompt])
        found = None if again else cache.find(key)
        if found is None:
            owed[prompt] = key
        else:
            yield from ((name, found) for name in asked[prompt])
    with_threads = _in_threads(model, owed, cache, max_new_tokens)
    try:
        for prompt, reply in with_threads:
            yield from ((name, reply) for name in asked[prompt])
    finally:
        with_threads.close()


def _in_threads(
    model: TextModel, owed: Mapping[str, str], cache: ReplyCache, max_new_tokens: int
) -> Generator[tuple[str, Reply], None, None]:
    """Ask with as many threads as the model takes; when this ends early they take no more.

    They are daemons: an interrupted command does not wait for a server that hangs.
    """
    waiting: SimpleQueue[tuple[str, str]] = SimpleQueue()
    done: SimpleQueue[Result] = SimpleQueue()
    stopped = Event()
    for item in owed.items():
        waiting.put(item)

    def work() -> None:
        while not stopped.is_set():
            try:
                prompt, key = waiting.get_nowait()
            except Empty:
                return
            done.put((prompt, _asked(model, prompt, key, cache, max_new_tokens)))

    for _ in range(min(model.concurrency, len(owed))):
        Thread(target=work, daemon=True).start()
    try:
        for _ in owed:
            prompt, found = done.get()
            if isinstance(found, Exception):
                raise found
            yield prompt, found
    finally:
        stopped.set()


def _asked(
    model: TextModel, prompt: str, key: str, cache: ReplyCache, max_new_tokens: int
) -> Reply | Exception:
    """The reply, kept; a failure as a reply with an error, or what has to stop the command."""
    try:
        found = model.complete(prompt, max_new_tokens)
    except UserError as error:
        return error
    except BaseException as error:  # a failing prompt fails alone; a panic in Rust is no Exception
        return Reply(error=str(error) or type(error).__name__)
    reply = Reply(
        text=found.text,
        stop=found.stop or None,
        prompt_tokens=found.usage.prompt_tokens,
        new_tokens=found.usage.new_tokens,
        cost=found.cost,
    )
    try:
        cache.keep(key, reply)
    except OSError as error:
        return error
    return reply
