"""Using the models through transformers, after `import vica`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vica
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from vica.chat import prompt, video_question
from vica.modeling import ViCA2
from vica.processing import ViCAProcessor

NOISE = np.random.default_rng(0).integers(0, 256, size=(6, 48, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tiny: Path) -> ViCA2:
    loaded: Any = AutoModelForImageTextToText.from_pretrained(tiny)
    assert isinstance(loaded, ViCA2)
    return loaded


@pytest.fixture(scope="module")
def processor(tiny: Path) -> ViCAProcessor:
    loaded: ViCAProcessor = AutoProcessor.from_pretrained(tiny)
    return loaded


def ask(text: str) -> str:
    return prompt(video_question(text))


def test_vica_may_be_the_first_to_import_transformers() -> None:
    script = (
        "import vica.config\n"
        "from vica import ViCA2, ViCA2Config\n"
        "from transformers import AutoModelForImageTextToText as Auto\n"
        "assert Auto._model_mapping[ViCA2Config] is ViCA2\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_the_package_has_all_its_names() -> None:
    assert all(hasattr(vica, name) for name in vica.__all__)


@torch.no_grad()
def test_the_tensors_of_a_processor_go_into_the_model(
    model: ViCA2, processor: ViCAProcessor
) -> None:
    inputs = processor(text=ask("How many?"), videos=NOISE)
    assert inputs["pixel_values"].shape == (6, 3, 112, 112)
    assert inputs["hiera_pixel_values"].shape == (3, 3, 256, 256)
    length = inputs["input_ids"].shape[1] - 1 + 6 * 4 * 5 + 3 * 4 * 5
    assert model(**inputs).logits.shape == (1, length, 512)
    new = model.generate(**inputs, max_new_tokens=3)
    block_ND = model.encode_video(inputs["pixel_values"], inputs["hiera_pixel_values"])
    merged = model.merge(inputs["input_ids"], [block_ND])
    from_embeds = model.generate(inputs_embeds=merged.embeds_BLD, max_new_tokens=3)
    assert new.shape == (1, 3)
    assert torch.equal(new, from_embeds)


@torch.no_grad()
def test_a_batch_answers_as_each_alone(model: ViCA2, processor: ViCAProcessor) -> None:
    texts, videos = [ask("How many chairs?"), ask("Where?")], [NOISE, NOISE[:3, ::2]]
    together = model.generate(**processor(text=texts, videos=videos), max_new_tokens=4)
    for row, (text, video) in enumerate(zip(texts, videos, strict=True)):
        alone = model.generate(**processor(text=text, videos=video), max_new_tokens=4)
        assert torch.equal(together[row : row + 1], alone)
    inputs = processor(text=texts, videos=videos)
    logits = model(**inputs).logits
    block_ND = model.encode(processor.video(videos[0]))
    ids = processor(text=texts[0], videos=videos[0])["input_ids"]
    alone = model(inputs_embeds=model.merge(ids, [block_ND]).embeds_BLD).logits
    assert torch.allclose(logits[:1], alone, atol=1e-4)


@torch.no_grad()
def test_images_text_and_several_images_are_taken(model: ViCA2, processor: ViCAProcessor) -> None:
    grey = Image.fromarray(NOISE[0]).convert("L")
    one = processor(text=prompt("<image>\nWhat?"), images=grey)
    two = processor(text=prompt("<image>\n<image>\nBoth?"), images=[grey, NOISE[1]])
    none = processor(text=prompt("Hello"))
    assert one["visual_sizes"].tolist() == [[2, 1, 48, 64]]
    assert two["pixel_values"].shape[0] == 4
    for inputs in (one, two, none):
        assert model.generate(**inputs, max_new_tokens=2).shape == (1, 2)


@torch.no_grad()
def test_labels_give_a_loss_that_reaches_every_trained_part(
    model: ViCA2, processor: ViCAProcessor
) -> None:
    inputs = processor(text=ask("How many?"), videos=NOISE)
    with torch.enable_grad():
        loss = model(**inputs, labels=inputs["input_ids"].clamp(min=-100)).loss
        loss.backward()
    unused = {n for n, p in model.named_parameters() if p.grad is None}
    model.zero_grad()
    assert unused == {f"model.vision_tower.post_layernorm.{n}" for n in ("weight", "bias")}


def test_mismatched_inputs_are_refused(model: ViCA2, processor: ViCAProcessor) -> None:
    with pytest.raises(vica.InputError, match="the text has 0 <image> for 1 video or image:"):
        processor(text=prompt("How many?"), videos=NOISE)
    with pytest.raises(vica.InputError, match=r"not float64 \[6, 48, 64, 3\]"):
        processor(text=ask("How many?"), videos=NOISE.astype(float))
    with pytest.raises(vica.InputError, match=r"not uint8 \[6, 48, 64\]"):
        processor(text=ask("How many?"), videos=[NOISE[..., 0]])
    inputs = processor(text=ask("How many?"), videos=NOISE)
    with pytest.raises(vica.InputError, match="ViCA2 needs hiera_pixel_values"):
        model(
            input_ids=inputs["input_ids"],
            pixel_values=inputs["pixel_values"],
            visual_sizes=torch.tensor([[6, 0, 0, 0]]),
        )
    with pytest.raises(
        vica.InputError, match="the text has 1 <image>, but the input has 0 videos or images"
    ):
        model.generate(input_ids=inputs["input_ids"])


def test_an_overflow_of_the_context_is_refused_not_cut(model: ViCA2) -> None:
    ids = torch.zeros(1, 32769, dtype=torch.long)
    with pytest.raises(vica.BudgetError, match="32,769 tokens, 1 more than the context"):
        model.merge(ids, [])
    assert model.merge(ids, [], labels=ids).embeds_BLD.shape[1] == 32768  # as in training


def test_a_chat_template_writes_the_published_conversation(processor: ViCAProcessor) -> None:
    message: dict[str, Any] = {
        "role": "user",
        "content": [{"type": "video"}, {"type": "text", "text": "How many?"}],
    }
    text = processor.apply_chat_template([message], add_generation_prompt=True)
    assert text == ask("How many?")


def test_a_processor_is_saved_beside_its_model(
    model: ViCA2, processor: ViCAProcessor, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    reloaded = AutoProcessor.from_pretrained(tmp_path)
    assert reloaded.tokenizer.get_vocab() == processor.tokenizer.get_vocab()
    assert AutoConfig.from_pretrained(tmp_path).layout == processor.config.layout
