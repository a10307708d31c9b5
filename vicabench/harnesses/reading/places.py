"""Where the answer is in a reply: between marks, after a phrase, in a conclusion."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from vicabench.harnesses.reading import CLOSE, OPEN
from vicabench.harnesses.reading.letters import FARTHEST, choices
from vicabench.harnesses.reading.numbers import UNIT

LONG = 20_000
"""Of longer replies, in characters, only marks, phrases, the first and the last line are read."""
SPAN = 600
"""The most characters that are read after a phrase."""
MOST = 40
"""The most places of a kind that are read, counted from the end."""

_AS_ANSWER = (
    r"(?:\s(?:to|for)\s[^.\n:]{1,60}?)?(?:\s(?:choice|option|letter|number|value|here))?"
    r"[\s\"')(]{0,3}(?:(?:is|was|are|would\sbe|will\sbe|should\sbe|must\sbe|could\sbe|might\sbe|may\sbe"
    r"|seems\sto\sbe|appears\sto\sbe)(?![\w'])|=|:|→|-(?=\s)|≈)"
)
_IS = (
    r"\s?(?:is|was|ist|lautet|wäre|est|serait|es|sería|è|é|seria|adalah|ialah|là"
    r"|to|jest|är|er|on|este|είναι|是|為|为|は|が|은|는|이|হল|है)?\s?[:=]?\s?"
)
_NOUNS = (
    r"antwort|réponse|respuesta|risposta|resposta|antwoord|ответ|відповідь|đáp\sán|jawaban(?:nya)?|cevap"
    r"|odpowiedź|odpověď|odpoveď|svaret?|vastaus|válasz|răspunsul|απάντηση|الإجابة|الجواب|התשובה|उत्तर|คำตอบ"
    r"|答案|答え|正解|回答|解答|정답|답|答(?=:)"
)
_ENGLISH = r"answer|ans\b\.?|conclusion|verdict|my\s(?:estimate|guess|pick|choice|selection)"
_FINAL = re.compile(
    rf"(?:\bfinal(?:ly)?[,\s]\s?(?:the\s)?(?:answer|conclusion|choice|estimate|result|count|number|value|total|verdict|decision)"
    rf"(?:{_AS_ANSWER}|\s?(?=\n|\(?[A-Z\d]))|最终答案{_IS}|最終答案{_IS}|最終的な答え{_IS})",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    rf"\b(?<!\bif\sthe\s)(?<!\bif\smy\s)(?<!whether\sthe\s)(?:{_ENGLISH}|(?:correct|best|right|chosen|selected)\s(?:option|choice|letter|one))"
    rf"(?:{_AS_ANSWER}|\s?\n|\s(?=\(?(?-i:[A-Z])\)?(?:[.,:;)\n]|$))|\s(?=[-+]?\d))"
    rf"|(?<![^\W\d_])(?:{_NOUNS}){_IS}",
    re.IGNORECASE,
)
_UNIT_BESIDE = re.compile(rf"{CLOSE}\s?(?P<unit>{UNIT})", re.IGNORECASE)  # \\boxed{{120}} cm
_OTHER = re.compile(
    r"\b(?:wrong|incorrect|second(?:[\s-]best)?|least\s\w{1,9}|worst|false|other|next|my\ssecond)\s$",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\n[^\w\n]{0,4}(?:question|user|human|q|problem|问题|問題|提问)\s?\d{0,3}\s?:|\n[^\w\n]{0,4}(?:next|new)\squestion\b",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"(?:^|[.!?\n)]|\.\.\.|\s-)\s{0,3}(?:oh\s|but\s|hmm,?\s|no,\s)?(?:wait\b|correction\b|scratch\sthat\b"
    r"|on\ssecond\sthought\b|sorry\b|actually(?=,|\s\(?[A-Z\d])|no,|i\smean\b|let\sme\s(?:correct|re)\w*)[,:.\s]"
    r"|,\s(?:but|then)\s(?:on|after)\s(?:(?:a\s)?(?:second|closer|another|third)|looking|checking|counting)\s?\w{0,10}(?:\sagain)?[,\s]",
    re.IGNORECASE,
)
CONCLUSION = re.compile(
    r"(?:^|[.;,!?\n:)]|\band|\s-)\s{0,2}(?:so(?!\s(?:far|that|many|much|on\b))|therefore|thus|hence|consequently"
    r"|in\sconclusion|in\ssummary|overall|as\sa\sresult|(?:this|that|which)\s(?:means|makes|gives)|it\sfollows\sthat"
    r"|因此|所以|故|综上(?:所述)?|總之|总之|したがって|従って|よって|따라서|그러므로|donc|por\slo\stanto|así\sque|quindi"
    r"|daher|deshalb|portanto|logo|поэтому|следовательно|итак|∴)(?![a-z])[,:]?\s?|→\s?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\n+|(?<=[\w)\]\"'%])[!?]+(?:\s|$)"
    r"|(?:(?<=[^\W\d]{2})|(?<=[)\]\"'%\d])|(?<=\s[a-z]))"
    r"(?<!\bsq)(?<!\bft)(?<!prox)(?<!\bca)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)(?<!кв)(?<!\b[Nn]o)"
    r"\.+(?:\s|$)"
)


def marked(text: str) -> list[str]:
    """The texts between marks of the answer, of which one may be missing; the last `MOST`."""
    places: deque[str] = deque(maxlen=MOST)
    opened, content = False, ""
    for part in re.split(f"([{OPEN}{CLOSE}])", _UNIT_BESIDE.sub(rf" \g<unit>{CLOSE}", text)):
        if part in (OPEN, CLOSE):
            if part == CLOSE and not opened and content:
                places.append(content.rsplit("\n", maxsplit=1)[-1])
            opened, content = part == OPEN, ""
        else:
            content = part.strip(" \n:")
            if opened and content:
                places.append(content)
    return list(places)


def unmarked(text: str) -> str:
    """The text without its marks."""
    return text.replace(OPEN, " ").replace(CLOSE, " ")


def after_marks(text: str) -> str:
    """The text after the last mark."""
    return text[max(text.rfind(OPEN), text.rfind(CLOSE)) + 1 :] if CLOSE in text else ""


def after_final(text: str) -> list[str]:
    """The texts after phrases for a final answer."""
    return _after(_FINAL, text)


def after_answer(text: str) -> list[str]:
    """The texts after phrases for an answer."""
    return _after(_ANSWER, text)


def after(pattern: re.Pattern[str], text: str) -> list[str]:
    """The text after each match of a pattern: the rest of its line, or the next line with words."""
    return _after(pattern, text)


def _after(pattern: re.Pattern[str], text: str) -> list[str]:
    matches = (
        match
        for match in pattern.finditer(text)
        if not _OTHER.search(text[max(0, match.start() - 20) : match.start()])
    )
    places = deque((match.end() for match in matches), maxlen=MOST)
    return [span for place in places if (span := _line(text[place : place + SPAN]))]


def _line(text: str) -> str:
    return next((line.strip() for line in text.split("\n") if any(c.isalnum() for c in line)), "")


def until_next_question(text: str) -> str:
    """The text up to a further question that the model made up; the whole text if there is none."""
    match = _QUESTION.search(text)
    return text[: match.start()] if match else text


def since_correction(text: str) -> str:
    """The text after its last correction of itself; empty if there is none."""
    last = deque(_CORRECTED.finditer(text), maxlen=1)
    return text[last[0].end() :].strip() if last and last[0].start() > 0 else ""


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, stripped, with their final question marks."""
    return list(_sentences(text))


