"""`--text-only`: ViCA's language model, `hf:` models and APIs, asked without any video."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import Qwen2Config, Qwen2ForCausalLM
from vica.tiny import write_tiny_checkpoint

from tests.adapters.calling import LOOPBACK
from tests.apis import KEY, Api, serve
from tests.hf_models import CHATML, KINDS, TEXT, tokenizer_of, write_hf_model
from tests.runs import write_run
from tests.support import read_jsonl, refuses, rows_about, write_jsonl
from tests.warm import vicabench


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models and questions about videos that do not exist."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny_checkpoint(folder / "tiny", family="vica2", seed=0)
    write_hf_model(folder / "seeing", "qwen2_vl")
    tokenizer = tokenizer_of(KINDS["qwen2_vl"])
    tokenizer.chat_template = CHATML
    language = Qwen2ForCausalLM(Qwen2Config(**{**TEXT, "vocab_size": len(tokenizer)}))
    language.save_pretrained(folder / "language")
    tokenizer.save_pretrained(folder / "language")
    write_jsonl(folder / "q.jsonl", rows_about(2))
    return folder


@pytest.fixture
def api() -> Iterator[Api]:
    with serve() as api:
        yield api


def adapter_in(run: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((run / "config.json").read_text())["config"]
    assert (config["frames"], config["sampling"]) == (0, "none")
    adapter: dict[str, Any] = config["adapter"]
    assert adapter["text_only"] is True
    return adapter


@pytest.mark.parametrize("model", ["./tiny", "hf:./seeing", "hf:./language"])
def test_a_local_model_answers_without_a_video(place: Path, model: str) -> None:
    out = f"run-{Path(model).name}"
    ask = ("run", "-b", "q.jsonl", "-m", model, "--text-only", "--max-new-tokens", "3", "-o", out)
    done = vicabench(place, *ask)
    assert done.returncode == 0, done.stderr
    assert f"{model} (text only)" in done.stdout
    assert adapter_in(place / out)["max_new_tokens"] == 3
    assert all(row["error"] is None for row in read_jsonl(place / out / "predictions.jsonl"))
    write_run(place / f"{out}-sees", "lab/sees", read_jsonl(place / out / "predictions.jsonl"))
    less = vicabench(place, "compare", f"{out}-sees", "--subtract", out)
    assert less.returncode == 0, less.stderr
    assert f"Less {model} (text only)" in less.stdout
    refuses(vicabench(place, *ask[:-2], "--frames", "4", "-o", "x"), "--frames")
    refuses(vicabench(place, *ask[:-2], "--blind", "-o", "x"), "--blind")


def test_an_api_gets_the_text_alone(place: Path, api: Api) -> None:
    ask = ("run", "-b", "q.jsonl", "-m", "openai:tiny", "--base-url", f"{api.address}/v1")
    environment: dict[str, Any] = {**LOOPBACK, "OPENAI_API_KEY": KEY}
    done = vicabench(place, *ask, "--text-only", "-o", "api", **environment)
    assert done.returncode == 0, done.stderr
    assert len(api.log) == len(rows_about(2))
    messages = [json.loads(hit.body)["messages"] for hit in api.log]
    texts = {message["content"][0]["text"] for (message,) in messages}
    assert all(len(message["content"]) == 1 for (message,) in messages)
    opening = "These are frames of a video.\nWhat about object_counting?"
    assert any(text.startswith(opening) for text in texts)
    assert adapter_in(place / "api")["endpoint"] == f"{api.address}/v1"


def test_gemini_gets_the_text_and_no_upload(place: Path, api: Api) -> None:
    ask = ("run", "-b", "q.jsonl", "-m", "gemini:tiny", "--base-url", api.address)
    environment: dict[str, Any] = {**LOOPBACK, "GEMINI_API_KEY": KEY}
    done = vicabench(place, *ask, "--text-only", "-o", "gemini", **environment)
    assert done.returncode == 0, done.stderr
    bodies = [json.loads(hit.body) for hit in api.about("generateContent")]
    assert len(bodies) == len(api.log) == len(rows_about(2))  # nothing was uploaded
    parts = [part for body in bodies for part in body["contents"][0]["parts"]]
    assert len(parts) == len(bodies)
    assert all(list(part) == ["text"] for part in parts)
    assert adapter_in(place / "gemini")["text_only"]


def test_a_model_without_language_of_its_own_is_refused(place: Path) -> None:
    ask = ("run", "-b", "q.jsonl", "--text-only", "-o", "x", "-m")
    refuses(vicabench(place, *ask, "baseline:random"), "--text-only")
