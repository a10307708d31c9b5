"""`replay:FILE`: answers from a predictions file, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.errors import ConfigError
from vicabench.predictions import Prediction, read_predictions
from vicabench.types import AdapterContext, Answer, Key, Question, Video

NEEDS_VIDEO = False


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Gives recorded answers by question id and repeat; a question without one fails."""

    predictions: Mapping[Key, Prediction]
    settings: Mapping[str, Any]
    needs_video: bool = NEEDS_VIDEO

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterable[Answer]:  # noqa: ARG002
        """Yield the recorded answer to each question, errors included."""
        for question in questions:
            prediction, error = self.predictions.get(question.key), None
            if prediction is None:
                again = " and repeat" if question.repeat else ""
                error = f"replay: no prediction with this id{again}"
            elif not _is_same(prediction.question, question):
                error = "replay: the prediction with this id is about another question"
            if prediction is None or error:
                yield Answer(question_id=question.id, repeat=question.repeat, error=error)
            else:
                yield prediction.answer


def _is_same(recorded: Question, asked: Question) -> bool:
    return (recorded.video, recorded.task) == (asked.video, asked.task)


def build(argument: str, context: AdapterContext) -> Replay:
    """Read the predictions file that `argument` names.

    Raises:
        ConfigError, DataError: If no file is named, or it cannot be read.
    """
    if not argument:
        raise ConfigError("Say which file to replay: --model replay:runs/a/predictions.jsonl")
    file = Path(argument)
    if file.is_dir():
        file = file / "predictions.jsonl"
    predictions = {
        p.question.key: p for p in read_predictions(file, rubric=context.benchmark.rubric)
    }
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Replay(predictions=predictions, settings={"predictions_sha256": digest})
