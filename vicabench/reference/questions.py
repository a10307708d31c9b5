"""Recognise VSI-Bench's questions, whatever file they are read from.

`vsibench_questions.bin` holds four bytes of a digest for each of its 5,130 questions, computed from
id, scene, type and ground truth: enough to recognise a question, without any of its text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from vicabench.types import Question

SIZE = 4  # bytes of a digest: another question matches one of the 5,130 once in 800,000
FILE = "vsibench_questions.bin"

VSI_BENCH = "vsi-bench"


def are_vsi_bench(questions: Iterable[Question]) -> bool:
    """Whether all questions match VSI-Bench by id, scene, type and ground truth; False for none."""
    digests = [digest_of(question) for question in questions]
    return bool(digests) and _known().issuperset(digests)


def is_vsi_bench(benchmark: str | None, questions: Iterable[Question]) -> bool:
    """Whether a benchmark is VSI-Bench by its name or its questions; True without a name."""
    return benchmark in (None, VSI_BENCH) or are_vsi_bench(questions)


def digest_of(question: Question) -> bytes:
    """The digest that identifies a question; numbers enter by value, folders of videos do not."""
    scene = PurePosixPath(question.video).name.removesuffix(".mp4")
    try:
        truth = f"{float(question.answer):g}"
    except ValueError:
        truth = question.answer
    text = "\t".join((question.id, scene, question.task, truth))
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:SIZE]


@cache
def _known() -> frozenset[bytes]:
    return frozenset(_pieces(resources.files("vicabench.reference").joinpath(FILE).read_bytes()))


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), SIZE):
        yield data[start : start + SIZE]
