"""Differences between grading protocols as tables, with examples of replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.text import Text
from tabulate import tabulate

from vicabench.errors import printable
from vicabench.reporting.comparison import difference_text
from vicabench.reporting.layout import Grid, print_grid, print_words
from vicabench.reporting.tables import NONE, OVERALL, columns_for, estimate_of, guarded
from vicabench.results.disagreement import Difference, Disagreement, Example

Titled = tuple[str, list[str], list[list[str]]]  # title, names of columns, rows
LONGEST = 60  # characters of a reply that are shown
NOTE = (
    "Differences in points, with 95% intervals over videos; under each the questions of which the "
    "two protocols read different answers."
)


def show_disagreement(console: Console, disagreement: Disagreement) -> None:
    """Print the differences and the examples under the table of the runs."""
    console.print()
    if disagreement.alike:
        console.print(Text(_alike(disagreement)))
        return
    title, names, rows = _differences(disagreement, "\n")
    print_words(console, title, "bold")
    print_grid(
        console,
        Grid(heads=tuple(map(Text, names)), rows=tuple(tuple(map(Text, row)) for row in rows)),
    )
    print_words(console, NOTE, "dim")
    if disagreement.examples:
        title, names, rows = _examples(disagreement)
        console.print(Text(f"\n{title}\n"))
        for key, task, truth, reply, *read in rows:
            readings = "  ".join(f"{n} {r}" for n, r in zip(names[4:], read, strict=True))
            console.print(Text(f" {task}, id {key}, truth {truth}: ").append(reply, style="bold"))
            console.print(Text(f"   {readings}", style="dim"))


def markdown_disagreement(disagreement: Disagreement, escape: Callable[[str], str]) -> str:
    """The differences and examples as Markdown tables under headings."""
    if disagreement.alike:
        return escape(_alike(disagreement))
    parts = []
    for title, names, rows in _tables(disagreement, ", "):
        cells = [[escape(cell) for cell in row] for row in rows]
        head = [escape(name) for name in names]
        table = tabulate(cells, head, tablefmt="github", disable_numparse=True)
        parts.append(f"**{escape(title)}**\n\n{table}")
    return "\n\n".join([*parts, NOTE])


def latex_disagreement(disagreement: Disagreement) -> str:
    """The differences and examples as booktabs tabulars, with titles as comments."""
    parts = [f"% {NOTE}"]
    for title, names, rows in _tables(disagreement, ", "):
        cells = [[_ascii(cell) for cell in row] for row in rows]
        table = tabulate(cells, names, tablefmt="latex_booktabs", disable_numparse=True)
        parts.append(f"% {title}\n{guarded(table)}")
    return "\n".join(parts)


def _alike(disagreement: Disagreement) -> str:
    """The note for a run on which all protocols agree."""
    others = ", ".join(_others(disagreement))
    return f"{disagreement.model}: every reply is read by {others} as by {disagreement.against}."


def _ascii(cell: str) -> str:
    """Escape a reply for LaTeX, which stops at characters that it does not know."""
    known = cell.replace("⏎", " / ").replace("…", "...").replace("−", "-").replace("–", "--")
    return known.encode("ascii", "replace").decode()


def _tables(disagreement: Disagreement, between: str) -> list[Titled]:
    return [
        _differences(disagreement, between),
        *([_examples(disagreement)] if disagreement.examples else []),
    ]


def _differences(disagreement: Disagreement, between: str) -> Titled:
    return (
        f"{disagreement.model}: difference to {disagreement.against}",
        ["", *_others(disagreement)],
        [
            [
                title,
                *(_cell(difference, column, between) for difference in disagreement.differences),
            ]
            for column, title in columns_for(disagreement.differences[0].points.rubric)
            if estimate_of(disagreement.differences[0].points, column)
        ],
    )


def _examples(disagreement: Disagreement) -> Titled:
    protocols = [disagreement.against, *_others(disagreement)]
    titles = dict(columns_for(disagreement.differences[0].points.rubric))
    return (
        f"{disagreement.model}: what was read, one reply a task",
        ["id", "task", "truth", "reply", *protocols],
        [_row(example, protocols, titles) for example in disagreement.examples],
    )


def _others(disagreement: Disagreement) -> list[str]:
    return [difference.protocol for difference in disagreement.differences]


def _cell(difference: Difference, column: str, between: str) -> str:
    estimate = estimate_of(difference.points, column)
    if estimate is None:
        return NONE
    read = difference.read.get(column, 0) if column != OVERALL else sum(difference.read.values())
    points = difference_text(estimate).replace("\n", " ")
    return f"{points}{between}{read} of {estimate.count}"


def _row(example: Example, protocols: Sequence[str], titles: Mapping[str, str]) -> list[str]:
    reads = [example.read[name] for name in protocols]
    return [
        printable(example.id),
        titles[example.task],
        example.truth,
        shortened(example.reply),
        *(NONE if read is None else printable(read) for read in reads),
    ]


def shortened(reply: str) -> str:
    """The reply on one line, without control characters and, if long, without its middle."""
    half = LONGEST // 2
    text = reply if len(reply) <= LONGEST else f"{reply[:half]} … {reply[-half:]}"
    return printable(text.replace("\n", "⏎"))
