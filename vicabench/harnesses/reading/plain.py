"""The plain text of a reply, without tags, JSON, LaTeX, markup and special characters."""

from __future__ import annotations

import html
import re
import unicodedata

from vicabench.harnesses.reading import BAD, CLOSE, OPEN
from vicabench.harnesses.reading.numbers import is_unit

LONGEST = 20_000
"""Longer replies, in characters, are not searched for JSON: an answer in JSON is short."""

_OBJECT = re.compile(r"\{\s*[\"']\s?\w[^\"'\n]{0,60}[\"']\s*:")
_STRINGS = (r'"(?:[^"\\]|\\.)*+"', r"'(?:[^'\\]|\\.)*+'")
_PAIR = re.compile(
    rf"[\"']([^\"'\n]{{1,60}})[\"']\s*:\s*({'|'.join(_STRINGS)}|\[[^\[\]{{}}]*+\]|[^\s,\[\]{{}}\"'][^,}}\]\n]*+|\"[^\"]*+$)",
    re.DOTALL,
)
# fmt: off
_ANSWER_KEYS = frozenset([
    "answer", "finalanswer", "predictedanswer", "correctanswer", "answerletter", "prediction",
    "predicted", "choice", "finalchoice", "option", "selectedoption", "selected", "correctoption",
    "bestoption", "letter", "response", "result", "output", "final", "conclusion", "solution",
    "value", "estimate", "estimation", "答案",
])
# fmt: on
# fmt: off
_ASIDE = frozenset([
    "reasoning", "reason", "reasons", "explanation", "explain", "thought", "thoughts", "thinking",
    "rationale", "analysis", "confidence", "certainty", "probability", "score", "question",
    "questiontype", "id", "options", "steps", "step", "evidence", "justification", "description",
    "notes", "note", "comment", "summary", "type", "task", "object", "objects", "category",
    "label", "timestamp", "time", "frame", "frames", "start", "end", "method", "unit", "units",
    "margin", "error",
])
# fmt: on
_UNIT_KEYS = ("unit", "units")
_ESCAPES = {"n": "\n", "t": " ", "r": "\n", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def unwrapped(text: str) -> str:
    """The text with its JSON object replaced by the answers in it, marked as such.

    Values take their unit from a field `unit`, or from their key (`distance_m`).
    """
    if len(text) > LONGEST:
        return text
    match = _OBJECT.search(text)
    if match is None:
        return text
    end = text.rfind("}") + 1
    end = end if end > match.start() else len(text)
    answers = _answers(text[match.start() : end])
    before = text[: match.start()]
    return f"{before}\n{answers}\n{text[end:]}" if answers else text


def _answers(text: str) -> str:
    pairs = [(pair[1], _value(pair[2])) for pair in _PAIR.finditer(text)]
    units = {value for key, value in pairs if _bare(key) in _UNIT_KEYS and value}
    answers = [(key, value) for key, value in pairs if _bare(key) in _ANSWER_KEYS]
    if not answers:
        answers = [(key, value) for key, value in pairs if _bare(key) not in _ASIDE]
        if len(answers) > 1:
            return "\n".join(f"{key}: {_with_unit(key, value, units)}" for key, value in answers)
    return "\n".join(f"{OPEN}{_named(key, value, units)}{CLOSE}" for key, value in answers)


def _named(key: str, value: str, units: set[str]) -> str:
    letter = len(key) == 1 and key.isalpha()
    return f"{key}: {value}" if letter else _with_unit(key, value, units)


def _with_unit(key: str, value: str, units: set[str]) -> str:
    last = re.split(r"[_\s(-]+", key.rstrip(")"))[-1]
    own = last if is_unit(last) and len(key) > len(last) else ""
    unit = own or (next(iter(units)) if len(units) == 1 else "")
    return f"{value} {unit}" if unit and value[-1:].isdigit() else value


def _bare(key: str) -> str:
    return re.sub(r"[\s_-]+", "", key).lower()


def _value(text: str) -> str:
    if text[:1] in "\"'":
        text = text[1:-1] if text[-1] == text[0] and len(text) > 1 else text[1:]
        return _ESCAPE.sub(_unescaped, text)
    return text.strip()


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1][0] == "u" and len(escape[1]) == 5:
        code = int(escape[1][1:], 16)
        return "" if 0xD800 <= code <= 0xF8FF else chr(code)  # surrogates and our marks
    return _ESCAPES.get(escape[1], escape[0])


