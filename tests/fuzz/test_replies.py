"""Whatever a model says, every protocol reads it, in time proportional to its length."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.made import fuzzed
from vicabench.harnesses.protocols import PROTOCOLS, find_protocol
from vicabench.harnesses.reading.thoughts import reasoned
from vicabench.rubric import VSI

OPTIONS = ("A. left", "B. front-left", "C. ", "D. (x)*", "no label", "")
LISTS = ("A. chair, table", "B. table, chair")
PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "<answer ", "◁think▷", "◁/think▷",
    "< / think >", "<analysis>", "\\boxed{", "}", "{", "[", "]", "(", ")", "*", "_", "`",
    "#", "A", "B.", "(C)", "a", "answer", "Answer: ", "the answer is", "option ", "答案", "：",
    "1", "9", ".", ",", "-", "–", "±", "/", "1e", "1,000", "0.", "٣", "½", "²", "^{2}",
    "square ", "m", "cm", "feet", "in", " to ", "between ", " and ", "one", "hundred ",
    "thousand", "twenty-", " ", "\t", "\n", "\r", "\x0b", "\u2028", "\xa0", "\u200b",
    "\x00", "\x1b[", "'", '"', "\\", "=", "%", "~", "nan", "inf", "İ", "ß", "\ud800", "é́",
    "Thoughts:", "Final answer", "left", "front-left", "A. ", "- ", "> ", "选项 A:", "__",
    "0x", "()", "[THINK]", "[/THINK]", "<seed:think>", "<|channel|>analysis<|message|>",
    "<|channel|>final<|message|>", "assistantfinal", "analysis", "<|im_end|>", "</s>",
    "<|begin_of_box|>", "<|end_of_box|>", "assistant: ", "\n\nQuestion: ", "```json\n", "```",
    '{"answer": ', '"unit": ', "'a': '", "<sup>2</sup>", "<b>", "&lt;", "&#57344;", "~~", "| ",
    "\\frac{1}{2}", "\\frac{", "\\text{", "\\times ", "\\sqrt{", "\\n", "^2",
    "Ｂ", "２．５", "①", "🅱",
    "\ue000", "\ue001", "\ue002", "ﷺ", "′", "5'", '11"', "1/2 ", "e-1", "×", " x ", "→", "≈", "<",
    ">5", "at least ", "less than ", "or ", "not ", "because ", "than ", "while ", "but ", "so ",
    "Therefore, ", "Wait, ", "I think ", "I ", "I choose ", "is the answer", "Total: ",
    "distance is ", "area (cm): ", "point ", "half a ", " and a half", "a couple ", "三", "米",
    "半",
    "个", "左前", "右", "后", "不", "选", "right", "behind ", "turn ", "chair, table", "is correct",
    "Ans = ", "Ans='", "Answer = ", "(答案", "答案是", "was correct", "B)", "[0, 3, ",
    "?", ";", "°", "0:12", "seconds", "in the room", "1. ", "2. ",
]  # fmt: skip
"""What readers look for, in every spelling, and what could come in their way."""

replies = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@fuzzed
@given(reply=replies)
@example(reply="ß")  # two letters when it is made upper-case
def test_any_reply_gives_a_number_a_letter_or_nothing(protocol: str, reply: str) -> None:
    rule = find_protocol(protocol)
    for unit in (task.unit for task in VSI.tasks if task.unit):
        assert isinstance(rule.read_number(reply, unit), float | None)
    for options in (OPTIONS, LISTS, ()):
        letter = rule.read_choice(reply, options)
        assert letter is None or len(letter) == 1
    assert isinstance(rule.read_text(reply), str | None)
    assert rule.read_yes_no(reply) in ("yes", "no", None)
    reasoned(reply)


# In proportion to its length a megabyte takes a tenth of a second, and hours by its square.
READ = """
import faulthandler, signal, sys
from vicabench.harnesses.protocols import find_protocol
from vicabench.harnesses.reading.thoughts import reasoned

faulthandler.register(signal.SIGPROF, chain=True)  # says where, and then dies of it
LONG = 1_000_000
OPTIONS = ("A. left", "B. front-left", "C. (x)*", "D. " + "left " * 1000 + "right")
for line in sys.stdin:
    start, unit, end = eval(line)
    reply = start + unit * (LONG // len(unit)) + end
    signal.setitimer(signal.ITIMER_PROF, 10)  # seconds of computing: others do not count
    rule = find_protocol(sys.argv[1])
    rule.read_number(reply, "cm")
    rule.read_choice(reply, OPTIONS)
    rule.read_choice(reply, ())
    rule.read_text(reply)
    rule.read_yes_no(reply)
    reasoned(reply)
signal.setitimer(signal.ITIMER_PROF, 0)
"""


def long_replies(seed: int, count: int) -> str:
    """A piece or a few to repeat, after one and before another, as Python, line by line."""
    chance = random.Random(seed)
    pieces = [*PIECES, *("" for _ in PIECES)]
    made = [
        (
            chance.choice(pieces),
            "".join(chance.choices(PIECES, k=chance.choice((1, 1, 2, 3)))),
            chance.choice(pieces),
        )
        for _ in range(count)
    ]
    return "".join(f"{one!r}\n" for one in made)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_megabyte_of_anything_is_read_in_time(protocol: str) -> None:
    more = int(os.environ.get("FUZZ_EXAMPLES", "0")) // 20  # each takes up to two seconds
    done = subprocess.run(
        [sys.executable, "-c", READ, protocol],
        input=long_replies(os.getpid() if more else 3, more or 15),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
