"""What `vicabench doctor` does once its options are parsed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

import vicabench
from vicabench.doctor.examination import examine
from vicabench.doctor.findings import BROKEN, NOTE, OK, WARNING, Finding
from vicabench.screen import console, echo, print_trimmed

MARKS = {OK: ("ok", "green"), NOTE: ("", ""), WARNING: ("!", "yellow"), BROKEN: ("✗", "bold red")}


def examine_machine(frame_cache: Path | None, *, as_json: bool) -> None:
    """Print all findings, and exit with 1 if something required is broken."""
    found = list(examine(frame_cache))
    healthy = all(finding.state != BROKEN for finding in found)
    if as_json:
        record = {
            "vicabench": vicabench.__version__,
            "healthy": healthy,
            "findings": [asdict(finding) for finding in found],
        }
        echo(json.dumps(record, indent=2))
    else:
        _print(found, console(), healthy=healthy)
    sys.exit(0 if healthy else 1)


def _print(found: Sequence[Finding], screen: Console, *, healthy: bool) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for section, findings in groupby(found, lambda finding: finding.section):
        table.add_row("", Text(section, style="bold"), "")
        for finding in findings:
            mark, style = MARKS[finding.state]
            table.add_row(Text(mark, style=style), Text(finding.name), _said(finding))
    print_trimmed(screen, table)
    broken = ", ".join(finding.name for finding in found if finding.state == BROKEN)
    verdict = "Nothing that vicabench needs is broken." if healthy else f"Broken: {broken}."
    screen.print(Text(verdict, style="bold"))


def _said(finding: Finding) -> Text:
    text = Text(finding.text)
    if finding.remedy:
        text.append(f"\n→ {finding.remedy}", style="cyan")
    return text