def _sentences(text: str) -> Iterator[str]:
    place = 0
    for end in _SENTENCE.finditer(text):
        sentence = text[place : end.end()].strip()
        if sentence:
            yield sentence
        place = end.end()
    if text[place:].strip():
        yield text[place:].strip()


_CHOOSE = re.compile(
    r"\b(?:i|we)(?:'d|'ll|\swould|\swill|\sam|'m)?\s(?:also\s)?(?:choos(?:e|ing)|pick(?:ing)?|select(?:ing)?|go(?:ing)?\swith|vote\sfor|opt\sfor|answer|say)"
    r"(?:\s(?:the|option|answer|choice|that|it'?s|it\sis|is))*\s?:?"
    r"|\b(?:choice|option|selection|selected|pick)\s?(?::|=|\sis:?)\s?(?=\W{0,3}[A-Za-z]\b)"
    r"|(?<!不)(?:[应應故]?[选選](?:择|擇|项|項)?(?:是|为|為|:)?)\s?(?=[(\[]?[A-Z](?![A-Za-z]))",
    re.IGNORECASE,
)
_THINK = re.compile(
    r"\b(?:i|we)(?:'d|\swould)?\s(?:think|believe|guess|suspect|conclude|assume|feel)(?:\sthat)?(?:\s(?:it'?s|it\sis|it\swould\sbe|the\sanswer\sis))?\s?",
    re.IGNORECASE,
)
_NEAREST = re.compile(
    r"\b(?:closest|nearest)(?:\s(?:one|object|item|option|choice))?(?:\sto\s[^.\n]{1,60}?)?\s(?:is|would\sbe|seems\sto\sbe)\s",
    re.IGNORECASE,
)
_LETTER_SENTENCE = re.compile(r"(?<=\w\w)[.!?]+\s|(?<=\s[A-Z])[.!?]\s")

