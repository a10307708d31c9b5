"""How far a reply from a shared prefill and one to the whole prompt agree."""

from __future__ import annotations

from itertools import zip_longest

from vicabench.adapters.hf.reading import Reply
from vicabench.agreement import Agreement


def agreement(question_id: str, shared: Reply, alone: Reply) -> Agreement:
    """Both replies to one question compared, by ids and, as long as they go together, by logits."""
    pairs = enumerate(zip_longest(shared.ids, alone.ids))
    parted = next((step for step, (a, b) in pairs if a != b), None)
    together = len(alone.ids) if parted is None else parted + 1
    steps = zip(shared.logits[:together], alone.logits[:together], strict=False)
    margin = None
    if parted is not None and parted < len(alone.logits):
        best, second = alone.logits[parted].topk(2).values.tolist()
        margin = best - second
    return Agreement(
        question_id=question_id,
        shared=shared.text,
        alone=alone.text,
        difference=max(float((ours_V - theirs_V).abs().max()) for ours_V, theirs_V in steps),
        parted=parted,
        margin=margin,
    )
