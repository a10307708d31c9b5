"""Ask a language model each prompt once, and keep its replies in a cache."""

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
"""Where an inserted space breaks `<end_of_turn>`, `</s>`, `[INST]`, `<|im_end|>`, `<｜User｜>`."""


def enclosed(text: str, name: str) -> str:
    """The text between lines with an opening and a closing mark of this name.

    The marks carry a digest of the text: to forge one, a text would have to contain its own digest.
    """
    clean = harmless(text)
    mark = f"{name} {hashlib.sha256(clean.encode()).hexdigest()[:32]}"
    return f"<{mark}>\n{clean}\n</{mark}>"


def harmless(text: str) -> str:
    """The text with spaces inside all possible special tokens and for control characters.

    Special tokens of all models are enclosed in brackets or bars.
    """
    visible = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return _BRACKET.sub(" ", visible)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's reply to a prompt, or the `error` that says why there is none.

    `stop` says what ended it, tokens are counted by the model, `cost` is in the currency of the
    user's price table; all None if unknown. `cached` replies came from the cache.
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
    """The replies in a folder, which is created with the first reply."""

    folder: Path

    def find(self, key: str) -> Reply | None:
        """The reply cached under this key; None if there is none, or its file is damaged."""
        try:
            content = json.loads(files.read(self._file(key)))
            reply = Reply(**{**content["reply"], "cached": True})
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        whole = content.get("key") == key and isinstance(reply.text, str)
        return reply if whole else None

    def keep(self, key: str, reply: Reply) -> None:
        """Write the reply to disk; raises OSError."""
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
    """Yield the reply to every prompt: first those in the cache, then the others as they arrive.

    Equal prompts are asked once. A reply is in the cache before it is yielded. An exception other
    than those below becomes the `error` of its reply.

    Args:
        model: The language model.
        prompts: The prompts by key.
        cache: Where replies are looked up and kept.
        max_new_tokens: The limit of a reply.
        fresh: Keys of prompts to ask even if their replies are in the cache.

    Raises:
        UserError: Asking failed in a way that concerns all prompts.
        OSError: A reply could not be written to the cache.
    """
    asked: dict[str, list[K]] = defaultdict(list)
    for name, prompt in prompts.items():
        asked[prompt].append(name)
    settings = model.settings
    keys = {prompt: key_of(settings, prompt, max_new_tokens) for prompt in asked}
    owed: dict[str, str] = {}
    for prompt, key in keys.items():
        is_fresh = any(name in fresh for name in asked[prompt])
        cached = None if is_fresh else cache.find(key)
        if cached is None:
            owed[prompt] = key
        else:
            yield from ((name, cached) for name in asked[prompt])
    arriving = _in_threads(model, owed, cache, max_new_tokens)
    try:
        for prompt, reply in arriving:
            yield from ((name, reply) for name in asked[prompt])
    finally:
        arriving.close()


def _in_threads(
    model: TextModel, owed: Mapping[str, str], cache: ReplyCache, max_new_tokens: int
) -> Generator[tuple[str, Reply], None, None]:
    """Ask with as many threads as the model allows; closing the generator stops further prompts.

    The threads are daemons, so that an interrupted command does not wait for a hanging server.
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
            prompt, result = done.get()
            if isinstance(result, Exception):
                raise result
            yield prompt, result
    finally:
        stopped.set()


def _asked(
    model: TextModel, prompt: str, key: str, cache: ReplyCache, max_new_tokens: int
) -> Reply | Exception:
    """The reply, which is now in the cache, or with an error; an exception stops the command."""
    try:
        completion = model.complete(prompt, max_new_tokens)
    except UserError as error:
        return error
    # A failing prompt fails alone; a panic in Rust is a BaseException, not an Exception.
    except BaseException as error:
        return Reply(error=str(error) or type(error).__name__)
    reply = Reply(
        text=completion.text,
        stop=completion.stop or None,
        prompt_tokens=completion.usage.prompt_tokens,
        new_tokens=completion.usage.new_tokens,
        cost=completion.cost,
    )
    try:
        cache.keep(key, reply)
    except OSError as error:
        return error
    return reply
