"""Which subset of VSI-Bench a file is about, by its questions and not by its name."""

from __future__ import annotations

from collections.abc import Iterable

from vicabench.benchmarks.vsi_bench import COUNTS, LAST_ID, published_pruned_ids
from vicabench.importing.rows import Record


def judged_subset(named: str | None, rows: Iterable[Record], *, sure: bool) -> str | None:
    """Return the subset that the questions of a file are from; `named` where they do not tell.

    Questions of both kinds are the full set's. Where the rows have no column `pruned`, and the
    name is not `sure`, the published ids tell the kinds apart. The questions of one kind alone
    are that subset if it is named or whole, and otherwise a part of the full set.
    """
    kinds: dict[str, bool] = {}
    for row in rows:
        key, mark = str(row.get("id")), row.get("pruned")
        if isinstance(mark, bool):
            kinds[key] = mark
        elif not sure and key.isdecimal() and len(key) < 7 and int(key) <= LAST_ID:
            kinds[key] = key in published_pruned_ids()
    if not kinds:
        return named
    if len(set(kinds.values())) == 2:
        return "full"
    only = "pruned" if next(iter(kinds.values())) else "debiased"
    if named == only or len(kinds) == COUNTS[only]:
        return only
    return "full" if named else None
