"""From a run and a language model to a derived run: the same questions, canonical answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vicabench.adapters.text import TextModel
from vicabench.canonical.prompt import VERSION, blind, final_answer, prompt_digest, prompt_for
from vicabench.canonical.reading import NotCanonicalError, canonical
from vicabench.canonical.record import BLAME, DERIVED, is_derived
from vicabench.config import RunConfig
from vicabench.engine.plan import plan_record
from vicabench.engine.provenance import provenance
from vicabench.errors import ConfigError
from vicabench.harnesses.reading.thoughts import reasoned
from vicabench.predictions import Prediction
from vicabench.replies.asking import replies
from vicabench.replies.cache import Reply, ReplyCache
from vicabench.results import Run
from vicabench.store import RunFolder


def canonicalize(
    run: Run,
    model: TextModel,
    folder: Path,
    cache: ReplyCache,
    *,
    max_new_tokens: int,
    retry_errors: bool = False,
    started: Callable[[int, int], None],
    answered: Callable[[Prediction, Reply | None], None],
) -> None:
    """Write the derived run, or go on with it.

    Replies without a final answer are not asked about: they stay failures, or become empty. Calls
    `started` with the number of questions owed and of all, then `answered` with every new
    prediction, once it is safe on disk, and the model's reply if one was needed. RunFolderError if
    `folder` holds anything else; what asking raises.
    """
    with RunFolder(folder, _config(run, model)) as store:
        done = {p.question.id: p for p in store.predictions()}
        again = {key for key, p in done.items() if retry_errors and _is_blamed(p)}
        owed = [p for p in run.predictions if (key := p.question.id) in again or key not in done]
        store.describe(_plan(run), provenance() | {"derived_by": "vicabench canonicalize"})
        started(len(owed), len(run.predictions))
        prompts = {p.question.id: prompt for p in owed if (prompt := _prompt(p)) is not None}
        _settle(store, [p for p in owed if p.question.id not in prompts], answered)
        asked = {p.question.id: p for p in owed}
        found = replies(model, prompts, cache, max_new_tokens=max_new_tokens, fresh=again)
        for key, reply in found:
            prediction = _with(asked[key], reply)
            store.append([prediction])
            answered(prediction, reply)


def refuse_derived(run: Run) -> None:
    """ConfigError for a run that is canonicalized itself."""
    if is_derived(run.config):
        raise ConfigError(f"{run.path} is canonicalized already. Name the run it is made from.")


def _is_blamed(prediction: Prediction) -> bool:
    """Whether there is no answer because the language model failed, not the run."""
    return (prediction.answer.error or "").startswith(BLAME)


def _prompt(prediction: Prediction) -> str | None:
    """What is asked about a prediction; None where it has no final answer."""
    final = final_answer(prediction.response or "")
    return prompt_for(blind(prediction.question), final) if final else None


def _settle(
    store: RunFolder, unasked: list[Prediction], answered: Callable[[Prediction, None], None]
) -> None:
    """Keep failures as they are, and make empty what has no final answer."""
    settled = [
        p
        if p.response is None
        else replace(p, answer=replace(p.answer, response="", parts=_parts(p.response)))
        for p in unasked
    ]
    if settled:
        store.append(settled)
    for prediction in settled:
        answered(prediction, None)


def _with(prediction: Prediction, reply: Reply) -> Prediction:
    """The prediction with the canonical answer, or with an error that blames who was asked.

    What the run's own model wrote, and the whole of what came back, are kept in `parts`.
    """
    parts = _parts(prediction.response or "")
    if reply.text is not None:
        parts["canonicalizer"] = reply.text
    response = error = None
    try:
        if reply.text is None:
            error = f"{BLAME}{reply.error}"
        else:
            response = canonical(reply.text, blind(prediction.question))
    except NotCanonicalError as problem:
        error = f"{BLAME}{problem}"
    answer = replace(prediction.answer, response=response, error=error, parts=parts)
    return replace(prediction, answer=answer)


def _parts(reply: str) -> dict[str, str]:
    cut = reasoned(reply)
    thoughts = {} if cut.thoughts is None else {"thoughts": cut.thoughts}
    return {**thoughts, "final": cut.rest}


def _config(run: Run, model: TextModel) -> RunConfig:
    """The run's own configuration, with what was done to its answers in place of its adapter.

    What is not known of a bare predictions file is said to be unknown.
    """
    adapter = {
        DERIVED: run.identity,
        "canonicalizer": dict(model.settings),
        "canonicalizer_prompt": {"version": VERSION, "sha256": prompt_digest()},
    }
    if run.config is None:
        return RunConfig(
            model=run.name,
            adapter=adapter,
            benchmark=run.path.name,
            subset="unknown",
            revision="unknown",
            frames=0,
            sampling="unknown: from a predictions file",
            seed=0,
        )
    known = run.config["config"]
    blindly = {"blind": True} if known["adapter"].get("blind") is True else {}
    return RunConfig(**{**known, "adapter": {**adapter, **blindly}})


def _plan(run: Run) -> Mapping[str, Any]:
    """What the run planned: also its questions that were never asked count in the derived one."""
    if run.config is not None:
        plan: Mapping[str, Any] = run.config["plan"]
        return plan
    return plan_record([p.question for p in run.predictions])
