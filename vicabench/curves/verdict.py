"""Has it saturated? The answer in words, each number with its interval."""

from __future__ import annotations

import math

from vicabench.curves.fit import FEWEST, Bounded, Fit
from vicabench.curves.measure import Tail
from vicabench.text import counted


def saturation(name: str, tail: Tail | None, fit: Fit | None) -> str:
    """A sentence about the last quarter and one about twice the data, as far as there are any."""
    said = []
    if tail:
        said.append(
            f"{name}, growth over the last quarter of the data ({tail.start}–{tail.end}%, "
            f"{counted(tail.points, 'point')}): {points(tail.growth)}, {tail.verdict}."
        )
    if fit:
        said.append(
            f"{name}, twice the data would bring {points(fit.doubled)} by the fit "
            f"{fit.formula} ({fit.form}), which knows other draws of questions, no other training."
        )
    else:
        said.append(f"{name}: no saturating fit, which needs {FEWEST} points that rise.")
    return " ".join(said)


def briefly(name: str, tail: Tail | None, fit: Fit | None) -> str:
    """The same in half a line, for a figure of several series."""
    said = [f"last quarter {points(tail.growth)}, {tail.verdict}"] if tail else []
    said.append(f"twice the data {points(fit.doubled)} by {fit.form}" if fit else "no fit")
    return f"{name}: {'; '.join(said)}."


def points(found: Bounded) -> str:
    """`+0.5 [−1.1, +2.0] points`; `n/a` where too few videos give no interval."""
    if math.isnan(found.low):
        return f"{signed(found.value)} [n/a] points"
    return f"{signed(found.value)} [{signed(found.low)}, {signed(found.high)}] points"


def signed(value: float, decimals: int = 1) -> str:
    """`+1.5` or `−0.3`, with a true minus; no sign for what rounds to zero."""
    text = f"{value:+.{decimals}f}"
    return text[1:] if not float(text) else text.replace("-", "−")
