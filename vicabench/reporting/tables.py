"""Tables of text with titles and notes, their columns, and the format of estimates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text
from tabulate import tabulate

from vicabench.errors import DataError, counted, printable
from vicabench.metrics import Metric
from vicabench.reference import Published
from vicabench.reporting.layout import Grid, print_grid, print_words
from vicabench.results.frames import repeat_estimates
from vicabench.rubric import MICRO, VARIANTS, VSI, WEIGHTED, Overall, Rubric, Task
from vicabench.scoring.stats import FEWEST_VIDEOS
from vicabench.types import (
    EMPTY,
    FAILED,
    TRUNCATED,
    UNREADABLE,
    Estimate,
    Repeats,
    Scores,
    Thinking,
)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Columns and rows of equal length; a newline in a cell starts a second terminal line.

    The first `texts` columns hold words and stand to the left, the others numbers. A sheet
    without a title is a plain list.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    texts: int = 1


Sheets = Sequence[Sheet]


def stacked(sheet: Sheet, *, first: int) -> Sheet:
    """Stack the columns from `first` on in pairs, which halves the width of the sheet."""
    return replace(
        sheet,
        columns=_pairs(sheet.columns, first),
        rows=tuple(_pairs(r, first) for r in sheet.rows),
    )


def _pairs(cells: tuple[str, ...], first: int) -> tuple[str, ...]:
    upper, lower = cells[first::2], cells[first + 1 :: 2]
    return (*cells[:first], *(f"{a}\n{b}" for a, b in zip(upper, lower, strict=True)))


def show_sheets(console: Console, sheets: Sheets) -> None:
    """Print the sheets, with second lines of cells and notes dimmed."""
    for place, sheet in enumerate(sheets):
        if place:
            console.print()
        if sheet.title:
            print_words(console, printable(sheet.title), "bold")
        print_grid(console, _grid(sheet))
        for note in sheet.notes:
            print_words(console, printable(note), "dim")


def markdown_sheets(sheets: Sheets) -> str:
    """Each sheet as a bold title, a table and its notes as a list."""
    return "\n\n".join(_markdown_sheet(sheet) for sheet in sheets)


def latex_sheets(sheets: Sheets) -> str:
    """Each sheet as a booktabs tabular, its title and notes as comments before it."""
    return "\n\n".join(_latex_sheet(sheet) for sheet in sheets)


SHEET_FORMATS: dict[str, Callable[[Sheets], str]] = {
    "markdown": markdown_sheets,
    "latex": latex_sheets,
}


def markdown_text(text: str) -> str:
    """Escape a text for Markdown and HTML, on one line."""
    for character in "\\|`*_~$<>[]&":
        text = text.replace(character, "\\" + character)
    return one_line(text)


def _grid(sheet: Sheet) -> Grid:
    return Grid(
        heads=tuple(Text(printable(column)) for column in sheet.columns),
        rows=tuple(tuple(map(_cell, row)) for row in sheet.rows),
        texts=sheet.texts,
        rule=bool(sheet.title),
    )


def _cell(text: str) -> Text:
    first, newline, rest = printable(text).partition("\n")
    return Text(first).append(newline + rest, style="dim")


def _markdown_sheet(sheet: Sheet) -> str:
    table = _tabulated(sheet, markdown_text, "pipe")
    notes = "\n".join(f"- {markdown_text(note)}" for note in sheet.notes)
    return "\n\n".join(part for part in (f"**{markdown_text(sheet.title)}**", table, notes) if part)


def _latex_sheet(sheet: Sheet) -> str:
    table = guarded(_tabulated(sheet, known_to_latex, "latex_booktabs"))
    table = table.replace("−", "$-$").replace("†", r"\dag{}")
    return "\n".join([*(f"% {one_line(text)}" for text in (sheet.title, *sheet.notes)), table])


def _tabulated(sheet: Sheet, escape: Callable[[str], str], style: str) -> str:
    sides = ["left" if place < sheet.texts else "right" for place in range(len(sheet.columns))]
    rows = [[escape(cell) for cell in row] for row in sheet.rows]
    titles = [escape(column) for column in sheet.columns]
    return tabulate(rows, titles, tablefmt=style, colalign=sides, disable_numparse=True)


def guarded(table: str) -> str:
    """A LaTeX tabular in which no row begins with `[` or `*`, arguments of the `\\\\` before."""
    return re.sub(r"^(\s*)([\[*])", r"\1{\2}", table, flags=re.MULTILINE)


def known_to_latex(text: str) -> str:
    """Escape a text for pdfLaTeX, which stops at characters that it does not know."""
    line = one_line(text).replace("⏎", " / ").replace("→", "to")
    return "".join(c if c < "\u0180" or c in "–—‘’“”…−†" else "?" for c in line)


def one_line(text: str) -> str:
    """Make a text printable on one line, so that it cannot end a row or comment early."""
    return " ".join(printable(text).split())


OVERALL = "average"
Columns = Sequence[tuple[str, str]]


def columns_for(rubric: Rubric) -> tuple[tuple[str, str], ...]:
    """Name and title of each column: the headline score, the tasks, the other overall scores."""
    return (
        (OVERALL, rubric.headline.title),
        *((task.name, task.title) for task in rubric.tasks),
        *((further.name, further.title) for further in rubric.overall[1:]),
    )


COLUMNS = columns_for(VSI)
"""Those of VSI-Bench, in the order of its paper and of the ViCA reports."""

VALID = "valid"
PASS, MAJORITY, CHANGES = "pass@", "majority", "changes"  # as in `repeat_estimates`
NONE = "–"
TOO_FEW = f"n/a: too few videos for one, which takes {FEWEST_VIDEOS} at least"
WHOLE = 5130  # questions of VSI-Bench


def estimate_of(scores: Scores, column: str) -> Estimate | None:
    """The estimate in this column; None for a task without questions or score."""
    estimate = _in_column(scores, column)
    return None if estimate is None or math.isnan(estimate.mean) else estimate


def _in_column(scores: Scores, column: str) -> Estimate | None:
    whole = {OVERALL: scores.overall, VALID: scores.valid, **scores.further}
    known = {**repeat_estimates(scores.repeats), **scores.tasks, **whole}
    return known.get(column)


def _repeat_columns(rows: Sequence[Scores]) -> list[tuple[str, str]]:
    """What several replies a question say beside their mean; of pass@k the largest k of a run."""
    ks = {max(row.repeats.best_of) for row in rows if row.repeats and row.repeats.best_of}
    best = [(f"{PASS}{k}", f"Pass@{k}") for k in sorted(ks)]
    several = any(row.repeats for row in rows)
    return [*best, (MAJORITY, "Majority"), (CHANGES, "Changes")] if several else []


def by_rubric(rows: Sequence[Scores]) -> list[list[Scores]]:
    """The rows of each benchmark's table: runs with different tasks share none."""
    tables: list[list[Scores]] = []
    for row in rows:
        same = next((table for table in tables if table[0].rubric == row.rubric), None)
        if same is None:
            tables.append([row])
        else:
            same.append(row)
    return tables


