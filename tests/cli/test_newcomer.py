"""A new command and a new figure are one file each, with nothing else to be changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.runs import write_run
from tests.support import rows_about

ROOT = Path(__file__).parents[2]
COMMAND = '''
import typer
from vicabench.screen import say

def command(name: str = typer.Argument()) -> None:
    """Greet somebody.

    In a friendly way.
    """
    say(f"Hello, {name}")
'''
FIGURE = '''
from vicabench.reporting.figures.added import figure_of_runs
from vicabench.reporting.figures.style import COLUMN, blank

@figure_of_runs
def replies(runs, protocol):
    """How many replies each run has."""
    figure = blank(COLUMN, 2.0, says="Replies")
    axes = figure.add_subplot()
    axes.barh([run.name for run in runs], [len(run.predictions) for run in runs])
    return figure
'''


def test_a_new_command_and_a_new_figure_are_a_file_each(tmp_path: Path) -> None:
    copy = shutil.copytree(
        ROOT / "vicabench",
        tmp_path / "copy" / "vicabench",
        ignore=shutil.ignore_patterns("checkpoints", "__pycache__"),
    )
    (copy / "cli" / "say_hello.py").write_text(COMMAND, encoding="utf-8")
    (copy / "reporting" / "figures" / "replies.py").write_text(FIGURE, encoding="utf-8")
    write_run(tmp_path / "run", "lab/run", [{**row, "response": "2"} for row in rows_about(3)])

    def vicabench(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "vicabench", *arguments]
        env = {**os.environ, "PYTHONPATH": str(copy.parent), "NO_COLOR": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "Greet somebody." in vicabench("--help")
    assert "Hello, Ada" in vicabench("say-hello", "Ada")
    vicabench("figures", "run", "--kind", "replies", "--format", "svg")
    assert "lab/run" in (tmp_path / "figures" / "replies.svg").read_text(encoding="utf-8")
