"""An environment with a stand-in for vLLM, which answers with what it was shown.

It takes the arguments of vLLM's `LLM` and `SamplingParams` and returns objects of their shape; the
processes, pipes and worker are the real ones.
"""

import sys
from pathlib import Path

SOURCE = """
import json, os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace as Space

class SamplingParams:
    def __init__(self, **given):
        self.given = given

class LLM:
    def __init__(self, model, dtype, **given):
        print("loading", flush=True)  # where vLLM's chatter goes
        self.fate = Path(model, "fate")
        if (Path(model) / "refused").exists():
            raise ValueError("Model architectures ['X'] are not supported for now.")
        config = Space(dtype=f"torch.{dtype}", max_model_len=8192)
        self.llm_engine = Space(model_config=config)

    def generate(self, prompts, params, use_tqdm):
        os.write(1, b"a progress bar" * 9)
        fate = self.fate.read_text().split() if self.fate.exists() else []
        if fate[:1] == ["wait"]:
            (self.fate.parent / "pid").write_text(str(os.getpid()))
            time.sleep(600)
        if fate[:1] == ["die"] and int(fate[1]):
            self.fate.write_text(f"die {int(fate[1]) - 1}")
            os.kill(os.getpid(), signal.SIGKILL)
        if any(len(prompt["prompt_token_ids"]) > 2000 for prompt in prompts):
            raise ValueError("the prompt is too long")
        return [self.one(*each, n) for n, each in enumerate(zip(prompts, params))]

    def one(self, prompt, params, n):
        shown = sum(sum(image.tobytes()) for image in prompt["multi_modal_data"]["image"])
        ids = [ord(letter) - 33 for letter in str(shown)]  # the tokenizer's, of digits
        limit = params.given["max_tokens"]
        output = Space(token_ids=ids[:limit], logprobs=None, finish_reason="length")
        cached = 0 if n == 0 else 128
        return Space(
            prompt_token_ids=prompt["prompt_token_ids"], outputs=[output], num_cached_tokens=cached
        )
"""
PLATFORMS = """
from types import SimpleNamespace

current_platform = SimpleNamespace(device_type="cpu", get_device_name=lambda: "a stand-in")
"""


def write_environment(folder: Path) -> Path:
    """Write an interpreter whose environment has the stand-in; return its path."""
    package = folder / "packages" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(SOURCE, encoding="utf-8")
    (package / "platforms.py").write_text(PLATFORMS, encoding="utf-8")
    python = folder / "python"
    start = f'PYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"'
    python.write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")
    python.chmod(0o755)
    return python