def common_rubric(rows: Sequence[Scores]) -> Rubric:
    """The rubric of runs that are drawn or compared together.

    Raises:
        DataError: The runs have different tasks.
    """
    tables = by_rubric(rows)
    if len(tables) > 1:
        raise DataError(
            f"{tables[0][0].model} and {tables[1][0].model} have different tasks: they are runs on "
            "different benchmarks. Name runs of one."
        )
    return tables[0][0].rubric


def scored_columns(rows: Sequence[Scores]) -> tuple[tuple[str, str], ...]:
    """The columns of runs with the same tasks, what their repeats say, and their valid outputs."""
    rubric = rows[0].rubric if rows else VSI
    return (*columns_for(rubric), *_repeat_columns(rows), (VALID, "Valid"))


def columns_of(rows: Sequence[Scores]) -> tuple[tuple[str, str], ...]:
    """The columns of a table, with valid outputs only if some row has invalid ones."""
    columns = scored_columns(rows)
    return columns if any(row.valid.mean < 100 for row in rows) else columns[:-1]


def labels_of(rows: Sequence[Scores], between: str = " ") -> list[str]:
    """The name of each row: its model, with the protocol if the table has several."""
    if len({row.protocol for row in rows}) == 1:
        return [row.model for row in rows]
    return [f"{row.model}{between}({row.protocol})" for row in rows]


