"""A packed step has the gradient of the same conversations one by one.

In float64 the two differ by rounding alone: the bound is 1e-10 of gradients of order 1e-2 to 1.
The reference is the model's own forward pass, a conversation at a time, and torch's cross-entropy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm
from vica.chat import IGNORED, Turn, labelled, time_instruction
from vica.config import SIZES
from vica.merging import Visual
from vica.modeling import ViCA
from vica.processing import ViCAProcessor
from vica.tiny import byte_tokenizer, ids_of, random_model
from vica.training.dataset import Sample, collate, sequence, visual_tokens
from vica.training.loss import SHARED_PREFIX, PackLoss

TOLERANCE = 1e-10
INSTRUCTION = time_instruction(9.5, [0.0, 4.75, 9.5])


@pytest.fixture(scope="module", params=["vica", "vica2"])
def model(request: pytest.FixtureRequest) -> ViCA:
    build = SIZES["tiny"][["vica", "vica2"].index(request.param)]
    return in_float64(random_model(build(**ids_of(byte_tokenizer())), seed=1))


def in_float64(model: ViCA) -> ViCA:
    """Qwen2's own norm computes in float32 whatever its input, which would hide small errors."""
    for name, module in list(model.named_modules()):
        if isinstance(module, Qwen2RMSNorm):
            norm = torch.nn.RMSNorm(module.weight.shape, eps=module.variance_epsilon)
            norm.weight = module.weight
            model.set_submodule(name, norm)
    return model.double()


@pytest.fixture(scope="module")
def processor(model: ViCA) -> ViCAProcessor:
    return ViCAProcessor(byte_tokenizer(), model.config)


def sample(processor: ViCAProcessor, *texts: str) -> Sample:
    turns: list[Turn] = [(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    ids, labels = labelled(turns, processor.tokenizer)
    return Sample(ids=ids, labels=labels)


def video(processor: ViCAProcessor) -> Visual:
    return processor.video(np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), np.uint8))


About = tuple[list[Sample], Visual | None]


def conversations(processor: ViCAProcessor) -> list[About]:
    """Three about a video, one of them with two rounds; two about an image; two about text."""
    about = f"<image>\n{INSTRUCTION}\n\n"
    of_video = [
        sample(processor, about + "How many chairs?", "4", "And tables?", "one\ntable"),
        sample(processor, about + "How big is the room?", "20 square metres"),
        sample(processor, about + "How many chairs?", "Four chairs"),
    ]
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 140, 3), np.uint8))
    of_image = [
        sample(processor, "<image>\nDescribe it.", "noise"),
        sample(processor, "<image>\nWhat colour?", "all of them"),
    ]
    alone = [sample(processor, "Hello\nthere", "Hello"), sample(processor, "2 + 2?", "4")]
    return [
        (of_video, video(processor)),
        (of_image, processor.image(picture)),
        (alone, None),
    ]


def token_losses(model: ViCA, one: Sample, visual: Visual | None) -> Tensor:
    """The cross-entropy of each label of one conversation, from the model's logits."""
    blocks = [] if visual is None else [model.encode(visual)]
    merged = model.merge(torch.tensor([one.ids]), blocks, labels=torch.tensor([one.labels]))
    assert merged.labels_BL is not None
    logits = model(inputs_embeds=merged.embeds_BLD).logits[0, :-1]
    labels = merged.labels_BL[0, 1:]
    return cross_entropy(logits[labels != IGNORED], labels[labels != IGNORED], reduction="none")


def gradients(model: ViCA, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def published_loss(losses: Sequence[Tensor], group: int) -> Tensor:
    """The mean over groups of `group` conversations of the mean over their tokens."""
    if group == 0:
        return torch.cat(list(losses)).mean()
    parts = [torch.cat(list(losses[i : i + group])) for i in range(0, len(losses), group)]
    return torch.stack([part.mean() for part in parts]).mean()


@pytest.mark.parametrize("attention", ["sdpa", SHARED_PREFIX])
@pytest.mark.parametrize("group", [1, 2, 0])
def test_packed_gradients_equal_those_one_by_one(
    model: ViCA, processor: ViCAProcessor, group: int, attention: str
) -> None:
    data = conversations(processor)
    batch = collate([sequence(*about) for about in data], loss_group=group, pad=0)
    model.set_attn_implementation({"": attention})
    packed = PackLoss(model)(batch, batch["groups"])["loss"]
    mine = gradients(model, packed)

    model.set_attn_implementation({"": "sdpa"})
    losses = [token_losses(model, one, visual) for about, visual in data for one in about]
    expected = published_loss(losses, group)
    theirs = gradients(model, expected)
    assert abs((packed - expected).item()) < TOLERANCE
    assert max(float((mine[name] - theirs[name]).abs().max()) for name in theirs) < TOLERANCE
    assert float(theirs["model.vision_tower.embeddings.patch_embedding.weight"].abs().max()) > 1e-4


@pytest.mark.parametrize("size", [(90, 140), (700, 90), (112, 112)])
@torch.no_grad()
def test_visual_tokens_are_counted_before_encoding(
    model: ViCA, processor: ViCAProcessor, size: tuple[int, int]
) -> None:
    picture = processor.image(Image.new("RGB", size))
    for visual in (picture, video(processor)):
        assert visual_tokens(visual, model.config) == len(model.encode(visual))
