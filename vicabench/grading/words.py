"""English number words: their values, and the value of a run of them."""

from __future__ import annotations

from collections.abc import Iterable

# fmt: off
_TO_NINETEEN = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]
# fmt: on
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

TO_TWENTY = {word: value for value, word in enumerate([*_TO_NINETEEN, "twenty"])}
NUMBER_WORDS = {
    **TO_TWENTY,
    **{word: 10 * place for place, word in enumerate(_TENS, start=2)},
    "hundred": 100,
    "thousand": 1000,
}


def value_of(words: Iterable[str]) -> float:
    """The value of a run of lower-case number words: `three hundred twenty one` is 321."""
    total = current = 0.0  # floats, so that a page of `hundred` is infinite and not endless
    for word in words:
        value = NUMBER_WORDS[word]
        if value == 100:
            current = max(current, 1.0) * 100
        elif value == 1000:
            total += max(current, 1.0) * 1000
            current = 0.0
        else:
            current += value
    return total + current