_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_FRACTION = re.compile(
    rf"\\[dtc]?frac(?:\s?\{{{_NUMBER}\}}\s?\{{{_NUMBER}\}}|\s?(\d)\s?(\d)(?!\d))"
)
_GLUED = re.compile(r"\{([,.:])\}")  # 9{,}500
_BARE_BOX = re.compile(r"(?<![\\A-Za-z])boxed\{")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s?\{[a-z]{1,20}\*?\}(?:\{[lcr|]{1,9}\})?")
_LINE = re.compile(r"\\n(?![a-z])")  # a newline that was escaped twice
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
    """The text without LaTeX commands and braces; unknown commands become `BAD`."""
    if "\\" not in text and "{" not in text and "}" not in text:
        return text
    text = _BARE_BOX.sub(r"\\boxed{", text)
    text = _LINE.sub("\n", text)
    text = _FRACTION.sub(_fraction, _GLUED.sub(r"\1", text))
    return "".join(_parts(_ENVIRONMENT.sub("\n", text)))


def _fraction(match: re.Match[str]) -> str:
    above, below = (part for part in match.groups() if part is not None)
    return f" {above}/{below}"


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    boxes: list[bool] = []  # for each open brace, whether it belongs to a box
    place, box = 0, False
    for part in _PART.finditer(text):
        between = text[place : part.start()]
        box = box and not between.strip()
        parts.append(between)
        place = part.end()
        if part[0] == "{":
            boxes.append(box)
            parts.append(
                OPEN if box else " " if text[part.start() - 1 : part.start()] == "}" else ""
            )
        elif part[0] == "}":
            parts.append(CLOSE if boxes and boxes.pop() else "")
        else:
            parts.append(_command(part[0][1:].rstrip("*")))
        box = part[0][1:] in _BOXES
    return [*parts, text[place:]]


def _command(name: str) -> str:
    if name in _BOXES or name in _UNSEEN:
        return ""
    if name in _SIGNS:
        return _SIGNS[name]
    return BAD if name.isalpha() and name.isascii() else _ESCAPED.get(name, " ")


