"""What the machine has and lacks, as a whole: `vicabench doctor`.

The parts of the examination run in parallel and report in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

import vicabench
from vicabench.benchmarks.paths import cache_dir
from vicabench.doctor.decoders import decoders
from vicabench.doctor.devices import devices
from vicabench.doctor.findings import BROKEN, NOTE, OK, WARNING, Finding
from vicabench.doctor.machine import caches, hub, hub_cache, machine
from vicabench.doctor.software import extras, software
from vicabench.errors import counted
from vicabench.screen import as_text, print_trimmed

if TYPE_CHECKING:
    from pandas import DataFrame

MARKS = {OK: ("ok", "green"), NOTE: ("", ""), WARNING: ("!", "yellow"), BROKEN: ("✗", "bold red")}
Part = Callable[[], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All findings; `healthy` says that nothing vicabench needs is broken."""

    findings: tuple[Finding, ...]

    @property
    def broken(self) -> list[str]:
        """The names of what is broken."""
        return [finding.name for finding in self.findings if finding.state == BROKEN]

    @property
    def healthy(self) -> bool:
        """Whether nothing that vicabench needs is broken."""
        return not self.broken

    def to_dict(self) -> dict[str, Any]:
        """All findings as JSON values: what `vicabench doctor --json` prints."""
        return {
            "vicabench": vicabench.__version__,
            "healthy": self.healthy,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def frame(self) -> DataFrame:
        """One row a finding: section, name, text, state, remedy, facts."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        return pd.DataFrame([asdict(finding) for finding in self.findings])

    def show(self, screen: Console) -> None:
        """Print all findings and the verdict."""
        print_trimmed(screen, _table(self.findings))
        broken = ", ".join(self.broken)
        verdict = f"Broken: {broken}." if broken else "Nothing that vicabench needs is broken."
        screen.print(Text(verdict, style="bold"))

    def table(self) -> str:
        """The findings as plain text."""
        return as_text(lambda page: page.print(_table(self.findings)))

    def __repr__(self) -> str:
        state = "healthy" if self.healthy else f"broken: {', '.join(self.broken)}"
        return f"<This machine: {counted(len(self.findings), 'finding')}, {state}>"


def examine_machine(frame_cache: str | Path | None = None) -> Examination:
    """Say what works on this machine and what does not, with what puts it right.

    Versions, devices, memory, disks, decoders, the hub, caches and extras. Nothing is changed.
    `frame_cache` is a frame cache that is looked at, too.
    """
    folder = None if frame_cache is None else Path(frame_cache)
    return Examination(findings=tuple(examine(folder)))


def _table(found: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section, findings in groupby(found, lambda finding: finding.section):
        table.add_row("", Text(section, style="bold"), "")
        for finding in findings:
            mark, style = MARKS[finding.state]
            table.add_row(Text(mark, style=style), Text(finding.name), _said(finding))
    return table


def _said(finding: Finding) -> Text:
    text = Text(finding.text)
    if finding.remedy:
        text.append(f"\n→ {finding.remedy}", style="cyan")
    return text


def examine(frame_cache: Path | None = None) -> Iterator[Finding]:
    """All findings, section by section; an error in one part does not affect the others."""
    folders = [Path.cwd(), hub_cache(), cache_dir(), *([frame_cache] if frame_cache else [])]
    parts: dict[str, Part] = {
        "software": software,
        "machine": lambda: machine(folders),
        "devices": devices,
        "decoders": decoders,
        "hub": hub,
        "caches": lambda: caches(frame_cache),
        "extras": extras,
    }
    with ThreadPoolExecutor(len(parts)) as threads:
        futures = [threads.submit(_listed, name, part) for name, part in parts.items()]
        for future in futures:
            yield from future.result()


def _listed(name: str, part: Part) -> list[Finding]:
    try:
        return list(part())
    except Exception as error:  # a broken machine can raise anything here
        text = f"could not be examined: {type(error).__name__}: {error}"
        return [Finding(section=name, name=name, text=text, state=WARNING)]
