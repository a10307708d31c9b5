"""`--model hf:...`: tiny random models of transformers' classes, asked about real videos."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import InternVLConfig, Qwen2Config, Qwen2ForCausalLM
from transformers.utils.import_utils import is_torchvision_available
from vica.errors import BudgetError
from vica.video import read_frames

from tests.hf_models import (
    CHATML,
    KINDS,
    TEXT,
    internvl,
    tokenizer_of,
    write_hf_model,
    write_model,
)
from tests.support import read_jsonl, refuses
from tests.videos import write_clip
from tests.warm import vicabench
from vicabench.adapters import build_adapter
from vicabench.adapters.hf.adapter import HFAdapter, SharingAdapter
from vicabench.adapters.hf.text import text_model
from vicabench.harnesses.prompts import vsi_bench
from vicabench.rooms.build import build as build_rooms
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question, Video
from vicabench.wording import Wording

# GLM-4V's processor makes arrays of tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FRAMES, NEW = 4, 5
VIDEO_ONLY = ("llava_next_video", "smolvlm")
AS_IMAGES = tuple(name for name in KINDS if name not in VIDEO_ONLY)
BENCHMARK = Benchmark(name="b", subset="", revision="", questions=(), files={})
TEXTS = ("How many chairs are there?", "How far is it from the bed to the door, in meters?", "Why?")
QUESTIONS = tuple(
    Question(id=str(n), video="clip", task="object_counting", text=text, answer="1")
    for n, text in enumerate(TEXTS)
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every kind under its name, a clip and a room."""
    folder = tmp_path_factory.mktemp("place")
    for name in (*KINDS, "gemma3"):
        write_hf_model(folder / name, name)
    write_clip(folder / "clip.mp4", frames=12)
    build_rooms(folder / "rooms", scenes=1, seed=7, width=96, height=72, fps=1, workers=1)
    return folder


@pytest.fixture(scope="module")
def video(place: Path) -> Video:
    frames = read_frames(place / "clip.mp4", FRAMES)
    return Video(
        name="clip",
        path=place / "clip.mp4",
        frames_THWC=frames.pixels_THWC,
        seconds=frames.seconds,
        duration=frames.duration,
    )


def adapter_of(folder: Path, **options: Any) -> HFAdapter:
    chosen = ModelOptions(**{"max_new_tokens": NEW, **options})
    context = AdapterContext(benchmark=BENCHMARK, seed=0, frames=FRAMES, options=chosen)
    adapter = build_adapter(f"hf:{folder}", context)
    assert isinstance(adapter, HFAdapter)
    return adapter


def plainly(adapter: HFAdapter, video: Video) -> Iterator[str]:
    """The answers of transformers alone, one prompt after another, as in its documentation."""
    model, processor = adapter.reader.model, adapter.reader.inputs.processor
    images = [Image.fromarray(frame) for frame in video.frames_THWC]
    for question in QUESTIONS:
        content = [
            *[{"type": "image"}] * len(images),
            {"type": "text", "text": vsi_bench(question)},
        ]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        options = adapter.reader.inputs.options
        made = processor(text=[text], images=[images], return_tensors="pt", **options)
        new = model.generate(**made, max_new_tokens=NEW, do_sample=False)
        ids = new[0, made["input_ids"].shape[1] :]
        yield processor.tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "gemma3"])
def test_sampled_replies_are_those_of_their_seeds(place: Path, video: Video, name: str) -> None:
    adapter = adapter_of(place / name, temperature=1.0, top_k=50, presence_penalty=0.5)
    asked = [replace(q, repeat=n) for q in QUESTIONS for n in range(3)]
    together = {a.question_id + str(a.repeat): a.response for a in adapter.answer(video, asked)}
    assert len(set(together.values())) > 6
    for question in asked[::-4]:
        (alone,) = adapter.answer(video, [question])
        assert alone.response == together[question.id + str(question.repeat)]
    assert adapter.settings["sampling"] == {
        "temperature": 1.0, "top_k": 50, "presence_penalty": 0.5,
    }  # fmt: skip
    assert "sampling" not in adapter_of(place / name).settings