_GROWTH = 4  # the most characters that one may become; some Arabic ligatures become eighteen
_SPELT = {
    **dict.fromkeys("\u2018\u2019\u201b\u2032\u00b4\u02b9\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("【「『〔《〈", "["),
    **dict.fromkeys("】」』〕》〉", "]"),
    **dict.fromkeys("、，،", ", "),
    **dict.fromkeys("。।｡", ". "),
    **dict.fromkeys("：", ": "),
    **dict.fromkeys("；؛", "; "),
    **dict.fromkeys("×✕✖⨯╳∗", "×"),
    **dict.fromkeys("≈≃≅≒∼", "≈"),
    **dict.fromkeys("≤≦⩽", "<"),
    **dict.fromkeys("≥≧⩾", ">"),
    **dict.fromkeys("→⇒➜➔⟶➡⟹⇨►▶➝➞", "→"),
    **dict.fromkeys("—―", " - "),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("〜", "~"),
    **dict.fromkeys("▁Ġ", " "),
    "Ċ": "\n",
    "−": "-",
    "؟": "?",
    "٫": ".",
    "٬": ",",
    "㎡": "m^2",
    "㎠": "cm^2",
    "㎟": "mm^2",
    "㎢": "km^2",
    "°": "°",
    "\x0b": " ",
    "\x0c": " ",
    "\x85": "\n",
    "\u2028": "\n",
    "\u2029": "\n",
}


_KINDS = {"Zs": " ", "Pd": "-", **dict.fromkeys(("Cf", "Co", "Cs", "Cn", "Me"), "")}


class _Plain(dict[int, str]):
    """A lazily filled table for `str.translate` from characters to their plain spelling."""

    def __missing__(self, code: int) -> str:
        self[code] = spelling = _spelt(chr(code))
        return spelling


def _spelt(char: str) -> str:
    if char in _SPELT or char.isascii():
        return _SPELT.get(char, char)
    code, kind = ord(char), unicodedata.category(char)
    enclosed = next(
        (code - start for start in (0x1F150, 0x1F170, 0x1F1E6) if 0 <= code - start < 26), None
    )
    if enclosed is not None:
        return chr(ord("A") + enclosed)  # letters in circles and squares, flags
    if kind in ("Nd", "No") and (digit := unicodedata.digit(char, None)) is not None:
        raised = unicodedata.decomposition(char).startswith("<super>")
        return f"^{digit}" if raised else str(digit)
    if kind in _KINDS or 0xFE00 <= code <= 0xFE0F:
        return _KINDS.get(kind, "")
    return _compatible(char, kind)


def _compatible(char: str, kind: str) -> str:
    usual = unicodedata.normalize("NFKC", char)
    if "\u2044" in usual:  # ½ is 1⁄2
        return f" {usual.replace(chr(0x2044), '/')}"
    if kind == "So" and usual == char:
        return " "
    return usual if len(usual) <= _GROWTH else char


_TABLE = _Plain()
_THOUSANDS = re.compile(r"(?<=\d)[\u2009\u202f\u00a0](?=\d{3}(?!\d))")  # thin and hard spaces
_DOT = re.compile(r"(?<=\d)\s?[·⋅∙]\s?(?=\d)")  # a decimal point to some, a product to others
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴-⁹]+")

_STOP = re.compile(
    r"<\|(?:im_end|end ?of ?text|end_of_text|eot_id|eot|eom_id|eod|eos|end|return|call|stop"
    r"|end_of_turn|end[_ ]of[_ ]sentence|end_of_message|END_OF_TURN_TOKEN|END_RESPONSE|pad"
    r"|user|human|system|observation)\|>|</s>|<(?:eos|pad|end_of_turn|turn\||end_of_utterance|eo[ah])>"
    r"|<\|im_start\|>\s{0,3}(?=user|system|human|assistant)"
    r"|\[/?INST\]|\[END FINAL RESPONSE\]|\[EOS\]",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,60}\|?>|<(?:s|bos|unk|start_of_turn|eoa|0x0A)>|\[(?:BOS|UNK|PAD)\]",
    re.IGNORECASE,
)
_BOX = re.compile(r"<\|(?:begin_of_box|answer|answer_start|begin_of_answer)\|>", re.IGNORECASE)
_BOX_END = re.compile(r"<\|(?:end_of_box|answer_end|end_of_answer|/answer)\|>", re.IGNORECASE)
_ROLE = re.compile(
    r"\s*+\[?(?:assistant|chatgpt|gpt|model|ai|bot|chatbot|助手|助理)\]?\s*+(?::|：|\n)",
    re.IGNORECASE,
)

_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8}\d?);", re.IGNORECASE)
_ANSWERS = (
    r"(?:final|predicted|correct|my)?[_ -]?(?:answer|ans|choice|prediction)|conclusion|result"
    r"|solution|final|output"
)
_ANSWER = re.compile(rf"<\s*+(?:{_ANSWERS})\s*+>|\[(?:final[ _])?answer\]", re.IGNORECASE)
_ANSWER_END = re.compile(rf"<\s*+/\s*+(?:{_ANSWERS})\s*+>|\[/(?:final[ _])?answer\]", re.IGNORECASE)
_STRUCK = re.compile(
    r"~~[^~\n]{1,200}~~|<(?P<tag>del|s|strike)>[^<\n]{1,200}</(?P=tag)>", re.IGNORECASE
)
_RAISED_TAG = re.compile(r"<sup>\s?(-?\d)\s?</sup>", re.IGNORECASE)
_LETTER_TAG = re.compile(r"<([A-Z])>")
_BREAK = re.compile(
    r"<(?:/?(?:p|div|li|h[1-6]|tr|ul|ol|pre|blockquote)|br|hr)\b[^<>\n]{0,200}>", re.IGNORECASE
)
_KNOWN = (
    r"a|b|i|u|em|strong|span|code|sub|font|center|mark|small|big|tt|html|body|td|th|tbody|thead"
    r"|details|summary"
)
_TAG = re.compile(rf"</[a-z][^<>\n]{{0,60}}>|<(?:{_KNOWN})(?:\s[^<>\n]{{0,200}})?>", re.IGNORECASE)
_OTHER_TAG = re.compile(r"<([a-z][\w -]{0,60})/?>", re.IGNORECASE)