def mean_text(estimate: Estimate) -> str:
    """`63.0`: one decimal, as in the papers; a dash without a score."""
    return NONE if math.isnan(estimate.mean) else f"{estimate.mean:.1f}"


def cell_text(estimate: Estimate) -> str:
    """`63.0 [56.4–69.3]`; a dash without a score."""
    mean = mean_text(estimate)
    return mean if mean == NONE else f"{mean} [{range_text(estimate)}]"


def range_text(estimate: Estimate) -> str:
    """`56.4–69.3`; `n/a` with too few videos for an interval."""
    if math.isnan(estimate.low):
        return "n/a"
    return f"{_bound(estimate.low)}–{_bound(estimate.high)}"


def sizes(scores: Scores, columns: Columns = COLUMNS) -> tuple[list[str], list[str]]:
    """The numbers of questions and videos behind each column."""
    estimates = [_in_column(scores, column) for column, _ in columns]
    return (
        [NONE if e is None else str(e.count) for e in estimates],
        [NONE if e is None else str(e.clusters) for e in estimates],
    )


def printed_text(row: Published, column: str) -> str:
    """A published number as printed; empty if it is not known."""
    value = row.overall if column == OVERALL else row.tasks.get(column)
    return "" if value is None else f"{value:.1f}"


def source_marks(published: Sequence[Published]) -> list[str]:
    """`[1]` for each row, the number of its source in the notes."""
    sources = _sources(published)
    return [f"[{sources.index(row.source) + 1}]" for row in published]


def _sources(published: Sequence[Published]) -> list[str]:
    return list(dict.fromkeys(row.source for row in published))


def notes_on(rows: Sequence[Scores], published: Sequence[Published]) -> list[str]:
    """The notes of a table: protocol, intervals, missing tasks and unanswered questions."""
    protocols = ", ".join(dict.fromkeys(row.protocol for row in rows))
    rubric = rows[0].rubric
    overall = " ".join(f"{each.title} is {meaning_of(each)}." for each in rubric.overall)
    notes = [
        f"Protocol: {protocols}. {overall} Ranges are 95% "
        f"intervals from a bootstrap over videos; {TOO_FEW}."
    ]
    micro = "; ".join(
        f"{label} {cell_text(row.micro)}" for label, row in zip(labels_of(rows), rows, strict=True)
    )
    if all(each.how != MICRO for each in rubric.overall):
        notes.append(f"Micro, the mean over questions: {micro}.")
    if columns_of(rows)[-1][0] == VALID:
        notes.append("Valid: the questions with an answer that the protocol could read.")
    if any(row.repeats for row in rows):
        notes.append(ABOUT_REPEATS)
    notes += _grouped(rows, _notes_on)
    if published:
        notes += _grouped(rows, _notes_beside)
        sources = "; ".join(f"[{n}] {s}" for n, s in enumerate(_sources(published), start=1))
        notes.append(f"Published rows are as printed, without intervals: {sources}.")
    return notes


ABOUT_REPEATS = (
    "With several replies a question, its score is their mean; the intervals over videos hold the "
    "chance of the replies, too. Pass@k: the expected score of the best of k replies. Majority: "
    "the answer read most often, the first of equally frequent ones. Changes: how often two "
    "replies to a question are read as different answers."
)


def _about_repeats(repeats: Repeats) -> str:
    replies = f"{counted(repeats.replies, 'reply', 'replies')} to each question"
    if math.isnan(repeats.standard_error):
        return f"{replies}."
    most = max(repeats.best_of, default=0)
    best = "".join(f"; pass@{k} {cell_text(e)}" for k, e in repeats.best_of.items() if k != most)
    return (
        f"{replies}; the standard error of the score is {repeats.standard_error:.2f} points, of "
        f"which videos cause {repeats.standard_error_videos:.2f} and replies "
        f"{repeats.standard_error_replies:.2f} (they add up in squares){best}."
    )


def meaning_of(overall: Overall) -> str:
    """What an overall score is the mean of."""
    if overall.how == MICRO:
        return "the mean over questions"
    if overall.how == VARIANTS:
        return f"the share of groups of questions with at least {overall.at_least} right"
    if overall.how == WEIGHTED:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in overall.weights)
        return f"the mean of the tasks weighted by {weights}"
    if any(len(group) > 1 for group in overall.groups):
        groups = "; ".join(" with ".join(group) for group in overall.groups if len(group) > 1)
        return f"the unweighted mean of {counted(len(overall.groups), 'group')} of tasks ({groups})"
    return "the unweighted mean of the tasks"


