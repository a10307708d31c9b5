"""`replay:FILE` answers from a predictions file: a run repeated or moved, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vicabench.errors import ConfigError
from vicabench.predictions import read_predictions
from vicabench.types import AdapterContext, Answer, Question, Video


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The recorded answers by question id; a question that is not among them fails."""

    answers: Mapping[str, Answer]
    settings: Mapping[str, Any]
    needs_video: bool = False

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterable[Answer]:  # noqa: ARG002
        """The recorded answer of each question, errors included."""
        for question in questions:
            missing = Answer(question_id=question.id, error="replay: no prediction of this id")
            yield replace(self.answers.get(question.id, missing), question_id=question.id)


def build(argument: str, context: AdapterContext) -> Replay:  # noqa: ARG001
    """Read the file that `argument` names; ConfigError or DataError if it cannot be."""
    if not argument:
        raise ConfigError("Say which file to replay: --model replay:runs/a/predictions.jsonl")
    file = Path(argument)
    if file.is_dir():
        file = file / "predictions.jsonl"
    answers = {p.question.id: p.answer for p in read_predictions(file)}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Replay(answers=answers, settings={"predictions_sha256": digest})
