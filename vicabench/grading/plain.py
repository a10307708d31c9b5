"""What a reply says once its spelling is gone: characters, tokens, tags, JSON and markup.

What marks the answer (answer tags, `\\boxed{}`, a field of JSON) becomes `OPEN` and `CLOSE`.
"""

from __future__ import annotations

import html
import re
import unicodedata

from vicabench.grading.jsonreplies import unwrapped
from vicabench.grading.latex import without_latex
from vicabench.grading.marks import BAD, CLOSE, OPEN

_GROWTH = 4  # characters that one may become: some ligatures of Arabic become eighteen
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
    """Of each character what it is written for: compatibility forms are undone one by one."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _spelt(chr(code))
        return found


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
    """The text in plain characters, line by line; what marks the answer are `OPEN` and `CLOSE`."""
    text = _characters(text)
    text = _said(_BOX_END.sub(CLOSE, _BOX.sub(OPEN, text)))
    text = _without_tags(without_latex(unwrapped(text)))
    text = _without_markdown(text)
    return "\n".join(line.strip() for line in _SPACES.sub(" ", text).split("\n")).strip()


def characters(text: str) -> str:
    """The text with every character as it is usually written: as options are compared."""
    return text if text.isascii() else text.translate(_TABLE)


def _characters(text: str) -> str:
    if not text.isascii():
        text = _RAISED.sub(_raised, _THOUSANDS.sub("", text))
        text = text.translate(_TABLE)
        text = _DOT.sub(BAD, text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def _raised(found: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", found[0]).replace("\u2212", "-")


def _said(text: str) -> str:
    """What the model said first: without its role, and up to the token that ends its turn."""
    for part in _STOP.split(text):
        said = _TOKEN.sub(" ", part)
        role = _ROLE.match(said)
        said = said[role.end() :] if role else said
        if any(char.isalnum() for char in said):
            return said
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