def test_repeats_share_the_prefill_of_a_question_before_its_frames(
    place: Path, video: Video
) -> None:
    templates = dict.fromkeys(("numeric", "choice"), "Look for this. {question}")
    wording = Wording(name="w", source="s", templates=templates, before_frames=True)
    options = ModelOptions(max_new_tokens=NEW, temperature=1.0)
    context = AdapterContext(
        benchmark=replace(BENCHMARK, wording=wording), seed=0, frames=FRAMES, options=options
    )
    adapter = build_adapter(f"hf:{place / 'qwen2_5_vl'}", context)
    assert isinstance(adapter, HFAdapter)
    asked = [replace(q, repeat=n) for q in QUESTIONS for n in range(3)]
    together = [answer.response for answer in adapter.answer(video, asked)]
    assert None not in together
    assert adapter.spent.tokens["prefill"] > 0
    assert [next(adapter.answer(video, [each])).response for each in asked] == together


def test_every_image_model_answers_rooms(place: Path) -> None:
    models = [f"--model=./{name}" for name in AS_IMAGES[:-1]] + [f"--model=hf:./{AS_IMAGES[-1]}"]
    where = ("--benchmark", "rooms/questions.jsonl", "--frames", "3", "--max-new-tokens", "2")
    done = vicabench(place, "run", *models, *where, "--out", "runs")
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in AS_IMAGES)
    for run in (place / "runs").iterdir():
        settings = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"][
            "adapter"
        ]
        assert (settings["prefill"], settings["vision"]) == ("once a video", "once a video")
        assert len(settings["checkpoint"]["sha256"]) == 64
        lines = read_jsonl(run / "predictions.jsonl")
        assert len(lines) > 5
        assert {line["error"] for line in lines} == {None}
    if not is_torchvision_available():
        assert done.stderr.count("torchvision is not installed") == len(AS_IMAGES)
        assert settings["frames_as"] == "images"


@pytest.mark.skipif(is_torchvision_available(), reason="frames are a video where torchvision is")
@pytest.mark.parametrize("name", AS_IMAGES)
def test_a_shared_prefill_answers_as_transformers_does(
    place: Path, video: Video, name: str
) -> None:
    adapter = adapter_of(place / name)
    assert isinstance(adapter, SharingAdapter)
    agreements = list(adapter.both_ways(video, QUESTIONS))
    assert [agreement.parted for agreement in agreements] == [None] * len(QUESTIONS)
    # Logits are of the order of 3 here; another order of summation differs by some 1e-6.
    assert max(agreement.difference for agreement in agreements) < 1e-4
    assert [agreement.shared for agreement in agreements] == list(plainly(adapter, video))


@pytest.mark.parametrize(
    "settings",
    [{"repetition_penalty": 1.3}, {"no_repeat_ngram_size": 2, "min_new_tokens": 3}],
)
def test_settings_of_a_checkpoint_count_each_prompt_by_itself(
    place: Path, video: Video, tmp_path: Path, settings: dict[str, float]
) -> None:
    folder = Path(shutil.copytree(place / "qwen3_vl", tmp_path / "set"))
    file = folder / "generation_config.json"
    stated = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**stated, **settings}), encoding="utf-8")
    free, bound = (adapter_of(each, max_new_tokens=30) for each in (place / "qwen3_vl", folder))
    assert isinstance(bound, SharingAdapter)
    agreements = list(bound.both_ways(video, QUESTIONS))
    assert [each.shared for each in agreements] == [each.alone for each in agreements]
    unbound = [answer.response for answer in free.answer(video, QUESTIONS)]
    assert [each.shared for each in agreements] != unbound


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_5"])
def test_the_size_of_a_group_changes_no_answer(place: Path, video: Video, name: str) -> None:
    answers, passes = [], []
    for size in (0, 2, 1):
        adapter = adapter_of(place / name, group_size=size)
        calls: list[int] = []
        adapter.reader.model.register_forward_pre_hook(lambda *_, to=calls: to.append(1))
        answers.append([answer.response for answer in adapter.answer(video, QUESTIONS)])
        passes.append(len(calls))
    assert answers[0] == answers[1] == answers[2]
    assert len(set(answers[0])) > 1
    # A recurrent layer reads the questions one by one, which their first new token comes from.
    more = len(QUESTIONS) - 1 if name == "qwen3_5" else 0
    groups = (1, 2, 3)
    assert passes == [count * NEW + (more + 1 - count if more else 0) for count in groups]


