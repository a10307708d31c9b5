"""Positions of Qwen's models: text stands behind the last moment of a video, as they learnt it."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from tests.hf_models import write_hf_model
from vicabench.adapters.hf.places import correct

BEFORE, TIMES, TALL, WIDE, BEHIND = 5, 9, 2, 3, 4
EVERY = 4
"""Positions from one moment to the next: two a second, and a moment every two seconds."""


def asked(*, padding: int = 0) -> dict[str, Any]:
    """A prompt of text, a video and text, with padding in front of it."""
    video = TIMES * TALL * WIDE
    types = [0] * BEFORE + [2] * video + [0] * BEHIND
    return {
        "input_ids": torch.ones(1, padding + len(types), dtype=torch.long),
        "mm_token_type_ids": torch.tensor([[0] * padding + types]),
        "video_grid_thw": torch.tensor([[TIMES, 2 * TALL, 2 * WIDE]]),
        "attention_mask": torch.tensor([[0] * padding + [1] * len(types)]),
    }


def learnt(every: int) -> list[tuple[int, int, int]]:
    """The positions by Qwen's rule: whatever follows begins behind the highest one so far."""
    places = [(n, n, n) for n in range(BEFORE)]
    cells = [(t, y, x) for t in range(TIMES) for y in range(TALL) for x in range(WIDE)]
    places += [(BEFORE + every * t, BEFORE + y, BEFORE + x) for t, y, x in cells]
    end = 1 + max(map(max, places))
    return places + [(end + n,) * 3 for n in range(BEHIND)]


def loaded(folder: Path, name: str) -> Any:
    return hf.AutoModelForImageTextToText.from_pretrained(write_hf_model(folder / name, name))


@pytest.mark.parametrize(("name", "every"), [("qwen2_vl", 1), ("qwen2_5_vl", EVERY)])
@pytest.mark.parametrize("padding", [0, 3])
def test_text_stands_behind_the_last_moment(
    tmp_path: Path, name: str, every: int, padding: int
) -> None:
    model = loaded(tmp_path, name)
    times = {"second_per_grid_ts": torch.tensor([2.0])} if name == "qwen2_5_vl" else {}
    own, _ = model.base_model.get_rope_index(**asked(padding=padding), **times)
    assert correct(model)
    places, deltas = model.base_model.get_rope_index(**asked(padding=padding), **times)
    found = [tuple(place) for place in places[:, 0, padding:].T.tolist()]
    assert found == learnt(every)
    assert int(deltas) == found[-1][0] + 1 - len(found)
    assert not torch.equal(own, places)  # if equal, transformers has mended it: delete ours


def test_other_models_are_left_alone(tmp_path: Path) -> None:
    assert not correct(loaded(tmp_path, "qwen3_vl"))
