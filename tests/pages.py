"""The documentation as what can be tried: its blocks of code, and the commands within."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from vicabench.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "models/*.md", "docs/**/*.md", "reports/**/*.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)
Tokens = list[str]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block; the title of one that is code says what it needs, or how it ends."""

    page: str
    line: int
    language: str
    title: str
    code: str

    @property
    def needs(self) -> bool:
        """Whether it needs more than a test has."""
        return self.title.startswith("Needs ")

    @property
    def ends_with(self) -> int:
        """The exit code of its last command."""
        stated = re.match(r"Exits with (\d+): ", self.title)
        return int(stated[1]) if stated else 0

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    text = text_of(page)
    return tuple(
        Block(
            page=page,
            line=text[: match.start()].count("\n") + 1,
            language=match[1],
            title=match[2] or "",
            code=match[3],
        )
        for match in FENCE.finditer(text)
    )


def inline(page: str) -> Iterator[str]:
    """What stands in `backticks` outside blocks."""
    for match in re.finditer(r"`([^`\n]+)`", FENCE.sub("", text_of(page))):
        yield match[1].replace(r"\|", "|")


def simple_commands(script: str) -> Iterator[Tokens]:
    """The commands of a script, each without the pipes and the like around it."""
    for line in HEREDOC.sub("", script).replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        words.whitespace_split = True
        command: Tokens = []
        for word in words:
            if set(word) <= set("&|;<>"):
                yield command
                command = []
            else:
                command.append(word)
        yield command


def arguments_of_ours(command: Tokens) -> Tokens | None:
    """What is given to `vicabench` in a command, also within `srun vicabench`; None if nothing."""
    for place, word in enumerate(command):
        if word == "vicabench" or word.endswith("/vicabench"):
            return command[place + 1 :]
    return None


def named(arguments: Tokens) -> tuple[Any, Tokens]:
    """The command that the first words name, perhaps a group, and the words that are left."""
    command, left = the_command(), list(arguments)
    while left and (within := commands_in(command)) and not left[0].startswith("-"):
        assert left[0] in within, f"there is no command {left[0]!r}"
        command = within[left.pop(0)]
    return command, left


@cache
def the_command() -> Any:
    """Everything that can be typed, of which nothing changes."""
    return typer.main.get_command(app)


def commands_in(command: Any) -> Mapping[str, Any]:
    return getattr(command, "commands", {})


def options_of(command: Any) -> set[str]:
    """The options of a command, or of all commands of a group."""
    both = (name for p in command.params for name in (*p.opts, *p.secondary_opts))
    own = set(both)
    return own.union({"--help"}, *(options_of(child) for child in commands_in(command).values()))