_FENCE = re.compile(r"^[ \t]*```[^\n`]{0,30}$|```(?:json|text|latex|markdown)?", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:-[ \t]*){3,}$|^[ \t]*[=*_]{3,}[ \t]*$", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*(?:[*+•·●◦▪-][ \t]+|>[ \t]*(?=[^\d\s]))", re.MULTILINE)
_TIMES = re.compile(r"(?<=[\dm)])[ ]?(?<!\*)\*(?!\*)[ ]?(?=[\d(])")
_ARROW = re.compile(r"[-=]{1,3}>")
_NUMBERED = re.compile(r"^[ \t]*\(?\d{1,2}[.)][ \t]+(?=[^\s\d])", re.MULTILINE)
_FIRST, _SECOND = (re.compile(rf"^[ \t]*\(?{n}[.)][ \t]", re.MULTILINE) for n in (1, 2))
_SPACES = re.compile(r"[^\S\n]+")


def plain(text: str) -> str:
    """The text in plain characters, line by line, with `OPEN` and `CLOSE` around marked answers."""
    text = _characters(text)
    text = _first_turn(_BOX_END.sub(CLOSE, _BOX.sub(OPEN, text)))
    text = _without_tags(without_latex(unwrapped(text)))
    text = _without_markdown(text)
    return "\n".join(line.strip() for line in _SPACES.sub(" ", text).split("\n")).strip()


def characters(text: str) -> str:
    """The text with every character in its usual spelling, for comparing options."""
    return text if text.isascii() else text.translate(_TABLE)


def _characters(text: str) -> str:
    if not text.isascii():
        text = _RAISED.sub(_raised, _THOUSANDS.sub("", text))
        text = text.translate(_TABLE)
        text = _DOT.sub(BAD, text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def _raised(match: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", match[0]).replace("\u2212", "-")


def _first_turn(text: str) -> str:
    """The model's first turn with any text, without its role and up to the token that ends it."""
    for part in _STOP.split(text):
        turn = _TOKEN.sub(" ", part)
        role = _ROLE.match(turn)
        turn = turn[role.end() :] if role else turn
        if any(char.isalnum() for char in turn):
            return turn
    return ""


def _without_tags(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda entity: characters(html.unescape(entity[0])), text)
    text = _STRUCK.sub(" ", text)
    text = _ANSWER_END.sub(CLOSE, _ANSWER.sub(OPEN, text))
    if "<" not in text:
        return text
    text = _RAISED_TAG.sub(r"^\1", text)
    if "</" not in text:
        text = _LETTER_TAG.sub(r"(\1)", text)
    return _OTHER_TAG.sub(r" \1 ", _TAG.sub("", _BREAK.sub("\n", text)))


def _without_markdown(text: str) -> str:
    text = _RULE.sub("", _FENCE.sub("\n", text))
    text = _TIMES.sub(" × ", _BULLET.sub("", text))
    text = _ARROW.sub(" → ", text)
    text = text.replace("*", "").replace("`", "").replace("#", "").replace("$", "")
    text = text.replace("_", " ").replace("|", " | ")
    if _FIRST.search(text) and _SECOND.search(text):
        text = _NUMBERED.sub("", text)
    return text