def _beside(row: Scores) -> list[str]:
    """The metrics beside the scores of a run."""
    notes = []
    for task in row.rubric.tasks:
        for metric in task.beside:
            estimate = row.beside.get(task.name, {}).get(metric.name)
            if estimate is None or math.isnan(estimate.mean):
                continue
            notes.append(f"{task.title}, {metric.title}: {_beside_text(estimate, task, metric)}.")
    return notes


def _beside_text(estimate: Estimate, task: Task, metric: Metric) -> str:
    if not metric.is_error:
        mean, low, high = estimate.mean, estimate.low, estimate.high
        interval = "n/a" if math.isnan(low) else f"{low:+.1f}, {high:+.1f}"
        return f"{mean:+.1f} [{interval}]".replace("-", "−")
    interval = "n/a" if math.isnan(estimate.low) else f"{estimate.low:.3g}–{estimate.high:.3g}"
    unit = f" {task.unit}" if metric.name == "mae" and task.unit else ""
    left = f", {estimate.failed} without an answer left out" if estimate.failed else ""
    return f"{estimate.mean:.3g}{unit} [{interval}] (n = {estimate.count}{left})"


def _grouped(rows: Sequence[Scores], notes_on: Callable[[Scores], list[str]]) -> list[str]:
    """Each note once, after the names of its models."""
    models: dict[str, list[str]] = {}
    for label, row in zip(labels_of(rows), rows, strict=True):
        for note in notes_on(row):
            models.setdefault(note, []).append(label)
    return [f"{', '.join(names)}: {note}" for note, names in models.items()]


def _notes_on(row: Scores) -> list[str]:
    notes = list(row.notes)
    if row.repeats:
        notes.append(_about_repeats(row.repeats))
    given = sum(row.outcomes.values())
    if row.overall.failed and not math.isnan(row.overall.mean):
        asked = counted(row.overall.count, "question")
        asked = counted(given, "reply", "replies") if row.repeats else asked
        missing = "missing" if row.repeats else "unanswered"
        notes.append(f"{row.overall.failed} of {asked} {missing}, counted as wrong.")
    unread = [(n, o) for o in (UNREADABLE, EMPTY, TRUNCATED) if (n := row.outcomes[o])]
    if unread:
        counts = ", ".join(f"{count} {outcome}" for count, outcome in unread)
        replies = given - row.outcomes[FAILED]
        notes.append(f"of {counted(replies, 'reply')} {counts}: counted as wrong.")
    if row.thinking:
        notes.append(_about_thinking(row.thinking, again=row.repeats is not None))
    notes += _beside(row)
    if row.missing:
        title = row.rubric.headline.title
        notes.append(f"no questions of {', '.join(row.missing)}; left out of {title}")
    few = [kind for kind, estimate in row.types.items() if estimate.clusters < FEWEST_VIDEOS]
    if few:
        notes.append(
            f"fewer than {FEWEST_VIDEOS} videos with {', '.join(few)}: what rests on them has no "
            "interval."
        )
    return notes


def _about_thinking(thinking: Thinking, *, again: bool) -> str:
    count = thinking.direct.count
    of = counted(count, "reply", "replies") if again else counted(count, "question")
    ways = ", ".join(
        f"{mean_text(share)}% [{range_text(share)}] {name}"
        for name, share in (
            ("answered directly", thinking.direct),
            ("via thoughts", thinking.via_thoughts),
            ("end within their thoughts", thinking.unclosed),
        )
    )
    length = (
        ""
        if thinking.new_tokens is None
        else f"; {thinking.new_tokens:.1f} new tokens on average (n = {thinking.measured})"
    )
    return f"of {of} {ways}{length}."


def _notes_beside(row: Scores) -> list[str]:
    """Note runs on a part of the benchmark, as published rows cover all of it."""
    if row.rubric != VSI or row.overall.count == WHOLE:
        return []
    return [f"asked {counted(row.overall.count, 'question')}, the published rows {WHOLE:,}."]


def _bound(value: float) -> str:
    return "100" if round(value, 1) == 100 else f"{value:.1f}"
