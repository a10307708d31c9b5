"""Presets ask as the harnesses do: prompts, tokens, frames, pixels and generation settings.

What is expected was computed by running the harnesses' own functions (tests/fixtures/README.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import transformers as hf
from tokenizers import AddedToken
from vica.video import sample_indices

from tests.hf_models import CHATML, QWEN_TOKENS
from vicabench.adapters.hf.inputs import Inputs
from vicabench.adapters.hf.pixels import Shown, factor_of
from vicabench.engine.frame_rules import RULES, ByRule
from vicabench.errors import ConfigError
from vicabench.front import asked_as as fronts
from vicabench.front.asked_as import AskedAs, asked_as
from vicabench.front.run_options import RunOptions
from vicabench.harnesses.presets import FILES, all_presets, find_preset
from vicabench.harnesses.prompts import asking_of
from vicabench.harnesses.protocols import find_protocol
from vicabench.types import AdapterContext, Benchmark, Question, Video

FOLDER = Path(__file__).parent.parent / "fixtures" / "harnesses"
SHARED = json.loads((FOLDER / "questions.json").read_text(encoding="utf-8"))
GOLDENS = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted(FOLDER.glob("*.json"))
    if file.stem not in ("questions", "qwen2_tokenizer", "resized", "graded")
}
QUESTIONS = tuple(
    Question(
        id=str(n),
        video="v",
        task=row["question_type"],
        text=row["question"],
        answer="A" if row["options"] else "1",
        options=tuple(row["options"]),
    )
    for n, row in enumerate(SHARED["questions"])
)
BENCHMARK = Benchmark(name="vsi-bench", subset="full", revision="", questions=QUESTIONS, files={})
DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}"
)


def cases(*kinds: str, having: str = "preset") -> list[Any]:
    """The cases of each preset and family that have this entry."""
    found: dict[tuple[str, str], list[Any]] = {}
    for golden in GOLDENS.values():
        for case in (case for kind in kinds for case in golden.get(kind, ())):
            if having in case:
                found.setdefault((case["preset"], case["family"]), []).append(case)
    return [pytest.param(*key, value, id="-".join(key)) for key, value in found.items()]


OF_EACH = ("preset", "family", "found")


def resolved(preset: str, family: str, tmp_path: Path, **typed: Any) -> tuple[RunOptions, AskedAs]:
    """The options of a run of a model of this family as the preset has them."""
    model = f"{family}:any"
    if family not in ("openai", "gemini"):
        content = {"model_type": family, "architectures": ["LlavaQwenForCausalLM"]}
        (tmp_path / "config.json").write_text(json.dumps(content))
        model = f"hf:{tmp_path}"
    options, how = asked_as(
        RunOptions.of({"preset": preset, **typed}, frames=None), model, BENCHMARK
    )
    assert how
    return options, how


@pytest.fixture(autouse=True)
def torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where frames can be given as a video."""
    monkeypatch.setattr(fronts, "find_spec", lambda _: True)


def prompts_of(options: RunOptions) -> Iterator[str]:
    asking = asking_of(AdapterContext(benchmark=BENCHMARK, seed=0, options=options.model))
    assert asking
    video = Video(
        name="v", path=Path("v"), frames_THWC=np.zeros((2, 1, 1, 3), np.uint8),
        seconds=(0.0, 1.0), duration=2.0,
    )  # fmt: skip
    yield from (asking.text(question, video) for question in QUESTIONS)


@pytest.mark.parametrize(OF_EACH, cases("prompts"))
def test_the_prompts_are_those_of_the_harness(
    preset: str, family: str, found: list[Any], tmp_path: Path
) -> None:
    options, _ = resolved(preset, family, tmp_path)
    for case in found:
        assert list(prompts_of(options)) == case["prompts"]


@pytest.mark.parametrize(OF_EACH, cases("indices", "asked"))
def test_the_frames_are_those_of_the_harness(
    preset: str, family: str, found: list[Any], tmp_path: Path
) -> None:
    options, _ = resolved(preset, family, tmp_path)
    for case in found:
        assert frames_of(options, case["clip"]) == case["frames"], case["clip"]


def frames_of(options: RunOptions, clip: str) -> list[int]:
    facts, count = SHARED["clips"][clip], options.video.count
    if isinstance(count, int):
        found = sample_indices(facts["total"], count)
    else:
        found = count.indices(facts["total"], facts["fps"])
    return [int(index) for index in found]


@dataclass(eq=False)
class Processor:
    """Stands for Qwen's processor, with a slice of its tokenizer, and keeps what it is given."""

    tokenizer: Any
    image_processor: Any
    given: dict[str, Any] = field(default_factory=dict)
    image_token: str = "<|image_pad|>"
    video_token: str = "<|video_pad|>"

    def apply_chat_template(self, turns: Any, **how: Any) -> Any:
        return self.tokenizer.apply_chat_template(turns, tokenize=False, **how)

    def __call__(self, text: list[str], **given: Any) -> dict[str, Any]:
        self.given = given
        return {"input_ids": np.array([self.tokenizer(text[0])["input_ids"]])}


