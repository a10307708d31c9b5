"""`--model CHECKPOINT`: the ViCA family asked by the benchmark, on tiny checkpoints."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vica
from safetensors.torch import load_file, save_file
from vica.chat import prompt, time_instruction, vsi_bench_question
from vica.video import read_frames

from tests import hub as hubs
from tests.support import read_jsonl, refuses
from tests.warm import vicabench
from vicabench.adapters import build_adapter
from vicabench.adapters.vica import build
from vicabench.benchmarks import Source, load_benchmark
from vicabench.errors import ConfigError
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question, Video

FRAMES, NEW = 4, 6
Done = subprocess.CompletedProcess[str]


def ask(place: Path, *arguments: str, env: dict[str, str] | None = None) -> Done:
    command = (
        "run", "--benchmark", "questions.jsonl",
        "--frames", str(FRAMES), "--max-new-tokens", str(NEW), *arguments,
    )  # fmt: skip
    if env is None:
        return vicabench(place, *command)
    words = [sys.executable, "-m", "vicabench", *command]
    return subprocess.run(
        words, cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def settings(run: Path) -> Any:
    return json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]["adapter"]


def replies(run: Path) -> dict[str, tuple[str, int, int, str]]:
    return {
        line["id"]: (line["response"], line["prompt_tokens"], line["new_tokens"], line["stop"])
        for line in read_jsonl(run / "predictions.jsonl")
    }


def from_the_library(
    place: Path, *, blind: bool = False, timed: bool = False
) -> dict[str, tuple[str, int, int, str]]:
    """The answers of the library `vica`."""
    model, processor = vica.load_model(place / "tiny"), vica.load_processor(place / "tiny")
    replies_by_id = {}
    for row in read_jsonl(place / "questions.jsonl"):
        frames = read_frames(place / f"{row['video']}.mp4", FRAMES)
        pixels_THWC = np.full_like(frames.pixels_THWC, 128) if blind else frames.pixels_THWC
        times = time_instruction(frames.duration, frames.seconds) if timed else ""
        text = prompt(
            vsi_bench_question(row["question"], row["options"] or (), time_instruction=times)
        )
        reply = next(vica.answer(model, processor, pixels_THWC, [text], max_new_tokens=NEW))
        replies_by_id[row["id"]] = (reply.text, reply.prompt_tokens, reply.new_tokens, reply.stop)
    return replies_by_id


@pytest.fixture(scope="module")
def first(place: Path) -> Done:
    return ask(place, "--model", "./tiny", "--out", "first")


def test_a_checkpoint_answers_like_the_library(place: Path, first: Done) -> None:
    assert first.returncode == 0, first.stderr
    assert "./tiny" in first.stdout
    assert "Loading weights" not in first.stderr
    assert replies(place / "first") == from_the_library(place)
    recorded = settings(place / "first")
    assert (recorded["family"], recorded["device"], recorded["dtype"]) == (
        "ViCA2",
        "cpu",
        "float32",
    )
    assert (recorded["blind"], recorded["generation"]["max_new_tokens"], recorded["attention"]) == (
        False,
        NEW,
        "sdpa",
    )
    assert len(recorded["checkpoint"]["sha256"]) == 64


def test_another_dtype_does_not_continue_the_run(place: Path, first: Done) -> None:
    assert first.returncode == 0, first.stderr
    refused = ask(place, "--model", "./tiny", "--out", "first", "--dtype", "bfloat16")
    refuses(refused, 'adapter.dtype: "float32" there, "bfloat16" now')
    assert refused.stderr.count("there,") == 1


def test_a_blind_run_sees_grey_and_tables_say_so(place: Path) -> None:
    done = ask(place, "--model", "tiny", "--blind", "--time-instruction")
    assert done.returncode == 0, done.stderr
    assert "tiny (blind)" in done.stdout
    run = place / "runs" / "questions.jsonl" / "tiny-blind"
    assert settings(run)["blind"] is settings(run)["time_instruction"] is True
    seen = from_the_library(place, timed=True)
    assert replies(run) == from_the_library(place, blind=True, timed=True) != seen


def test_a_hub_id_is_loaded_from_its_commit(place: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in (place / "tiny").iterdir()}
    with hubs.serve({"models/lab/ViCA2-50p": files}) as hub:
        done = ask(place, "--model", "lab/ViCA2-50p", "--out", "hub", env=hub.environment(tmp_path))
        commit = hub.repositories["models/lab/ViCA2-50p"][-1].commit
    assert done.returncode == 0, done.stderr
    assert "lab/ViCA2-50p" in done.stdout
    assert settings(place / "hub")["checkpoint"] == {"commit": commit}
    assert {line["id"] for line in read_jsonl(place / "hub" / "predictions.jsonl")} == {
        "0-0", "0-8", "1-0", "1-8",
    }  # fmt: skip


def drawn(run: Path) -> dict[tuple[str, int], str]:
    lines = read_jsonl(run / "predictions.jsonl")
    return {(line["id"], line.get("repeat", 0)): line["response"] for line in lines}


def test_repeats_are_drawn_from_their_seeds_and_one_prefill(place: Path, first: Done) -> None:
    assert first.returncode == 0, first.stderr
    how = ("--model", "./tiny", "--temperature", "1", "--top-p", "0.95", "--repeats")
    done = ask(place, *how, "4", "--out", "drawn")
    assert done.returncode == 0, done.stderr
    replies_of = drawn(place / "drawn")
    assert len(replies_of) == 16
    assert len(set(replies_of.values())) > 12
    assert settings(place / "drawn")["sampling"] == {"temperature": 1.0, "top_p": 0.95}
    assert "sampling" not in settings(place / "first")

    # In other groups, of fewer videos, and continued, the replies are the same.
    for repeats, more in (("2", ("--limit", "1")), ("4", ("--group-size", "3"))):
        assert ask(place, *how, repeats, *more, "--out", "grown").returncode == 0
    assert drawn(place / "grown") == replies_of
    other = ask(place, *how, "4", "--seed", "5", "--out", "other")
    assert other.returncode == 0, other.stderr
    assert drawn(place / "other") != replies_of

    read, once = (read_jsonl(place / run / "timing.jsonl")[-1] for run in ("drawn", "first"))
    before, after = (each["spent"]["tokens"]["prefill"] for each in (once, read))
    assert after == before
    refused = ask(place, "--model", "./tiny", "--repeats", "2", "--out", "no")
    refuses(refused, "--temperature")


@pytest.fixture
def benchmark(place: Path) -> Benchmark:
    return load_benchmark(str(place / "questions.jsonl"), Source())


def context(benchmark: Benchmark, frames: int = FRAMES, **options: Any) -> AdapterContext:
    return AdapterContext(
        benchmark=benchmark, seed=0, frames=frames, options=ModelOptions(**options)
    )


def lose_a_shard(folder: Path) -> None:
    sorted(folder.glob("*.safetensors"))[0].unlink()


def cut_a_shard(folder: Path) -> None:
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-9])


def misshape(folder: Path) -> None:
    rewrite(folder, {"model.image_newline": torch.zeros(3)})


def add_a_key(folder: Path) -> None:
    rewrite(folder, {"model.other.weight": torch.zeros(3)})


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Replace tensors in their shards, or add them to the shard with `model.norm.weight`."""
    for shard in sorted(folder.glob("*.safetensors")):
        held = load_file(shard)
        if held.keys() & tensors.keys() or "model.norm.weight" in held:
            save_file({**held, **tensors}, shard, metadata={"format": "pt"})


