"""English number words and their values, to a thousand."""

from __future__ import annotations

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