@pytest.mark.parametrize("name", ["internvl", "gemma3"])
def test_the_vision_tower_runs_once_per_video(place: Path, video: Video, name: str) -> None:
    adapter = adapter_of(place / name)
    seen: list[str] = []
    adapter.reader.model.get_encoder("image").register_forward_hook(lambda *_: seen.append(name))
    replies = list(adapter.answer(video, QUESTIONS))
    assert [reply.error for reply in replies] == [None] * len(QUESTIONS)
    assert seen == [name]


def windowed(place: Path) -> Path:
    folder = place / "windowed"
    window = {"use_sliding_window": True, "sliding_window": 32}
    layers = ["full_attention", "sliding_attention"]
    return write_hf_model(folder, "qwen2_vl", layer_types=layers, **window)


@pytest.mark.skipif(is_torchvision_available(), reason="frames are a video where torchvision is")
def test_a_model_without_shared_prefill_warns_and_answers(
    place: Path, video: Video, caplog: pytest.LogCaptureFixture
) -> None:
    for folder, why in ((place / "gemma3", "its processor"), (windowed(place), "a layer of its")):
        adapter = adapter_of(folder)
        assert adapter.settings["prefill"].startswith(f"for each question: {why}")
        assert not hasattr(adapter, "both_ways")
        replies = [reply.response for reply in adapter.answer(video, QUESTIONS)]
        assert replies == list(plainly(adapter, video))
        assert "Fallback: each question's prefill reads the whole video again" in caplog.text
        caplog.clear()


def of_granite(ids: Mapping[str, int]) -> Any:
    config = internvl(ids)
    text = {**config.text_config.to_dict(), "model_type": "granite", "layer_types": None}
    return InternVLConfig.from_dict({**config.to_dict(), "text_config": text})


def test_what_is_not_verified_is_not_shared(place: Path, video: Video, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", replace(KINDS["internvl"], config=of_granite))
    stops = Path(shutil.copytree(place / "internvl", tmp_path / "stops"))
    file = stops / "generation_config.json"
    stated = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**stated, "prompt_lookup_num_tokens": 2}), encoding="utf-8")
    for folder, why in (
        (other, "sharing the prefill was never verified for granite"),
        (stops, "its generation_config.json sets prompt_lookup_num_tokens"),
    ):
        adapter = adapter_of(folder)
        assert adapter.settings["prefill"] == f"for each question: {why}"
        assert "group_size" not in adapter.accepts_options
    answers = list(adapter_of(other).answer(video, QUESTIONS))
    assert [answer.error for answer in answers] == [None] * len(QUESTIONS)


def test_a_blind_model_sees_grey(place: Path, video: Video) -> None:
    sighted, blind = (adapter_of(place / "internvl", blind=each) for each in (False, True))
    grey = Video(
        name="grey",
        path=video.path,
        frames_THWC=np.full_like(video.frames_THWC, 128),
        seconds=video.seconds,
        duration=video.duration,
    )
    replies = [
        [answer.response for answer in adapter.answer(shown, QUESTIONS)]
        for adapter, shown in ((blind, video), (sighted, grey), (sighted, video))
    ]
    assert replies[0] == replies[1] != replies[2]
    assert blind.settings["blind"] is True


def test_a_failing_question_does_not_affect_the_others(place: Path, video: Video) -> None:
    ask = adapter_of(place / "qwen2_5_vl").about(video)
    bad, long, good = ask(["What is <|image_pad|>?", "How long? " * 1000, "How many?"])
    assert bad.error is not None
    assert "placeholder" in bad.error
    assert long.error is not None
    assert "more than the context of 8,192" in long.error
    assert good.new_tokens == NEW
    assert ask(["How many?"])[0].response == good.response


