"""The option a statement names: by letter, by wording, or by an order of things."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vicabench.harnesses.reading import BAD
from vicabench.harnesses.reading.directions import Directions, directions_of
from vicabench.harnesses.reading.plain import characters

LETTERS = "ABCDEF"  # for a question whose options are unknown
LONGEST = 200
"""Longer options, in characters, are matched against a whole text only, not searched in it."""

_LABELLED = re.compile(r"\s*[(\[]?\s?([A-Za-z])\s?(?:[.):\]]\s?|-\s)\s*(.*)", re.DOTALL)
_KEY = re.compile(r"[^\w/]+|_+")
_ARTICLE = re.compile(
    r"^\W*(?:the|an?|it'?s|it\sis|to\s(?:the|your|my|its)|on\s(?:the|your|my)|turn|my|your)\s",
    re.IGNORECASE,
)

_ALONE = re.compile(r"\W*([A-Za-z])\W*")
_LABEL = re.compile(
    r"[\s(\[\"'<]*([A-Z])(?:\s?[)\].:]+\s?|\s[-=→]\s|,\s|\s-|-(?=\w{3})|\s?[)\]\">]+\s?|\s?(?=\())(?=\S|$)"
)
_SMALL = re.compile(r"\W?([a-z])[.):]\s")
_INNER = re.compile(r"(?<![\w'])(?<!\bnot\s)\(?([A-Z])[).:]\s?\w")
_ASIDE = re.compile(r"\s?\((?:option\s)?([A-Z])\)")
_EITHER = re.compile(r"\bor\b|或", re.IGNORECASE)
_OR_ELSE = re.compile(r"\b(?:or|otherwise|maybe|perhaps|possibly|could|might)\b", re.IGNORECASE)
_LESSER = re.compile(r"\b(?:second|third|least|worst)\b", re.IGNORECASE)
_LISTED = re.compile(r"\W{0,4}([A-Z])\s?[.):]\s?\S")
_JUDGED = re.compile(  # A. chair (incorrect); B: yes
    r"[(:\s-](?:(?P<right>correct|right|yes|true|✓|✔)|incorrect|wrong|no|false|✗|✘)[\s.)]{0,3}$",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\sI(?=\s(?!is\b|or\b|and\b|because\b|since\b|would\sbe\b)|'|$)|^I(?=\s(?!is\b|or\b|and\b|because\b)|')"
)
_NAMED = (
    r"(?:options?|choices?|letters?|answers?"
    r"|选项|選項|选择|選擇|选|選|應選|应选)\s?(?:is\s|:\s?|是|为|為)?"
)
_LETTER = re.compile(
    rf"(?:\b|(?<=[^\W\da-zA-Z]))(?i:{_NAMED})[(\[\"']?(?P<named>[A-Za-z])(?![\w'])"
    r"|[(\[](?P<inside>[A-Za-z])[)\]]"
    r"|(?<![A-Za-z0-9_'À-ÿ])(?<![A-Za-z]-)(?!A\s(?!(?:or|and|is|was|because|since|as|seems|looks|appears|would|must|should|but|with|has|at|in|for|being|rather|not|cannot|can't|could|may|might|isn't|nor|than|than|while|whereas)\b)[a-z])"
    r"(?P<capital>[A-Z])(?![A-Za-z0-9_'À-ÿ]|-[a-z])"
)

_SUBORDINATE = re.compile(
    r"\b(?:because|since|as\s(?:the|it|there|both|we)|while|whereas|although|though|even\sif|if|unlike|than|rather\sthan|instead\sof"
    r"|(?<=,\s)then\b|compared\s(?:to|with)|as\sopposed\sto|except|other\sthan|besides|not\sbecause|given|considering|followed\sby|then\scomes?)\b"
    r"|因为|因為|虽然|雖然|而不是|比|weil|parce\sque|car\s|porque|потому",
    re.IGNORECASE,
)
_CLAUSES = re.compile(
    r"(?<!incorrect)(?<!wrong)(?<!option)(?<!answer)(?<!choice)[;:]|,\s?|\s-\s|\bbut\b|\bso\b|→|\band\s(?=(?:it|the\sanswer)\b)|而是|ので|から(?=、|,)",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|can't|\w{1,8}n't|none|without|doubt|considered|nicht|kein\w?|pas|não|ni)\b"
    r"|\b(?:rul(?:e|ed|es|ing)\sout|eliminat\w{1,5}|exclud\w{1,4}|reject\w{0,4}|discard\w{0,4}|incorrect\w{0,2}|wrong|false)\b|不|非|没|沒|\bне\b",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"\b(?:not|n't|never|incorrect|wrong|false|far(?:ther)?|further|too|out|eliminated|excluded|impossible|invalid|less|cannot"
    r"|can't|\w{1,8}n't|doubtful|unlikely|distractor|second)\b|ではな|じゃな|아니|不对|不對|不正确|错|錯",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\W{0,3}(?:and|or|nor|,|&)?\W{0,3}(?:the\s|options?\s)?\W?", re.IGNORECASE)
FARTHEST = re.compile(r"\b(?:farthest|furthest|most\sdistant)\b|最远|最遠", re.IGNORECASE)
_UNSURE = re.compile(
    r"\b(?:not\ssure|unsure|unclear|cannot\s(?:be\s)?determine|can't\s(?:be\s)?(?:tell|determine)|could\sbe\seither"
    r"|(?:anything|everything|all)\s(?:but|except)\b|options\s(?:are|include)|none\sof\sthe|all\sof\sthe|both\sof\sthe|neither)",
    re.IGNORECASE,
)
_IS_ANSWER = re.compile(
    r"\s(?:is|was|would\sbe|must\sbe|should\sbe|seems|looks|appears|=)\s(?:to\sbe\s)?(?:(?:most\s)?\w{2,12}ly\s)?"
    r"(?:(?:(?:the|my)\s)?(?:final\s)?(?:correct|right|best|most\s\w{3,12})?\s?(?:answer|choice|option)\b|(?:correct|right)\b(?!\s[a-z]))"
    r"|(?:是|为|為|が|이|가)\s?(?:正确|正確|正解|정답)",
    re.IGNORECASE,
)
_MEASURED = re.compile(
    r"\W{0,3}(?:is|are|was|at)?\s?(?:only|just|about|around|roughly|approximately)?\s?~?\d",
    re.IGNORECASE,
)
_AMONG = re.compile(  # what is compared, before the clause that says which it is
    r"\W*(?:(?:from\s)?among(?:st)?|between|of|out\sof|comparing)\s.{3,300}?,\s"
    r"(?=[^,]{1,80}\b(?:is|are|was|would\sbe|seems|appears|looks|lies|has)\b)",
    re.IGNORECASE,
)
_AND_LETTER = re.compile(
    r"[)\]\"'.]{0,2}\s?(?:,|/|&|\+|or\b|and\b|and/or\b|和|或|或者|、|oder\b|und\b|ou\b|et\b|o\b|y\b)\s?(?:(?:also|and|or|option|maybe|possibly|perhaps)\s)*+[(\[\"']?(?P<other>[A-Z])(?![\w'])(?!\s(?:is|was|are|seems|has|lies|would)\b)"
)
_HEAD = re.compile(
    r"[\s\"'(\[:=-]*(?:(?:most\s)?(?:likely|probably|definitely|clearly|certainly|simply|indeed|therefore|thus|option|choice|letter"
    r"|number|answer|the|it'?s|is|that|with|for|选项|選項|选择|選擇)(?![a-z])\s?+:?+\s?+)*+[\"'(\[]*(?P<letter>[A-Za-z])(?![\w'])"
)
_BREAK = re.compile(
    r"(?<=\w\w)[.!?](?:\s|$)|[\n;]|\s-\s|\b(?:because|since|as|while|whereas|although|given|which|where|based|considering|due)\b|\(|因为|因為",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class _Named:
    letter: str
    start: int
    end: int


class Choices:
    """The options of a question, in all forms in which a reply can name them.

    Options begin with their letters (`A. chair`, `(A) chair`), or get them by position. Without
    options only letters are read. Methods take plain text (`plain`) and return distinct upper-case
    letters: none if nothing is named, several if mentions compete.
    """

    def __init__(self, options: Sequence[str]) -> None:
        texts = [characters(option) for option in options[: len(string.ascii_uppercase)]]
        labels = [_LABELLED.fullmatch(text) for text in texts]
        first = [label[1].upper() for label in labels if label]
        labelled = len(first) == len(texts) == len(set(first))
        self.letters = "".join(first) if labelled else string.ascii_uppercase[: len(texts)]
        self.letters = self.letters or LETTERS
        words = [
            label[2] if label and labelled else text
            for label, text in zip(labels, texts, strict=True)
        ]
        self._keys: dict[str, set[str]] = {}
        for letter, text in zip(self.letters, words, strict=False):
            for key in {_key(text), _key(_core(text))} - {""}:
                self._keys.setdefault(key, set()).add(letter)
        named = dict(zip(self.letters, words, strict=False)) if texts else {}
        self._directions: Directions | None = directions_of(named)
        self._words, self._by_words = _pattern({k: _core(v) for k, v in named.items()})
        self._orders, self._thing, self._things = _orders(named)
        if self._directions:
            self._orders = {letter: self._directions.order(letter) for letter in self._orders}

    def whole(self, text: str) -> tuple[str, ...]:
        """The option of a text that is nothing but an answer: a letter, its wording, or both."""
        if BAD in text:
            return ()
        alone = _ALONE.fullmatch(text)
        if alone and (letter := alone[1].upper()) in self.letters:
            return (letter,)
        small = _SMALL.match(text)
        named = self._spelled(text[small.end() :]) if small else ()
        if small and named and small[1].upper() in self.letters:
            return tuple(dict.fromkeys((small[1].upper(), *named)))
        label = _LABEL.match(text)
        if label and label[1] in self.letters:
            return self._labelled(text, label)
        article = re.match(r"A\s(?=[A-Za-z])", text)
        return self._spelled(text) or (self._spelled(text[article.end() :]) if article else ())

    def _labelled(self, text: str, label: re.Match[str]) -> tuple[str, ...]:
        """The option of a text that begins with a letter as a label, with others it mentions."""
        rest = text[label.end() :]
        also = _AND_LETTER.match(text, label.start(1) + 1)
        if also and also["other"] in self.letters and also["other"] != label[1]:
            return (label[1], also["other"])
        named = self._spelled(rest)
        listed = set(_INNER.findall(rest.split("\n\n", maxsplit=1)[0])) & set(self.letters) - {
            label[1]
        }
        if listed:
            return (label[1], min(listed))
        if not named and label[0].endswith("-"):
            return ()  # C-shaped
        short = len(rest) <= LONGEST and not re.search(r"\s\w+\s\w+\s\w+", rest)
        other = named or (self.asserted(rest) if short else ())
        if other and label[1] not in other:
            return (label[1], *other)
        return (label[1],) if named or not rest.strip() or "," not in label[0] else ()

    def _spelled(self, text: str) -> tuple[str, ...]:
        for key in (_key(text), _key(_core(text)), _key(_core(_core(text)))):
            if letters := self._keys.get(key):
                return tuple(sorted(letters))
        return ()

    def head(self, text: str) -> tuple[str, ...]:
        """The option of a text that follows a phrase such as `the answer is`."""
        if whole := self.whole(text):
            return whole
        if BAD in text:
            return ()
        match = _HEAD.match(text)
        letter = match["letter"] if match else ""
        if match and letter.upper() in self.letters and self._is_letter(text, match):
            also = _AND_LETTER.match(text, match.end())
            if also and also["other"] in self.letters:
                return tuple(dict.fromkeys((letter.upper(), also["other"])))
            if other := self._else(text[match.end() :], letter.upper()):
                return (letter.upper(), other)
            named = self._spelled(
                _BREAK.split(text[match.end() :].lstrip(" .):],\"'-"), maxsplit=1)[0].split(",")[0]
            )
            return (
                (letter.upper(),)
                if not named or letter.upper() in named
                else (letter.upper(), *named)
            )
        clause = _BREAK.split(text, maxsplit=1)[0]
        asserted = self._ordered(clause) or self.asserted(clause)
        aside = _ASIDE.match(text, len(clause))
        other = aside[1] if asserted and aside and aside[1] in self.letters else ""
        return (*asserted, other) if other and other not in asserted else asserted

    def _else(self, rest: str, letter: str) -> str:
        """Another letter that the rest of a statement allows: `B or, less likely, A`."""
        sentence = re.split(r"[.!?]\s|\n", rest, maxsplit=1)[0]
        turn = _OR_ELSE.search(sentence)
        named = self._named(sentence[turn.end() :]) if turn else ()
        return next((n.letter for n in named if n.letter != letter), "")

    def _is_letter(self, text: str, match: re.Match[str]) -> bool:
        rest = text[match.end() :]
        if match["letter"].islower() or match["letter"] in "AI":
            words = self._spelled(_BREAK.split(rest.lstrip(" .):]"), maxsplit=1)[0])
            if match["letter"].upper() in words:
                return True
            return (
                re.match(
                    r"[)\].,;:!?\"'\s]*$|[)\].,:;\"]|\s(?:because|since|as|is|or|and|-|for|with|but|due)\b",
                    rest,
                )
                is not None
            )
        return True

    def asserted(self, sentence: str) -> tuple[str, ...]:
        """The options that a statement asserts, without those it denies or compares with."""
        if BAD in sentence:
            return ()
        if ordered := self._ordered(sentence):
            return ordered
        among = _AMONG.match(sentence)
        if among and self._named(sentence[among.end() :]):
            sentence = sentence[among.end() :]
        named = self._named(sentence)
        if not named or _UNSURE.search(sentence):
            return ()
        measured = [n for n in named if _MEASURED.match(sentence, n.end)]
        if len(measured) > 1 and len(measured) == len(named):
            return ()  # a list of distances says which is closest only to who compares them
        if FARTHEST.search(sentence):
            return tuple({n.letter for n in named} | {"", named[0].letter})
        asserted = dict.fromkeys(n.letter for n in self._asserted(sentence, named))
        return tuple(asserted)

    def combined(self, text: str) -> tuple[str, ...]:
        """The option that a whole text gives: an order of things may span several lines."""
        return self._ordered(text)

    def without_options(self, text: str) -> str:
        """The text without lines that repeat the options, each with its letter."""
        lines = text.split("\n")
        labels = [
            m[1] if (m := _LISTED.match(line)) and m[1] in self.letters else "" for line in lines
        ]
        listed = [label for label in labels if label]
        if len(set(listed)) < 2 or listed != sorted(listed):
            return text
        verdicts = [
            _JUDGED.search(line) for line, label in zip(lines, labels, strict=True) if label
        ]
        right = [label for label, v in zip(listed, verdicts, strict=True) if v and v["right"]]
        if all(verdicts) and len(right) == 1:
            lines.append(f"Answer: {right[0]}")
            labels.append("")
        return "\n".join(line for line, label in zip(lines, labels, strict=True) if not label)

    def answer_in(self, sentence: str) -> tuple[str, ...]:
        """The option named in `B is the answer` or `B is correct`."""
        match = _IS_ANSWER.search(sentence)
        if match is None or _NOT.search(sentence[max(0, match.start() - 12) : match.end()]):
            return ()
        subject = sentence[: match.start()]
        return self.whole(subject) or self.asserted(re.split(r"[,;:]\s", subject)[-1])

    def _asserted(self, sentence: str, named: Sequence[_Named]) -> list[_Named]:
        dropped = _subordinate(sentence)
        cuts = sorted({0, *(cut.end() for cut in _CLAUSES.finditer(sentence)), len(sentence) + 1})
        following = len(sentence)
        asserted: list[_Named] = []
        denied = False  # backwards, because a denial covers what it joins: `A and B are wrong`
        for one in reversed(named):
            start = max(cut for cut in cuts if cut <= one.start)
            end = min(following, *(cut for cut in cuts if cut > one.start))
            joined = _JOINED.fullmatch(sentence, one.end, following) is not None
            denied = (
                (denied and joined)
                or _NOT.search(sentence, start, one.start) is not None
                or _LESSER.search(sentence, start, one.start) is not None
                or _NOT_AFTER.search(sentence, one.end, end) is not None
            )
            if not denied and not any(low <= one.start < high for low, high in dropped):
                asserted.append(one)
            following = one.start
        return asserted[::-1]

    def _named(self, text: str) -> list[_Named]:
        """All mentions of options, in order; options that are directions are read as directions."""
        mentions = []
        for match in _LETTER.finditer(_PRONOUN.sub(lambda i: i[0].replace("I", "i"), text)):
            kind = match.lastgroup or ""
            letter = match[kind].upper()
            if letter in self.letters and not (
                kind == "named"
                and match[kind] in "ai"
                and text[match.end() : match.end() + 2].strip().isalpha()
            ):
                mentions.append(_Named(letter=letter, start=match.start(kind), end=match.end()))
        mentions += self._by_direction(text) if self._directions else self._worded(text)
        return _resolved(sorted(mentions, key=lambda n: (n.start, -n.end)), text)

    def _by_direction(self, text: str) -> Iterator[_Named]:
        for letter, start, end in self._directions.named(text) if self._directions else ():
            yield _Named(letter=letter, start=start, end=end)

    def _worded(self, text: str) -> Iterator[_Named]:
        if self._words is None:
            return
        for match in self._words.finditer(text):
            for letter in self._by_words.get(_key(match[1]), ()):
                yield _Named(letter=letter, start=match.start(), end=match.end())

    def _ordered(self, text: str) -> tuple[str, ...]:
        """The option whose complete order of things a text gives."""
        if not self._orders or self._thing is None:
            return ()
        first = self._thing.search(text)
        if _NOT.search(text) or _EITHER.search(text, first.start() if first else 0):
            return ()
        things = [self._things.get(_key(match[1]), "") for match in self._thing.finditer(text)]
        turns = self._directions.turns(text) if self._directions else things
        return tuple(letter for letter, order in self._orders.items() if order == tuple(turns))


def _subordinate(sentence: str) -> list[tuple[int, int]]:
    """Spans of a sentence that assert nothing; one at its beginning ends at the first comma."""
    spans = []
    for opening in _SUBORDINATE.finditer(sentence):
        first = not re.search(r"\w", sentence[: opening.start()])
        comma = sentence.find(",", opening.end()) if first else -1
        turn = re.search(r"\b(?:but|so|therefore)\b", sentence[opening.end() :])
        ends = [comma if comma >= 0 else len(sentence)]
        ends += [opening.end() + turn.start()] if turn else []
        spans.append((opening.start(), min(ends)))
    return spans


def _resolved(named: Sequence[_Named], text: str) -> list[_Named]:
    """The mentions without the article `A` of `A chair`, where `chair` is a mention, too."""
    resolved = []
    for place, one in enumerate(named):
        following = named[place + 1] if place + 1 < len(named) else None
        article = text[one.start : one.end] == "A" and following is not None
        if (
            article
            and following
            and text[one.end : following.start] == " "
            and following.letter != "A"
        ):
            continue
        resolved.append(one)
    return resolved


def _key(text: str) -> str:
    return _KEY.sub("", text).casefold()


def _core(text: str) -> str:
    """The wording of an option or a reply without an article, or the `turn` of `turn left`."""
    return _ARTICLE.sub("", f"{text} ").strip(" .,;:!\"'")


def _pattern(named: dict[str, str]) -> tuple[re.Pattern[str] | None, dict[str, set[str]]]:
    by_words: dict[str, set[str]] = {}
    spelled = {}
    for letter, words in named.items():
        parts = [part for part in _KEY.split(words) if part]
        if parts and len(words) <= LONGEST:
            by_words.setdefault(_key(words), set()).add(letter)
            spelled[_key(words)] = r"[\W_]{1,3}".join(map(re.escape, parts))
    if not spelled:
        return None, {}
    anyone = "|".join(sorted(spelled.values(), key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({anyone})(?:e?s)?(?![\w-])", re.IGNORECASE), by_words


def _orders(
    named: dict[str, str],
) -> tuple[dict[str, tuple[str, ...]], re.Pattern[str] | None, dict[str, str]]:
    """The orders of options that are lists, with the pattern and the keys of their things."""
    lists = {letter: re.split(r"\s?(?:,|→|->|>)\s?", words) for letter, words in named.items()}
    if not named or any(len(things) < 2 for things in lists.values()):
        return {}, None, {}
    orders = {k: tuple(_key(_core(t)) for t in v) for k, v in lists.items()}
    things = {t: t for order in orders.values() for t in order if t}
    spelled = {_key(_core(t)): _core(t) for v in lists.values() for t in v}
    pattern, _ = _pattern({f"{place}": words for place, words in enumerate(spelled.values())})
    return orders, pattern, things


@lru_cache(maxsize=64)
def choices(options: tuple[str, ...]) -> Choices:
    """`Choices` of these options, cached for further replies to the same question."""
    return Choices(options)
