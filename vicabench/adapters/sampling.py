"""How replies of models that run here are sampled: the options and the seeds."""

from __future__ import annotations

from vica.sampling import Sampling

from vicabench.types import ModelOptions, Question


def sampling_of(options: ModelOptions) -> Sampling:
    """How tokens are chosen; InputError for options that contradict each other."""
    given: dict[str, float] = options.sampling
    return Sampling(**given)  # type: ignore[arg-type]  # the bounds of top_k ask for whole numbers


def seed_of(seed: int, question: Question) -> str:
    """The seed of one reply to a question, whatever else a run asks and in whichever order."""
    return f"{seed}/{question.repeat}/{question.id}"
