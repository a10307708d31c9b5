"""Which adapter `--model SPEC` names, and which options it accepts; no model is loaded."""

import os
from pathlib import Path

import pytest

from tests.support import Vicabench, install_adapter, read_jsonl, refuses

# `listener` accepts one option, and answers with its value.
LISTENER = """
from vicabench.types import Answer

class Listener:
    needs_video = False
    accepts_options = ("max_new_tokens",)
    def __init__(self, argument, context):
        self.settings = {"max_new_tokens": context.options.max_new_tokens}
    def answer(self, video, questions):
        return [Answer(question_id=q.id, response=str(self.settings)) for q in questions]
"""


@pytest.mark.parametrize("model", ["baseline:random", "listener"])
def test_an_option_that_would_be_ignored_is_refused(
    vicabench: Vicabench, clips: Path, tmp_path: Path, model: str
) -> None:
    extra = install_adapter(tmp_path / "site", "listener", LISTENER, "Listener")
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", model, "--no-video",
        "--blind", "--dtype", "float16", **extra,
    )  # fmt: skip
    refuses(done, model, "--dtype, --blind")


def test_adapters_of_other_packages_accept_options(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "listener", LISTENER, "Listener")
    done = vicabench(
        "run", "--benchmark", clips / "questions.jsonl", "--model", "listener", "--no-video",
        "--max-new-tokens", "7", "--out", "run", **extra,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "7" in read_jsonl(tmp_path / "run" / "predictions.jsonl")[0]["response"]


@pytest.mark.parametrize(
    ("package", "model", "extra"), [("torch", "lab/m", "models"), ("openai", "openai:m", "api")]
)
def test_a_missing_extra_is_named_with_its_install_command(
    vicabench: Vicabench, clips: Path, tmp_path: Path, package: str, model: str, extra: str
) -> None:
    """A stub hides the package, wherever the tests run."""
    (tmp_path / "site").mkdir()
    absent = f'raise ModuleNotFoundError("No module named \'{package}\'", name="{package}")\n'
    (tmp_path / "site" / f"{package}.py").write_text(absent, encoding="utf-8")
    path = f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    benchmark = clips / "questions.jsonl"
    done = vicabench("run", "--benchmark", benchmark, "--model", model, PYTHONPATH=path)
    refuses(done, f'pip install "vicabench[{extra}]"')


@pytest.mark.parametrize("model", ["gpt-9", "other:lab/model"])
def test_an_unknown_adapter_is_refused(vicabench: Vicabench, clips: Path, model: str) -> None:
    done = vicabench("run", "--benchmark", clips / "questions.jsonl", "--model", model)
    refuses(done, model, "baseline:", "a folder", "nkkbr/ViCA2")
