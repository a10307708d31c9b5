"""The report as tables, in Markdown for a README or LaTeX for a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from vicabench.errors import printable
from vicabench.reporting.comparison import paired_sheet
from vicabench.reporting.page.report import Report
from vicabench.reporting.scores import latex, markdown
from vicabench.reporting.tables import Sheet, cell_text, latex_sheets, markdown_sheets
from vicabench.results.run import Run
from vicabench.types import OUTCOMES

HEX = re.compile("[0-9a-f]{40,}")  # a commit or a digest, of which the first digits will do


def markdown_report(report: Report) -> str:
    """Scores, valid outputs, protocols, comparisons and provenance in Markdown."""
    code = "\n".join("    " + line for line in printable(report.command).splitlines())
    facts = markdown_sheets([_origins(report)])
    tables = [markdown(report.scores, report.published), markdown_sheets(list(_sheets(report)))]
    return "\n\n".join([*tables, facts, f"{_made(report)}, by\n\n{code}"]) + "\n"


def latex_report(report: Report) -> str:
    """The same tables as booktabs tabulars; provenance is in comments on top."""
    lines = [f"{_made(report)}, by", *report.command.splitlines()]
    head = "\n".join(f"% {printable(line)}" for line in lines)
    sheets = latex_sheets([*_sheets(report), _origins(report)])
    return "\n\n".join([head, latex(report.scores, report.published), sheets]) + "\n"


TABLES: dict[str, Callable[[Report], str]] = {
    "markdown": markdown_report,
    "latex": latex_report,
}


def _sheets(report: Report) -> Iterator[Sheet]:
    if len(report.protocols) > 1:
        yield _protocols(report)
    yield _outcomes(report)
    for comparison in report.comparisons:
        yield paired_sheet(comparison)


def _outcomes(report: Report) -> Sheet:
    """The share of valid outputs, and the number of questions per outcome."""
    rows = []
    for row in report.scores:
        counts = (str(row.outcomes.get(name, 0)) for name in OUTCOMES)
        rows.append((row.model, cell_text(row.valid), *counts, str(row.valid.count)))
    return Sheet(
        title="Outcomes of the questions",
        columns=("", "valid outputs", *OUTCOMES, "questions"),
        rows=tuple(rows),
        notes=(f"Protocol: {report.protocols[0].name}. All but the answered score 0.",),
    )


def _protocols(report: Report) -> Sheet:
    """The average of every run under every protocol."""
    rows = []
    for run in report.runs:
        overalls = [run.scores(protocol).overall for protocol in report.protocols]
        rows.append((run.name, *map(cell_text, overalls)))
    return Sheet(
        title="Averages by protocol",
        columns=("", *(protocol.name for protocol in report.protocols)),
        rows=tuple(rows),
        notes=tuple(f"{protocol.name}: {protocol.source}" for protocol in report.protocols),
    )


def _origins(report: Report) -> Sheet:
    """What produced the predictions of each run."""
    return Sheet(
        title="What produced the numbers",
        columns=("", "benchmark", "revision", "frames", "configuration", "vicabench"),
        rows=tuple((run.name, *_origin(run)) for run in report.runs),
        texts=6,
    )


def _origin(run: Run) -> tuple[str, ...]:
    if run.config is None:
        return ("not recorded", *("–" for _ in range(4)))
    config = run.config["config"]
    versions = dict.fromkeys(str(start.get("vicabench")) for start in run.config["starts"])
    return (
        f"{config['benchmark']} ({config['subset']})",
        HEX.sub(lambda match: match[0][:12], str(config["revision"])),
        str(config["frames"]),
        str(run.config["digest"])[:12],
        ", ".join(versions),
    )


def _made(report: Report) -> str:
    commit = f" at {report.made['commit'][:12]}" if report.made["commit"] else ""
    return f"Made {report.made['time']} by vicabench {report.made['version']}{commit}"