@cache
def processor_of(family: str) -> Processor:
    part = json.loads((FOLDER / "qwen2_tokenizer.json").read_text(encoding="utf-8"))
    merges: list[Any] = [tuple(merge.split(" ")) for merge in part["merges"]]
    tokenizer = hf.Qwen2Tokenizer(vocab=part["vocab"], merges=merges)
    special = ("<|im_start|>", "<|im_end|>", *QWEN_TOKENS)
    tokenizer.add_tokens([AddedToken(t, special=True) for t in special], special_tokens=True)
    template = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    template = template.replace("VIDEO", "<|vision_start|><|video_pad|><|vision_end|>")
    tokenizer.chat_template = template if family == "qwen3_vl" else DEFAULT_SYSTEM + template
    patch = 16 if family == "qwen3_vl" else 14
    return Processor(tokenizer, SimpleNamespace(patch_size=patch, merge_size=2))


def inputs_of(options: RunOptions, family: str) -> tuple[Inputs, Processor]:
    processor = processor_of(family)
    as_video = options.model.frames_as == "video"
    inputs = Inputs(processor, as_video=as_video, model_type=family, how=Shown.of(options.model))
    return inputs, processor


@pytest.mark.parametrize(OF_EACH, cases("asked"))
def test_the_model_is_given_what_the_harness_gives_it(
    preset: str, family: str, found: list[Any], tmp_path: Path
) -> None:
    options, _ = resolved(preset, family, tmp_path)
    inputs, processor = inputs_of(options, family)
    for case in found:
        facts = SHARED["clips"][case["clip"]]
        sides = (facts["height"], facts["width"], factor_of(processor))
        size = inputs.how.size(len(case["frames"]), *sides, as_video=inputs.as_video)
        assert list(size) == case["size"], case["clip"]
    rate, few = facts["fps"], case["frames"][:2]
    duration = facts["total"] / rate
    inputs.see(np.zeros((2, *sides[:2], 3), np.uint8), [i / rate for i in few], duration)
    given = processor.given
    fewer = inputs.how.size(2, *sides, as_video=inputs.as_video)
    assert {size_of(image) for image in images_of(given)} == {fewer}
    assert given["do_resize"] is False
    if inputs.as_video:
        (clock,) = given["video_metadata"]
        told = [index / clock.fps for index in clock.frames_indices]
        # Without times, the processor of transformers assumes two frames a second.
        assert told == pytest.approx((case["times"] or [0.0, 0.5])[:2], abs=5e-4)


def images_of(given: dict[str, Any]) -> list[Any]:
    return list(given["videos"][0] if "videos" in given else given["images"][0])


def size_of(image: Any) -> tuple[int, int]:
    height, width = np.asarray(image).shape[:2]
    return height, width


@pytest.mark.parametrize(OF_EACH, cases("prompts", having="ids"))
def test_the_tokens_are_those_of_the_harness(
    preset: str, family: str, found: list[Any], tmp_path: Path
) -> None:
    options, _ = resolved(preset, family, tmp_path)
    inputs, processor = inputs_of(options, family)
    for text, ids in zip(prompts_of(options), found[0]["ids"], strict=True):
        assert processor.tokenizer(inputs.text(text, frames=2))["input_ids"] == ids


@pytest.mark.parametrize(OF_EACH, cases("asked", having="ids"))
def test_the_turns_are_those_of_the_harness(
    preset: str, family: str, found: list[Any], tmp_path: Path
) -> None:
    options, _ = resolved(preset, family, tmp_path)
    inputs, processor = inputs_of(options, "qwen2_5_vl")  # whose template adds a system prompt
    first, (case,) = next(prompts_of(options)), found
    ids = processor.tokenizer(inputs.text(first, frames=len(case["frames"])))["input_ids"]
    assert ids == case["ids"]


@pytest.mark.parametrize(OF_EACH, cases("asked"))
def test_the_generation_settings_are_those_of_the_harness(
    preset: str, family: str, found: list[Any], tmp_path: Path
) -> None:
    ours, theirs = find_preset(preset).asks(family).generation, found[0]["generate"]
    options, _ = resolved(preset, family, tmp_path)
    assert {**options.model.sampling, "max_new_tokens": options.model.max_new_tokens}.items() <= {
        **ours
    }.items()
    greedy = not theirs.get("do_sample", True)
    for name, value in theirs.items():
        if name == "do_sample" or (greedy and name in ("temperature", "top_p", "top_k")):
            continue  # of no account where nothing is sampled
        assert ours[name] == value, name
    if greedy:
        assert not fronts.samples(ours)


