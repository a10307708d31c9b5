"""Where a reply names its option: after a phrase, in a conclusion, in a statement."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.grading.letters import choices
from vicabench.grading.places import CONCLUSION, after, after_answer, after_final

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
_SENTENCE = re.compile(r"(?<=\w\w)[.!?]+\s|(?<=\s[A-Z])[.!?]\s")

_PLACES = {word: place for place, word in enumerate(("first", "second", "third", "fourth"))}
_PLACED = re.compile(
    rf"\b(?P<word>{'|'.join(_PLACES)})\soption\b|\boption\s(?:number\s|#)?(?P<digit>[1-9])(?![\d.])",
    re.IGNORECASE,
)
_ASKED = re.compile(r"(?<=\?)\s{1,3}A\s?:\s")  # Q: which is it? A: B

Found = tuple[str, ...]


class Choosing:
    """How an option is read from plain text; each method gives the letters it finds once."""

    def __init__(self, options: Sequence[str]) -> None:
        self._choices = choices(tuple(options))
        self.letters = self._choices.letters

    def whole(self, text: str) -> Found:
        """The option of a text that is nothing but an answer."""
        return self._choices.whole(text)

    def opening(self, sentence: str) -> Found:
        """The option of a statement that says nothing else."""
        return () if sentence.endswith("?") else self._choices.whole(sentence)

    def said(self, sentence: str) -> Found:
        """The options that a statement asserts; what is asked is not asserted."""
        return () if sentence.endswith("?") else self._choices.said(sentence)

    def over(self, text: str) -> Found:
        """The option whose order of things a text has."""
        return self._choices.over(text)

    def final(self, text: str) -> list[Found]:
        """What follows the phrases for a final answer."""
        return [self._choices.head(span) for span in after_final(text)]

    def answers(self, text: str) -> list[Found]:
        """What follows the phrases for an answer or a choice, or stands before `is the answer`."""
        spans = after_answer(text) + after(_CHOOSE, text)
        found = [self._choices.head(span) for span in spans]
        return found + [self._choices.answer_in(s[:600]) for s in _SENTENCE.split(text)[-40:]]

    def subjects(self, text: str, _sentences: Sequence[str]) -> list[Found]:
        """What the reply says that it thinks."""
        return [self._choices.head(_first(span)) for span in after(_THINK, text)]

    def concluded(self, text: str) -> list[Found]:
        """What the last conclusion says (`so`, `therefore`)."""
        spans = [f for span in after(CONCLUSION, text) if (f := self._choices.head(_first(span)))]
        return spans[-1:]

    def goes_on(self, _sentence: str) -> bool:
        """No: an option is not added to another."""
        return False

    def same(self, first: str, other: str) -> bool:
        """Whether two letters are the same."""
        return first == other

    def prepared(self, text: str) -> str:
        """The text without the options that it repeats, and with letters for their places."""
        text = self._choices.without_options(_ASKED.sub("\nAnswer: ", text))
        return _PLACED.sub(self._lettered, text)

    def _lettered(self, placed: re.Match[str]) -> str:
        """`option B` for `second option` and `option 2`."""
        place = int(placed["digit"]) - 1 if placed["digit"] else _PLACES[placed["word"].lower()]
        return f"option {self.letters[place]}" if place < len(self.letters) else placed[0]


def _first(span: str) -> str:
    return _SENTENCE.split(span, maxsplit=1)[0]
