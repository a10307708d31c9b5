"""`--model vllm:...` without vLLM: its processes and pipes, and what it says when they fail."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.adapters.vllm_stand_in import write_environment
from tests.hf_models import write_hf_model
from tests.processes import ended, wait_until_ended
from vicabench.adapters import build_adapter
from vicabench.adapters.summary import summary
from vicabench.adapters.vllm.adapter import VllmAdapter
from vicabench.errors import ConfigError
from vicabench.types import AdapterContext, Benchmark, ModelOptions, Question, Video

CONTEXT = AdapterContext(
    benchmark=Benchmark(name="b", subset="", revision="", questions=(), files={}),
    seed=0,
    frames=2,
    options=ModelOptions(max_new_tokens=9),
)
VIDEO = Video(
    name="clip",
    path=Path("clip.mp4"),
    frames_THWC=np.arange(2 * 28 * 28 * 3, dtype=np.uint8).reshape(2, 28, 28, 3),
    seconds=(0.0, 1.0),
    duration=2.0,
)
SHOWN = str(int(VIDEO.frames_THWC.sum()))
QUESTION = Question(id="1", video="clip", task="object_counting", text="How many?", answer="1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and an interpreter that has the stand-in."""
    folder = tmp_path_factory.mktemp("place")
    write_hf_model(folder / "model", "qwen2_5_vl")
    write_environment(folder)
    return folder


@pytest.fixture
def adapter(place: Path) -> Iterator[VllmAdapter]:
    built = build(place)
    yield built
    built.close()


def build(place: Path, python: str | Path | None = None) -> VllmAdapter:
    options = replace(CONTEXT.options, vllm_python=str(python or place / "python"))
    adapter = build_adapter(f"vllm:{place / 'model'}", replace(CONTEXT, options=options))
    assert isinstance(adapter, VllmAdapter)
    return adapter


@pytest.fixture
def fate(place: Path) -> Iterator[Path]:
    """What happens to the stand-in is written to this file."""
    file = place / "model" / "fate"
    yield file
    file.unlink(missing_ok=True)


def test_frames_and_replies_pass_beside_what_the_engine_prints(adapter: VllmAdapter) -> None:
    questions = [QUESTION, replace(QUESTION, id="2", text="Why?")]
    answers = adapter.answer(VIDEO, questions)
    assert [answer.response for answer in answers] == [SHOWN, SHOWN]
    assert [answer.usage for answer in answers] == [{"cached_tokens": 0}, {"cached_tokens": 128}]
    assert adapter.spent.tokens["cached"] == 128
    assert adapter.settings["generation"]["temperature"] == 0
    assert adapter.settings["dtype"] == "float32"


def test_a_prompt_that_is_refused_costs_no_other_answer(adapter: VllmAdapter) -> None:
    long = replace(QUESTION, id="2", text="x" * 2000)
    odd = replace(QUESTION, id="3", text="<|image_pad|>")
    good, bad, worse = adapter.answer(VIDEO, [QUESTION, long, odd])
    assert good.response == SHOWN
    assert bad.error == "vllm: ValueError: the prompt is too long"
    assert "placeholder" in str(worse.error)


def test_an_engine_that_dies_is_started_again_once(adapter: VllmAdapter, fate: Path) -> None:
    fate.write_text("die 1")
    (answer,) = adapter.answer(VIDEO, [QUESTION])
    assert answer.response == SHOWN


def test_a_video_that_kills_every_engine_costs_no_other(adapter: VllmAdapter, fate: Path) -> None:
    fate.write_text("die 2")
    (answer,) = adapter.answer(VIDEO, [QUESTION])
    assert answer.error == "vllm: its process ended (signal 9, Killed)"
    (answer,) = adapter.answer(VIDEO, [QUESTION])
    assert answer.response == SHOWN


def test_no_engine_is_started_after_three_were_lost(adapter: VllmAdapter, fate: Path) -> None:
    fate.write_text("die 9")
    for _ in range(3):
        (answer,) = adapter.answer(VIDEO, [QUESTION])
    assert "lost 3 times in a row" in str(adapter.stopped)
    assert "lost 3 times in a row" in str(answer.error)
    assert fate.read_text() == "die 6"


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("missing", "does not start"),
        (sys.executable, "has no vLLM"),
        ("/bin/echo", "is not an interpreter of Python 3.11"),
        ("", "vLLM is not installed in this environment"),
    ],
)
def test_an_interpreter_that_will_not_do_is_explained(
    place: Path, python: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VICABENCH_VLLM_PYTHON", raising=False)
    options = replace(CONTEXT.options, vllm_python=python)
    with pytest.raises(ConfigError, match=f"(?s){said}.*pip install vllm"):
        build_adapter(f"vllm:{place / 'model'}", replace(CONTEXT, options=options))


def test_a_model_that_vllm_does_not_know_is_for_hf(place: Path) -> None:
    (place / "model" / "refused").touch()
    try:
        with pytest.raises(ConfigError, match="vLLM does not run this model: hf: may"):
            build(place)
    finally:
        (place / "model" / "refused").unlink()


def test_checkpoints_that_are_for_other_adapters_are_refused(place: Path) -> None:
    for model_type, said in {"internvl_chat": "run it with hf:", "vica_qwen": "leave out"}.items():
        folder = place / model_type
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        options = replace(CONTEXT.options, vllm_python=str(place / "python"))
        with pytest.raises(ConfigError, match=said):
            build_adapter(f"vllm:{folder}", replace(CONTEXT, options=options))


def test_the_tokens_of_a_video_are_those_of_hf(place: Path) -> None:
    model = place / "model"
    assert summary(f"vllm:{model}", frames=2) == summary(f"hf:{model}", frames=2)


WAITING = """
import sys
from vicabench.adapters.vllm.engine import Engine

seen = {"shape": [0], "metadata": None, "uuids": [], "options": {}}
Engine(sys.argv[1], {"model": sys.argv[2], "dtype": "float32"}).answer({**seen, "prompts": []}, b"")
"""
"""A run that waits for its engine's replies."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_engine_ends_with_the_run(place: Path, fate: Path, number: int) -> None:
    fate.write_text("wait")
    pid = place / "model" / "pid"
    run = subprocess.Popen([sys.executable, "-c", WAITING, place / "python", place / "model"])
    while not pid.exists() or not pid.read_text():
        assert run.poll() is None
        time.sleep(0.05)
    engine = int(pid.read_text())
    pid.unlink()
    assert not ended(engine)
    run.send_signal(number)
    assert run.wait(60) != 0
    wait_until_ended(engine)
