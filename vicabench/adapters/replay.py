"""`replay:FILE` answers from a predictions file: a run repeated or moved, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.errors import ConfigError
from vicabench.predictions import Prediction, read_predictions
from vicabench.types import AdapterContext, Answer, Question, Video


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The recorded answers by question id; a question that is not among them fails."""

    predictions: Mapping[str, Prediction]
    settings: Mapping[str, Any]
    needs_video: bool = False

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterable[Answer]:  # noqa: ARG002
        """The recorded answer of each question, errors included."""
        for question in questions:
            found = self.predictions.get(question.id)
            if found is None:
                yield Answer(question_id=question.id, error="replay: no prediction of this id")
            elif (found.question.video, found.question.task) != (question.video, question.task):
                yield Answer(
                    question_id=question.id, error="replay: this id is another question there"
                )
            else:
                yield found.answer


def build(argument: str, context: AdapterContext) -> Replay:  # noqa: ARG001
    """Read the file that `argument` names; ConfigError or DataError if it cannot be."""
    if not argument:
        raise ConfigError("Say which file to replay: --model replay:runs/a/predictions.jsonl")
    file = Path(argument)
    if file.is_dir():
        file = file / "predictions.jsonl"
    predictions = {p.question.id: p for p in read_predictions(file)}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Replay(predictions=predictions, settings={"predictions_sha256": digest})
