"""The help of commands: panels, short names, options for experts, and what shells complete."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.support import Vicabench
from vicabench.cli.main import app

SCREEN = 50  # lines
PANELS = ["What to ask", "Model", "Video", "Speed and memory", "Where to run", "API", "Output"]


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


def test_help_of_run_fits_two_screens_in_panels(vicabench: Vicabench) -> None:
    done = vicabench("run", "--help", COLUMNS="100")
    lines = done.stdout.splitlines()
    assert len(lines) <= 2 * SCREEN
    assert max(map(len, lines)) <= 100
    titles = [line.strip("╭╮─ ") for line in lines if line.startswith("╭")]
    assert [title for title in titles if title != "Help"] == PANELS
    for noise in ("<bool>", "BOOLEAN", "[default: no-", "--no-blind", "x>=1"):
        assert noise not in done.stdout
    assert "-m, --model SPEC" in done.stdout
    assert "--retry-wait" not in done.stdout
    everything = vicabench("run", "--help-all", COLUMNS="100").stdout
    assert "--retry-wait SECONDS" in everything
    assert "--help-all\n" in done.stdout.rstrip() + "\n"


def test_short_names_work_in_every_command() -> None:
    short = {"--model": "-m", "--benchmark": "-b", "--out": "-o"}
    found = dict.fromkeys(short.values(), 0)
    for path, command in commands(typer.main.get_command(app)):
        for option in command.params:
            for long in set(short) & set(option.opts):
                assert short[long] in option.opts, (path, long)
                found[short[long]] += 1
    assert min(found.values()) > 4


def test_h_is_help_in_commands_and_groups(vicabench: Vicabench) -> None:
    for path in ((), ("score",), ("models", "show")):
        assert vicabench(*path, "-h").stdout == vicabench(*path, "--help").stdout != ""


COMPLETED = {
    "run --model nkkbr/ViCA2-5": "nkkbr/ViCA2-50p",
    "run -m vica2-r": "vica2-rooms",
    "run -m baseline:f": "baseline:frequency",
    "run -b r": "rooms",
    "run --tasks route_planning,object_c": "route_planning,object_counting",
    "score p --protocol off": "official",
    "sco": "score",
    "run --retry-w": "--retry-wait",
    "models sh": "show",
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_shells_complete_commands_options_and_values(typed: str, vicabench: Vicabench) -> None:
    words = f"vicabench {typed}"
    done = vicabench(
        _VICABENCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" "))
    )
    assert COMPLETED[typed] in done.stdout.splitlines()