_PLACES = {word: place for place, word in enumerate(("first", "second", "third", "fourth"))}
_PLACED = re.compile(
    rf"\b(?P<word>{'|'.join(_PLACES)})\soption\b|\boption\s(?:number\s|#)?(?P<digit>[1-9])(?![\d.])",
    re.IGNORECASE,
)
_ASKED = re.compile(r"(?<=\?)\s{1,3}A\s?:\s")  # Q: which is it? A: B

Letters = tuple[str, ...]


class Choosing:
    """Reads options from plain text; every method returns distinct letters."""

    def __init__(self, options: Sequence[str]) -> None:
        self._choices = choices(tuple(options))
        self.letters = self._choices.letters

    def whole(self, text: str) -> Letters:
        """The option of a text that is nothing but an answer."""
        return self._choices.whole(text)

    def opening(self, sentence: str) -> Letters:
        """The option of a statement that consists of nothing else."""
        return () if sentence.endswith("?") else self._choices.whole(sentence)

    def asserted(self, sentence: str) -> Letters:
        """The options that a statement asserts; questions assert nothing."""
        return () if sentence.endswith("?") else self._choices.asserted(sentence)

    def combined(self, text: str) -> Letters:
        """The option whose order of things a text gives."""
        return self._choices.combined(text)

    def final(self, text: str) -> list[Letters]:
        """The options after phrases for a final answer."""
        return [self._choices.head(span) for span in after_final(text)]

    def answers(self, text: str) -> list[Letters]:
        """The options after phrases for an answer or a choice, or before `is the answer`."""
        spans = after_answer(text) + after(_CHOOSE, text)
        readings = [self._choices.head(span) for span in spans]
        return readings + [
            self._choices.answer_in(s[:600]) for s in _LETTER_SENTENCE.split(text)[-40:]
        ]

    def subjects(self, text: str, _sentences: Sequence[str]) -> list[Letters]:
        """The options after `I think` and the like, or after `the closest is`."""
        spans = after(_THINK, text) + ([] if FARTHEST.search(text) else after(_NEAREST, text))
        return [self._choices.head(_first(span)) for span in spans]

    def concluded(self, text: str) -> list[Letters]:
        """The options in the last conclusion (`so`, `therefore`)."""
        conclusions = [self._choices.head(_first(span)) for span in after(CONCLUSION, text)]
        return [letters for letters in conclusions if letters][-1:]

    def continues(self, _sentence: str) -> bool:
        """False: a statement never adds an option to that of the previous one."""
        return False

    def same(self, first: str, other: str) -> bool:
        """Whether two letters are equal."""
        return first == other

    def prepared(self, text: str) -> str:
        """The text without the options that it repeats, with letters in place of positions."""
        text = self._choices.without_options(_ASKED.sub("\nAnswer: ", text))
        return _PLACED.sub(self._lettered, text)

    def _lettered(self, placed: re.Match[str]) -> str:
        """Replace `second option` and `option 2` by `option B`."""
        place = int(placed["digit"]) - 1 if placed["digit"] else _PLACES[placed["word"].lower()]
        return f"option {self.letters[place]}" if place < len(self.letters) else placed[0]


def _first(span: str) -> str:
    return _LETTER_SENTENCE.split(span, maxsplit=1)[0]
