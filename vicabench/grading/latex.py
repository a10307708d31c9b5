"""LaTeX in running text: what it would look like, with `\\boxed{}` as a mark of the answer."""

from __future__ import annotations

import re

from vicabench.grading.marks import BAD, CLOSE, OPEN

_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_FRACTION = re.compile(
    rf"\\[dtc]?frac(?:\s?\{{{_NUMBER}\}}\s?\{{{_NUMBER}\}}|\s?(\d)\s?(\d)(?!\d))"
)
_GLUED = re.compile(r"\{([,.:])\}")  # 9{,}500
_BARE_BOX = re.compile(r"(?<![\\A-Za-z])boxed\{")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s?\{[a-z]{1,20}\*?\}(?:\{[lcr|]{1,9}\})?")
_LINE = re.compile(r"\\n(?![a-z])")  # a line's end that was escaped once too often
_PART = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}]", re.DOTALL)
_BOXES = ("boxed", "fbox", "framebox")
_SIGNS = {
    **dict.fromkeys(("times", "cdot", "ast"), "×"),
    **dict.fromkeys(("approx", "sim", "simeq", "cong", "thickapprox"), "≈"),
    **dict.fromkeys(("le", "leq", "leqslant", "lt", "ll"), "<"),
    **dict.fromkeys(("ge", "geq", "geqslant", "gt", "gg"), ">"),
    **dict.fromkeys(("to", "rightarrow", "Rightarrow", "implies", "longrightarrow"), "→"),
    **dict.fromkeys(("quad", "qquad", "enspace", "newline", "hfill", "space"), " "),
    **dict.fromkeys(("ldots", "dots", "cdots"), "..."),
    **dict.fromkeys(("circ", "degree"), "°"),
    "pm": "±",
    "prime": "'",
    "therefore": " therefore ",
    "textasciitilde": "~",
    "percent": "%",
}
# fmt: off
_UNSEEN = frozenset([
    "text", "textbf", "textit", "textrm", "texttt", "textsf", "textnormal", "mathrm", "mathbf",
    "mathit", "mathsf", "mathtt", "mathbb", "mbox", "hbox", "emph", "underline", "operatorname",
    "rm", "bf", "it", "bm", "boldsymbol", "left", "right", "big", "Big", "bigg", "Bigg",
    "displaystyle", "textstyle", "large", "Large", "LARGE", "huge", "Huge", "centering", "color",
    "mathord", "mathop", "bfseries", "limits", "unit", "si", "SI", "qty", "num",
])
# fmt: on
_ESCAPED = {"\\": "\n", **{char: char for char in "%$#&_{}'\"`"}}


def without_latex(text: str) -> str:
    """The text without commands and braces; a formula that is not read has `BAD` in its place."""
    if "\\" not in text and "{" not in text and "}" not in text:
        return text
    text = _BARE_BOX.sub(r"\\boxed{", text)
    text = _LINE.sub("\n", text)
    text = _FRACTION.sub(_fraction, _GLUED.sub(r"\1", text))
    return "".join(_parts(_ENVIRONMENT.sub("\n", text)))


def _fraction(found: re.Match[str]) -> str:
    above, below = (part for part in found.groups() if part is not None)
    return f" {above}/{below}"


def _parts(text: str) -> list[str]:
    found: list[str] = []
    boxes: list[bool] = []  # of each brace that is open: whether it is that of a box
    place, box = 0, False
    for part in _PART.finditer(text):
        between = text[place : part.start()]
        box = box and not between.strip()
        found.append(between)
        place = part.end()
        if part[0] == "{":
            boxes.append(box)
            found.append(
                OPEN if box else " " if text[part.start() - 1 : part.start()] == "}" else ""
            )
        elif part[0] == "}":
            found.append(CLOSE if boxes and boxes.pop() else "")
        else:
            found.append(_command(part[0][1:].rstrip("*")))
        box = part[0][1:] in _BOXES
    return [*found, text[place:]]


def _command(name: str) -> str:
    if name in _BOXES or name in _UNSEEN:
        return ""
    if name in _SIGNS:
        return _SIGNS[name]
    return BAD if name.isalpha() and name.isascii() else _ESCAPED.get(name, " ")
