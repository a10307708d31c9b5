"""A question as the record of a conversation, in the layout and wording that ViCA is trained in."""

from __future__ import annotations

from typing import Any

from vica.chat import vsi_bench_question

from vicabench.datasets.rooms.choices import Draft


def conversation(name: str, video: str, draft: Draft) -> dict[str, Any]:
    """A record of ViCA-322K whose human turn is the prompt of ViCA's own evaluation."""
    return {
        "id": name,
        "video": video,
        "conversations": [
            {"from": "human", "value": vsi_bench_question(draft.text, draft.options)},
            {"from": "gpt", "value": draft.answer},
        ],
    }