@pytest.mark.parametrize("given_as", ["video", "images"])
def test_frames_are_resized_to_the_pixels_of_qwen_vl_utils(given_as: str) -> None:
    golden = json.loads((FOLDER / "resized.json").read_text(encoding="utf-8"))
    y, x = np.mgrid[0:48, 0:64]
    frame_HWC = np.stack([3 * x + 5 * y, 7 * x * y, x * x + y], -1).astype(np.uint8)
    how = Shown(min_pixels=56 * 56, max_pixels=56 * 56)
    resized = how.resized(frame_HWC[None], processor_of("qwen2_5_vl"), as_video=given_as == "video")
    assert resized.shape == (1, 56, 56, 3)
    row = resized[0, golden["row"]].astype(int)
    assert np.abs(row - golden[given_as]).max() <= 1  # another build of torch may round otherwise


def test_labels_stand_in_front_of_each_frame(tmp_path: Path) -> None:
    golden = GOLDENS["vlmevalkit"]["internvl"]
    options, _ = resolved(golden["preset"], "internvl", tmp_path)
    asking = asking_of(AdapterContext(benchmark=BENCHMARK, seed=0, options=options.model))
    assert asking
    labels = asking.wording.labels(golden["frames"])
    text = list(prompts_of(options))[golden["question"]]
    assert "".join(f"{front}<image>{end}" for front, end in labels) + text == golden["prompt"]


@pytest.mark.parametrize("name", [n for n, golden in GOLDENS.items() if "rules" in golden])
def test_further_rules_take_the_frames_of_the_harness(name: str) -> None:
    for case in GOLDENS[name]["rules"]:
        facts = SHARED["clips"][case["clip"]]
        rule = ByRule(
            rule=case["rule"], frames=case.get("frames_wanted", 0), fps=case.get("fps", 0.0)
        )
        assert rule.indices(facts["total"], facts["fps"]).tolist() == case["frames"]


def test_a_bare_name_is_the_newest_version() -> None:
    assert find_preset("lmms-eval").spec == "lmms-eval@0.7.3"
    assert find_preset("vlmevalkit").spec == "vlmevalkit@VsiBench"
    assert {preset.name for preset in all_presets()} == set(FILES)


@pytest.mark.parametrize(
    ("spec", "said"),
    [("lmms-evl", "lmms-eval?"), ("lmms-eval@0.72", "lmms-eval@0.7.2?"), ("official@1", "51e089c")],
)
def test_an_unknown_preset_is_refused_with_a_suggestion(spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        find_preset(spec)


def test_every_preset_says_what_it_needs() -> None:
    for preset in all_presets():
        names = {wording.name for wording in preset.wordings}
        for family, asks in preset.families.items():
            assert asks.wording in names | {"vica", "vsi-bench"}, (preset.spec, family)
            if asks.frame_rule:
                assert RULES[asks.frame_rule].what
        assert re.search(r"@[0-9a-f]{7}|arXiv", preset.source), preset.spec
        assert find_protocol(preset.reading).family in preset.reading


def test_what_was_typed_wins_over_the_preset(tmp_path: Path) -> None:
    options, how = resolved("lmms-eval@0.7.2", "qwen2_5_vl", tmp_path, max_pixels=200_704)
    assert (options.video.frames, options.model.max_pixels) == (32, 200_704)
    assert how.overridden == {"max_pixels": (1_605_632, 200_704)}
    assert (how.fidelity, how.why) == ("approximate", ("--max-pixels is not the preset's",))
    by_rate, _ = resolved("lmms-eval@0.7.2", "qwen2_5_vl", tmp_path, fps=1.0)
    assert by_rate.video.count == ByRule(rule="qwen", fps=1.0)


def test_fidelity_says_how_near_a_run_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(preset: str, family: str) -> AskedAs:
        return resolved(preset, family, tmp_path)[1]

    assert of("lmms-eval@0.7.2", "qwen2_5_vl").fidelity == "exact"
    assert of("vlmevalkit", "qwen2_5_vl").fidelity == "exact"  # its sampling leaves one token
    assert of("vlmevalkit", "qwen3_vl").fidelity == "same up to sampling"
    assert of("vlmevalkit", "qwen3_vl").why == ("tokens are drawn at temperature 0.7",)
    assert "vLLM" in of("vst", "qwen2_5_vl").why[0]
    assert "no settings for a gemma3 model" in of("lmms-eval", "gemma3").why[0]
    monkeypatch.setattr(fronts, "find_spec", lambda _: None)
    as_images = of("lmms-eval@0.7.2", "qwen2_5_vl")
    assert as_images.decided["frames_as"] == "images"
    assert "torchvision" in as_images.why[0]
