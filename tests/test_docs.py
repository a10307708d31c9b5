"""What the documentation says to type is typed, or is checked to exist if it needs more than here.

Commands run in a folder where the tutorial's runs are, on two small rooms in place of twelve.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from vica.tiny import write_tiny_checkpoint

import vicabench as vb
from docs.notebook import NOTEBOOK, execute
from tests.pages import (
    PAGES,
    ROOT,
    Block,
    arguments_of_ours,
    blocks,
    inline,
    named,
    options_of,
    simple_commands,
    text_of,
)
from tests.videos import write_clip
from vicabench.rooms.build import build

pytestmark = pytest.mark.xdist_group("docs")

MADE_BY = "reports/"
"""Pages of results: the commands there are those that made them, and are not run again."""
OF_OTHERS = {"--array", "--log_samples", "--media-io-kwargs", "--packs", "--shm-size"}
"""Options of Slurm, lmms-eval, vLLM, `benchmarks/training.py` and Docker."""
RUNNABLE = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "bash" and not block.needs and not page.startswith(MADE_BY)
]
PYTHON = [b for page in PAGES for b in blocks(page) if b.language == "python" and not b.needs]
BASELINES = ("random", "frequency", "oracle")
HERE = {"--benchmark rooms ": "--benchmark small/rooms.jsonl "}


class Workspace:
    """A folder in which commands of the documentation run as they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        build(path / "small", scenes=2, seed=0, width=64, height=48, fps=1, workers=1)
        (path / "small/questions.jsonl").rename(path / "small/rooms.jsonl")
        (path / "runs").mkdir()
        (path / "runs/rooms").symlink_to("rooms.jsonl", target_is_directory=True)
        self._install()
        models = " ".join(f"--model baseline:{name}" for name in BASELINES)
        self.run(f"vicabench run --benchmark rooms {models}").check_returncode()

    def _install(self) -> None:
        """Put the commands where `pip install` puts them: that is what was done before tests."""
        ours = f'exec {shlex.quote(sys.executable)} -m vicabench "$@"'
        for folder in ("bin", "vb/bin"):
            (self.path / folder).mkdir(parents=True)
            for name, does in {"vicabench": ours, "pip": ":", "python3": ":"}.items():
                script = self.path / folder / name
                script.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
                script.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a block in bash, where the first command that fails ends it."""
        for name, here in HERE.items():
            script = script.replace(name, here)
        offline = {"VICABENCH_CACHE": str(self.path / "cache"), "HF_HUB_OFFLINE": "1"}
        path = f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.path,
            env={**os.environ, **offline, "PATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_commands_of_the_documentation_run_as_they_stand(
    workspace: Workspace, block: Block
) -> None:
    done = workspace.run(block.code)
    assert done.returncode == block.ends_with, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_need_more_than_a_test_has_can_be_typed(page: str) -> None:
    """They are parsed by the command line itself, which knows its options and their values."""
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    for block in blocks(page):
        for command in simple_commands(block.code) if block.language == "bash" else ():
            for group in re.findall(r"\.\[([\w,]+)\]", " ".join(command)):
                assert set(group.split(",")) <= set(extras), block
            arguments = arguments_of_ours(command)
            if arguments is not None:
                ours, left = named(arguments)
                if "--config" not in left:  # which reads the file at once
                    ours.make_context(str(block), left)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_that_are_mentioned_exist(page: str) -> None:
    if page == "CHANGELOG.md" or page.startswith(MADE_BY):
        return  # they tell of what is gone, and of options of the benchmarks
    everything = options_of(named([])[0])
    for text in inline(page):
        if text.startswith("--"):
            assert text.split()[0].split("=")[0] in everything | OF_OTHERS, text
        elif text.startswith("vicabench "):
            ours, left = named([word for word in shlex.split(text)[1:] if word != "..."])
            asked = {word.split("=")[0] for word in left if word.startswith("--")}
            assert asked <= options_of(ours), text


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_what_it_needs_and_every_link_leads_somewhere(page: str) -> None:
    text = text_of(page)
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(blocks(page))
    for block in blocks(page):
        assert block.needs or block.ends_with or not block.title, block
        assert block.language in {"bash", "python", "json", "toml", "yaml", "text"}, block
    for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link


@pytest.mark.parametrize("page", sorted({block.page for block in PYTHON}))
def test_the_python_of_the_documentation_runs_as_it_stands(
    workspace: Workspace,
    page: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(workspace.path)
    code = "\n".join(block.code for block in PYTHON if block.page == page)
    code = code.replace('benchmark("rooms"', 'benchmark("small/rooms.jsonl"')
    if "nkkbr/" in code:
        code = with_stand_ins(code, workspace.path / f"for-{Path(page).parent.name}")
    found: dict[str, object] = {}
    exec(code, found)
    if "predictor" in found:  # what is printed is the replies
        prompts, predictor, video = (found[name] for name in ("prompts", "predictor", "video"))
        first, *_ = replies = predictor.answer(video, prompts)  # type: ignore[attr-defined]
        # The library's page has a second way, by transformers: it says to the same prompt the same.
        second = [first] if "AutoProcessor" in code else []
        said = "".join(f"{reply.text}\n" for reply in [*replies, *second])
        assert capsys.readouterr().out.endswith(said)  # README shows a table first


def test_the_notebook_runs_and_gives_what_it_shows(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.path)
    kept = NOTEBOOK.read_text(encoding="utf-8")
    small = json.loads(kept.replace(r"benchmark(\"rooms\"", r"benchmark(\"small/rooms.jsonl\""))
    execute(small)
    assert kinds_of(small) == kinds_of(json.loads(kept))
    assert len(kept) < 200_000  # it is kept with its outputs, which are small


def kinds_of(notebook: dict[str, Any]) -> list[list[str]]:
    """What each cell of code gives: text that it prints, or the types of its value."""
    return [
        [kind for output in cell["outputs"] for kind in output.get("data", ["stdout"])]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_the_front_door_is_documented_whole() -> None:
    named = re.findall(r"^::: vicabench\.(\w+)$", text_of("docs/api/front.md"), re.MULTILINE)
    assert sorted(named) == sorted(vb.__all__)
    for name in vb.__all__:
        assert getattr(vb, name).__doc__, name


def with_stand_ins(code: str, folder: Path) -> str:
    """A tiny checkpoint, whose replies end after three tokens, and a clip for the names there."""
    folder.mkdir()
    tiny, clip = write_tiny_checkpoint(folder / "tiny7"), write_clip(folder / "clip.mp4")
    settings = tiny / "generation_config.json"
    stated = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({**stated, "max_new_tokens": 3}), encoding="utf-8")
    for name, here in {"nkkbr/ViCA2": str(tiny), "room.mp4": str(clip), '"cuda"': '"cpu"'}.items():
        assert name in code
        code = code.replace(name, here)
    return code