def be_of_another_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "qwen2_vl"}', encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lose_a_shard, "missing files: model-00001-of-0000"),
        (cut_a_shard, "damaged or cut short"),
        (misshape, "model.image_newline is [3], not [64]"),
        (add_a_key, "model.other.weight"),
        (be_of_another_family, "'qwen2_vl'; known are llava_qwen (ViCA) and vica_qwen (ViCA2)"),
    ],
)
def test_a_broken_checkpoint_is_refused_with_the_reason(
    place: Path,
    benchmark: Benchmark,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    words: str,
) -> None:
    folder = Path(shutil.copytree(place / "tiny", tmp_path / "broken"))
    spoil(folder)
    with pytest.raises(ConfigError) as refused:
        build_adapter(f"vica:{folder}", context(benchmark))
    assert words in str(refused.value)


def test_a_broken_checkpoint_is_reported_in_one_paragraph(place: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(place / "tiny", tmp_path / "broken"))
    lose_a_shard(folder)
    done = ask(place, "--model", str(folder))
    refuses(done, "vicabench: ", "missing files")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "int8"}, "bfloat16"),
        ({"device": "toaster"}, "--device toaster"),
        ({"attention": "flash_attention_2"}, "pip install 'vicabench[gpu]'"),
        ({"attention": "linear"}, "sdpa"),
    ],
)
def test_an_invalid_option_is_refused(
    place: Path, benchmark: Benchmark, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        build_adapter(str(place / "tiny"), context(benchmark, **options))
    assert words in str(refused.value)


def test_refusal_of_too_many_frames_says_by_how_much(place: Path, benchmark: Benchmark) -> None:
    with pytest.raises(ConfigError, match="27,232 more than the context of 32,768"):
        build_adapter(str(place / "tiny"), context(benchmark, frames=2000))


def test_changed_weights_change_the_configuration(
    place: Path, benchmark: Benchmark, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(place / "tiny", tmp_path / "trained"))
    before = build_adapter(str(folder), context(benchmark)).settings["checkpoint"]
    for shard in folder.glob("*.safetensors"):
        trained = {name: 1.01 * tensor for name, tensor in load_file(shard).items()}
        save_file(trained, shard, metadata={"format": "pt"})
    after = build_adapter(f"vica:{folder}", context(benchmark)).settings["checkpoint"]
    assert before["sha256"] != after["sha256"]
    assert before["of"] == after["of"]


def asked_about(place: Path, texts: dict[str, str]) -> tuple[Video, list[Question]]:
    frames = read_frames(place / "clip0.mp4", FRAMES)
    video = Video(
        name="clip0",
        path=place / "clip0.mp4",
        frames_THWC=frames.pixels_THWC,
        seconds=frames.seconds,
        duration=frames.duration,
    )
    questions = [
        Question(id=name, video="clip0", task="object_counting", text=text, answer="1")
        for name, text in texts.items()
    ]
    return video, questions


def test_a_too_long_question_fails_alone(place: Path, benchmark: Benchmark) -> None:
    adapter = build(str(place / "tiny"), context(benchmark, max_new_tokens=NEW))
    video, questions = asked_about(place, {"long": "How long? " * 4000, "short": "How long?"})
    long, short = adapter.answer(video, questions)
    assert long.error is not None
    assert "more than the context of 32,768" in long.error
    assert short.error is None
    assert short.new_tokens == NEW


def test_a_video_is_encoded_and_prefilled_once(place: Path, benchmark: Benchmark) -> None:
    adapter = build(str(place / "tiny"), context(benchmark, max_new_tokens=1))
    seen: list[str] = []
    for name in ("vision_tower", "sam_tower", "layers.0.mlp.down_proj"):
        tower = adapter.predictor.model.model.get_submodule(name)
        tower.register_forward_hook(lambda *_, name=name: seen.append(name))
    video, questions = asked_about(place, {str(n): f"How many, {n}?" for n in range(5)})
    assert all(answer.error is None for answer in adapter.answer(video, questions))
    # The layers read the video once, then all questions together.
    layer = "layers.0.mlp.down_proj"
    assert sorted(seen) == [layer, layer, "sam_tower", "vision_tower"]
    assert adapter.spent.tokens["answers"] == 5


def test_one_changed_tensor_does_not_continue_a_run(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "place", symlinks=True)
    here = tmp_path / "place"
    assert ask(here, "--model", "./tiny", "--out", "r", "--limit", "1").returncode == 0
    change(here / "tiny", "model.mm_projector.0.weight", 0.0)
    refuses(ask(here, "--model", "./tiny", "--out", "r"), "adapter.checkpoint")


def test_scores_that_are_nan_are_errors(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "place", symlinks=True)
    here = tmp_path / "place"
    change(here / "tiny", "lm_head.weight", float("nan"))
    done = ask(here, "--model", "./tiny", "--out", "r", "--wording", "vsi-bench")
    assert done.returncode == 1, done.stderr
    assert settings(here / "r")["prompt"]["wording"] == "VSI-Bench's own"
    errors = {line["error"] for line in read_jsonl(here / "r" / "predictions.jsonl")}
    assert all("scores are NaN" in error for error in errors)


def test_a_bad_generation_config_or_revision_is_refused(
    place: Path, tmp_path: Path, benchmark: Benchmark
) -> None:
    shutil.copytree(place / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny" / "generation_config.json").write_text("{", encoding="utf-8")
    for spec, words in (
        (f"{tmp_path}/tiny", "generation_config.json"),
        (f"{tmp_path}/tiny@main", "@"),
    ):
        with pytest.raises((ConfigError, vica.CheckpointError), match=words):
            build(spec, context(benchmark))


def test_settings_against_greedy_decoding_are_refused(place: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(place / "tiny", tmp_path / "beams"))
    settings = folder / "generation_config.json"
    stated = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({**stated, "num_beams": 4}), encoding="utf-8")
    refuses(ask(place, "--model", str(folder)), "generation_config.json", "num_beams")


SHORT = """
import resource, sys
from pathlib import Path
import numpy as np
import torch
from vicabench.adapters.vica import build
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question, Video

torch.set_num_threads(1)
benchmark = Benchmark(name="b", subset="", revision="", questions=(), files={})
options = ModelOptions(max_new_tokens=2, blind=True)
adapter = build(sys.argv[1], AdapterContext(benchmark=benchmark, seed=0, options=options))
frames_THWC = np.zeros((8, 1200, 1600, 3), np.uint8)  # 46 MB, and as much if grey
video = Video(name="v", path=Path("v"), frames_THWC=frames_THWC, seconds=(), duration=1.0)
question = Question(id="q", video="v", task="object_counting", text="How many?", answer="1")
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000, before[1]))
prepared = adapter.prepare(video)
resource.setrlimit(resource.RLIMIT_AS, before)
(answer,) = adapter.answer(video, [question])
print(prepared, answer.new_tokens, answer.error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_a_video_too_large_to_prepare_ahead_is_answered(
    place: Path,
) -> None:
    command = [sys.executable, "-c", SHORT, str(place / "tiny")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["None", "2", "None"], done.stderr


def change(folder: Path, name: str, value: float) -> None:
    """Fill one tensor of a checkpoint with a value."""
    for path in folder.glob("*.safetensors"):
        tensors = load_file(path)
        if name in tensors:
            save_file({**tensors, name: torch.full_like(tensors[name], value)}, path)
            return
    raise KeyError(name)
