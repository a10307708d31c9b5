"""An adapter that works, except for the videos that the environment variable FAULTS names.

`FAULTS='{"clip2": "hangs"}'` makes it hang at that video. `PAUSE` is its time per video in seconds.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicabench.types import AdapterContext, Answer, Question, Video

MB = 1_000_000


class Faulty:
    settings: dict[str, str] = {}  # noqa: RUF012  (as users write it)

    def __init__(self, argument: str, _context: AdapterContext) -> None:
        self.needs_video = argument == "seeing"
        self.faults = json.loads(os.environ.get("FAULTS", "{}"))

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterable[Answer]:
        time.sleep(float(os.environ.get("PAUSE", "0")))
        fault = self.faults.get(video.name)
        return KINDS[fault](questions) if fault else map(good, questions)


def good(question: Question) -> Answer:
    reply = question.options[0][0] if question.options else "2"
    return Answer(question_id=question.id, response=reply)


class WordlessError(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


class PanicError(BaseException):
    """Like the exception of a panic in a Rust extension."""


def after_three(error: BaseException) -> Callable[[Sequence[Question]], Iterator[Answer]]:
    def answer(questions: Sequence[Question]) -> Iterator[Answer]:
        yield from map(good, questions[:3])
        raise error

    return answer


def hangs(questions: Sequence[Question]) -> Iterator[Answer]:
    yield from map(good, questions[:3])
    Path("hanging").touch()
    while True:
        time.sleep(60)


def one_by_one(questions: Sequence[Question]) -> Iterator[Answer]:
    for number, question in enumerate(questions):
        with Path("progress").open("ab") as progress:
            progress.write(b".")
        yield good(question)
        time.sleep(0.1 if number < 6 else 2)  # whoever waits for six has the time to interrupt


def takes_a_second(questions: Sequence[Question]) -> Iterator[Answer]:
    Path("taking").touch()
    for question in questions:
        time.sleep(0.1)
        yield good(question)


def too_many(questions: Sequence[Question]) -> Iterator[Answer]:
    for question in questions:
        yield good(question)
        yield Answer(question_id=question.id, response="a second thought")
        yield Answer(question_id=f"{question.id}-stranger\x1b[2J", response="9")


def first(**fields: Any) -> Callable[[Sequence[Question]], Iterator[Answer]]:
    """Give the first answer these fields; the others are good."""

    def answer(questions: Sequence[Question]) -> Iterator[Answer]:
        yield replace(good(questions[0]), **fields)
        yield from map(good, questions[1:])

    return answer


def dies(questions: Sequence[Question]) -> Iterator[Answer]:
    yield from map(good, questions[:3])
    os._exit(0)


def crashes(questions: Sequence[Question]) -> Iterator[Answer]:
    yield from map(good, questions[:3])
    os.abort()


KINDS: dict[str, Callable[[Sequence[Question]], Iterable[Answer]]] = {
    "raises": after_three(RuntimeError("out of luck\x1b]0;owned\x07")),
    "raises much": after_three(RuntimeError("x" * MB)),
    "raises what cannot be encoded": after_three(RuntimeError("\ud800 and \x00")),
    "raises without words": after_three(WordlessError()),
    "panics": after_three(PanicError("index out of bounds")),
    "exits": after_three(SystemExit(0)),
    "has no memory": after_three(MemoryError("nothing left")),
    "too few": lambda questions: map(good, questions[:3]),
    "nothing": lambda _: None,  # type: ignore[dict-item,return-value]  # the fault
    "no answers": lambda questions: ["2" for _ in questions],  # type: ignore[misc]
    "too many": too_many,
    "10 MB": first(response="9" * 10 * MB),
    "control characters": first(response="\x1b[31m2\x00\x07\r\n\u202e\x9b2J"),
    "not Unicode": first(response=b"caf\xe9 2".decode("utf-8", "surrogateescape")),
    "bytes": first(response=b"2"),
    "an array": first(response=np.array("2")),
    "no number of tokens": first(prompt_tokens=-1),
    "an error of 4 MB": first(error="\x1b[2J" * MB),
    "hangs": hangs,
    "one by one": one_by_one,
    "takes a second": takes_a_second,
    "dies": dies,
    "crashes": crashes,
}  # fmt: skip
