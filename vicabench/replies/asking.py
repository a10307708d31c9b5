"""Prompts asked of a text model, several at once, each once; what it replied before is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Mapping
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from vicabench.adapters.text import TextModel
from vicabench.errors import UserError
from vicabench.replies.cache import Reply, ReplyCache, key_of

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