def fail_once(adapter: HFAdapter, error: Exception, calls: list[int]) -> None:
    """Raise an error in a layer when the first group of questions is read."""

    def fail(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:  # the prefill of the video came first
            raise error

    adapter.reader.model.model.language_model.layers[1].register_forward_pre_hook(fail)


def test_a_group_is_halved_when_memory_is_short(
    place: Path, video: Video, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = adapter_of(place / "internvl")
    expected = [answer.response for answer in adapter.answer(video, QUESTIONS)]
    fail_once(adapter, torch.OutOfMemoryError("no memory"), [])
    answers = list(adapter.answer(video, QUESTIONS))
    assert [answer.response for answer in answers] == expected
    assert "Memory is short for 3 questions at once: trying 1" in caplog.text


def test_a_group_that_fails_is_asked_one_by_one(place: Path, video: Video) -> None:
    adapter = adapter_of(place / "internvl")
    expected = [answer.response for answer in adapter.answer(video, QUESTIONS)]
    calls: list[int] = []
    fail_once(adapter, ValueError("a broken layer"), calls)
    assert [answer.response for answer in adapter.answer(video, QUESTIONS)] == expected
    # Once for the video, once for the group, and for each question as often as it has new tokens.
    assert len(calls) == 2 + NEW * len(QUESTIONS)


def test_scores_that_are_nan_are_errors(place: Path, video: Video) -> None:
    adapter = adapter_of(place / "llava_onevision")
    with torch.no_grad():
        adapter.reader.model.lm_head.weight.fill_(float("nan"))
    for answer in adapter.answer(video, QUESTIONS):
        assert answer.error is not None
        assert "scores are NaN" in answer.error


def test_a_reply_keeps_its_whitespace(place: Path, video: Video) -> None:
    adapter = adapter_of(place / "llava_onevision")
    space = adapter.reader.inputs.processor.tokenizer.convert_tokens_to_ids("Ġ")

    def only_space(_module: object, _inputs: object, logits: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(logits).index_fill(-1, torch.tensor([space]), 1.0)

    adapter.reader.model.lm_head.register_forward_hook(only_space)
    answers = list(adapter.answer(video, QUESTIONS))
    assert [answer.response for answer in answers] == [" " * NEW] * len(QUESTIONS)


def write_language_model(folder: Path) -> Path:
    """A tiny random Qwen2, which reads text only."""
    tokenizer = tokenizer_of(KINDS["qwen2_vl"])
    tokenizer.chat_template = CHATML
    model = Qwen2ForCausalLM(Qwen2Config(**{**TEXT, "vocab_size": len(tokenizer)}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_model_completes_text_without_a_video(place: Path, tmp_path: Path) -> None:
    text = "<|im_start|>user\nHow many is a dozen?<|im_end|>\n<|im_start|>assistant\n"
    lm = write_language_model(tmp_path / "lm")
    for folder, reads in ((place / "qwen2_vl", "image-text"), (lm, "text")):
        asked = text_model(str(folder), ModelOptions(device="cpu"))
        ids_BS = asked.tokenizer(text, return_tensors="pt").input_ids
        new = asked.model.generate(ids_BS, max_new_tokens=6)[0, ids_BS.shape[1] :]
        reply = asked.tokenizer.decode(new, skip_special_tokens=True).strip()
        assert asked.complete("How many is a dozen?", 6) == reply
        assert asked.settings["modality"] == reads
        with pytest.raises(BudgetError, match="more than the context of 8,192"):
            asked.complete("many " * 2000, 6)


def test_ask_and_verify_show_the_warnings_of_a_run(place: Path) -> None:
    what = ("clip.mp4", "Why?", "--frames", "2", "--max-new-tokens", "2")
    asked = vicabench(place, "ask", *what, "--model", "./gemma3")
    assert asked.returncode == 0, asked.stderr
    assert asked.stderr.count("Fallback: each question's prefill reads the whole video") == 1
    where = ("--benchmark", "rooms/questions.jsonl", "--frames", "2", "--max-new-tokens", "2")
    refuses(vicabench(place, "verify", *where, "--model", "./gemma3"), "for each question: its")
    if not is_torchvision_available():
        done = vicabench(place, "verify", *where, "--model", "./qwen2_vl")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("torchvision is not installed") == 1
        assert "2 frames as images" in done.stdout


def test_a_model_that_needs_torchvision_says_how_to_install_it(place: Path) -> None:
    if is_torchvision_available():
        pytest.skip("it is installed")
    for name in {*VIDEO_ONLY} & {*KINDS}:
        done = vicabench(place, "ask", "clip.mp4", "Why?", "--model", f"./{name}")
        refuses(done, name, "pip install torchvision")
