"""VLMEvalKit (also behind EASI's numbers): how it asks and grades, and its prediction files.

It looks for the answer in a cascade of places, the likeliest first. This new implementation takes
linear time: every step reads the reply a fixed number of times. One case differs: a reply that is
a Python list of more than `LONGEST_LIST` characters is unreadable. (A truth of 0 is compared by
absolute error there, and refused here.) Replies in `MISSING` are lost to pandas, as they are there.

Predictions are `MODEL_DATASET.xlsx`, `.tsv` or `.json`, one row per question. Since December 2025
VSI-Bench has `index` (the question's id), `video` (`scannet/scene.mp4`), `question_type`,
`question`, `candidates`, `answer`, `prediction`; before, `prefix` (the dataset's folder) and
`type`. The score tables beside them also have `hit` or `MRA:.5:.95:.05`, or `score`. No version is
recorded; the data set's name tells VSIBench (December 2025 to March 2026) from VSI-Bench.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.harnesses.presets import (
    CAMBRIAN,
    FLOAT,
    GEMINI,
    INTERNVL,
    OPENAI,
    OTHER,
    PHRASE,
    QWEN2,
    QWEN2_5,
    QWEN3,
    Asks,
    Preset,
    vsi_wording,
)
from vicabench.harnesses.protocols import Protocol, whole_text
from vicabench.harnesses.reading.numbers import TO_TWENTY
from vicabench.harnesses.rows import (
    CUT,
    MEASURES,
    MISSING,
    Record,
    Row,
    Source,
    each,
    is_cut,
    own_score,
    rows_of,
    whole_number,
)
from vicabench.metrics import MeanRelativeAccuracy
from vicabench.rubric import MICRO, Overall

TAIL = 800  # characters at the end that are searched for a conclusion
TAIL_LINES = 6
LONGEST_LIST = 10_000
INVISIBLE = dict.fromkeys((0x200B, 0x200C, 0x200D, 0xFEFF))
OPEN_ANSWER = re.compile(r"<\s*answer\b", re.IGNORECASE)
CLOSE_ANSWER = re.compile(r"<\s*/\s*answer\s*>", re.IGNORECASE)
OPEN_THINK = re.compile(r"<\s*think\s*>", re.IGNORECASE)
CLOSE_THINK = re.compile(r"</\s*think\s*>", re.IGNORECASE)
TAGGED_LETTER = re.compile(r"\s*([A-J])", re.IGNORECASE)
BEFORE_TAG = tuple(
    re.compile(rf"(?<![A-Za-z])([A-F])\s*+[)\]}}）】]?\s*+</\s*{tag}\s*>", re.IGNORECASE)
    for tag in ("answer", "think")
)
OPTION_LINE = re.compile(r"[*_>\-\s]*(?:option|选项)\s+[A-J]\s*[:：]", re.IGNORECASE)
LABEL = re.compile(r"([A-F])\s*[.．:：)\]】、-]\s", re.IGNORECASE)
TOKEN = re.compile(r"(?<![A-Za-z])([A-F])[*_`）\]})]*(?=$|[\s.,:;!?)\]】》」』，。；、：）])")
ANSWER_PHRASE = re.compile(
    r"(?:answer(?:\s*+is)?+|答案|结论|所以|因此|选择?+)\s*+[:：>＝=]?+\s*+[(\[{（【]?+\s*+([A-F])\b",
    re.IGNORECASE,
)
STANDALONE = re.compile(r"(?<![A-Za-z])[A-F](?![A-Za-z])")
MARKS = "*_`（）[]【】()"

NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
TAGGED_NUMBER = re.compile(rf"\s*({NUMBER.pattern})")
YES_NO = re.compile(r"\b(?:yes|no)\b", re.IGNORECASE)
WORD = re.compile(rf"\b(?:{'|'.join(TO_TWENTY)})\b", re.IGNORECASE)


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The letter, A to F (to J in answer tags), from the first step of the cascade that has one."""
    if reply in MISSING:
        return None
    text = _clean(reply)
    steps = (_in_answer_tags, _before_closing_tag, _in_last_lines, _after_phrase, _only_one)
    return next((letter.upper() for step in steps if (letter := step(text))), None)


def read_number(reply: str, _unit: str) -> float | None:
    """The number in answer tags, else the last number after the reasoning, else the last one."""
    first = None if reply in MISSING else _first_of_list(reply)
    if first is None:
        return None
    text = WORD.sub(lambda word: str(TO_TWENTY[word[0].lower()]), _clean(first))
    tagged = next(_tagged_numbers(text), None)
    if tagged is not None:
        return float(tagged)
    number = _last(NUMBER, _after_thoughts(text)) or _last(NUMBER, text)
    return float(number[0]) if number else None


def read_yes_no(reply: str) -> str | None:
    """Yes or no if the reply has that one of the two words and not the other."""
    words = {word.lower() for word in YES_NO.findall("" if reply in MISSING else reply)}
    return words.pop() if len(words) == 1 else None


def _clean(text: str) -> str:
    return text.strip().translate(INVISIBLE)


def _first_of_list(text: str) -> str | None:
    """The first member of a reply that is a Python list; None if it only looks like one."""
    bare = text.strip()
    if not (bare.startswith("[") and bare.endswith("]")):
        return text
    if len(text) > LONGEST_LIST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and literals in the model's text
            members = ast.literal_eval(text)
        # `str` may raise: Python parses longer integers than it prints.
        return str(members[0]) if isinstance(members, list) and members else text
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _answer_contents(text: str) -> Iterator[int]:
    """The offsets at which the content of each opening answer tag begins."""
    end = -1
    for opening in OPEN_ANSWER.finditer(text):
        if opening.end() <= end:
            continue  # this tag is inside the previous one, and ends where that ends
        end = text.find(">", opening.end())
        if end < 0:
            return
        yield end + 1


def _in_answer_tags(text: str) -> str | None:
    last_close = max((close.start() for close in CLOSE_ANSWER.finditer(text)), default=-1)
    for start in _answer_contents(text):
        letter = TAGGED_LETTER.match(text, start)
        if letter and letter.end() <= last_close:
            return letter[1]
    return None


def _tagged_numbers(text: str) -> Iterator[str]:
    for start in _answer_contents(text):
        number = TAGGED_NUMBER.match(text, start)
        next_tag = text.find("<", start)
        if number and next_tag >= 0 and CLOSE_ANSWER.match(text, next_tag):
            yield number[1]


def _before_closing_tag(text: str) -> str | None:
    matches = (pattern.search(text[-TAIL:]) for pattern in BEFORE_TAG)
    return next((match[1] for match in matches if match), None)


def _after_thoughts(text: str) -> str:
    """The text after the last closing tag of thoughts, else after the last opening one."""
    for tag in (CLOSE_THINK, OPEN_THINK):
        last = _last(tag, text)
        if last:
            return text[last.end() :].strip()
    return text


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _in_last_lines(text: str) -> str | None:
    for part in (_after_thoughts(text), text[-TAIL:]):
        for line in reversed(part.splitlines()[-TAIL_LINES:]):
            letter = _of_line(line.strip())
            if letter:
                return letter
    return None


def _of_line(line: str) -> str | None:
    """The letter that a line consists of, begins with as a label, or contains as its only one."""
    if OPTION_LINE.match(line):
        return None
    bare = line.lstrip(MARKS + ">").lstrip()
    if bare[:1] in set("ABCDEFabcdef") and not bare[1:].lstrip().lstrip(MARKS).strip():
        return bare[0]
    label = LABEL.match(line)
    if label:
        return label[1]
    letters = set(TOKEN.findall(line))
    return letters.pop() if len(letters) == 1 else None


def _after_phrase(text: str) -> str | None:
    match = ANSWER_PHRASE.search(text)
    return match[1] if match else None


def _only_one(text: str) -> str | None:
    lines = [line for line in text.splitlines() if not OPTION_LINE.match(line)]
    letters = set(STANDALONE.findall("\n".join(lines)))
    return letters.pop() if len(letters) == 1 else None


def read_first_letter(reply: str, _options: Sequence[str]) -> str | None:
    """The first character if it is a letter, and all of the reply or before a full stop."""
    return reply[0] if reply[:1].isalpha() and reply[1:2] in ("", ".") else None


def read_whole_number(reply: str, _unit: str) -> float | None:
    """The whole reply as Python's `float` reads it, else None."""
    try:
        return float(reply)
    except ValueError:
        return None


VERSIONS = {
    "VsiBench": Protocol(
        name="vlmevalkit@VsiBench",
        source="VLMEvalKit since ef83c66c, VSI-Bench by matching (as EASI reports it)",
        read_number=read_number,
        read_choice=read_choice,
        read_yes_no=read_yes_no,
        read_text=lambda reply: None if reply in MISSING else whole_text(_after_thoughts(reply)),
    ),
    "VSIBench": Protocol(
        name="vlmevalkit@VSIBench",
        source="VLMEvalKit 731ca67b to 2026-03-04, dataset VSIBench",
        read_number=read_whole_number,
        read_choice=read_first_letter,
        # Its thresholds are not those of numpy's linspace in the last bit.
        numbers=MeanRelativeAccuracy(
            thresholds=tuple(0.5 + i * 0.05 for i in range(10)), strict=True
        ),
        overall=Overall(title="Micro", how=MICRO),
    ),
}


NAME = re.compile(r"(?P<model>.+?)_(?P<dataset>VSI-?Bench.*)", re.IGNORECASE)
FRAMES = re.compile(r"_(\d{1,6})frame")
FAILURE = "Failed to obtain answer"  # written in place of a reply when an API gave none
SUBSETS = ("debiased", "pruned")  # parts of data set names; other names mean the full set


def read(path: Path) -> Source:
    """Read a prediction file; its name up to `_VSI-Bench` is the model."""
    name = NAME.fullmatch(path.stem)
    in_cells = path.suffix.lower() == ".xlsx"
    rows = list(rows_of(path))
    old, because = _is_first(name["dataset"] if name else "", rows)
    return Source(
        harness="vlmevalkit",
        file=path,
        rows=each(rows, lambda cells: _record(cells, in_cells=in_cells)),
        graded_by=(f"vlmevalkit@{'VSIBench' if old else 'VsiBench'}",),
        because=because,
        model=name["model"] if name else None,
        subset=_subset(name["dataset"]) if name else None,
        frames=int(frames[1]) if (frames := FRAMES.search(path.stem)) else 0,
        details={"version": None, "dataset": name["dataset"] if name else None},
    )


def _is_first(dataset: str, rows: Sequence[Row]) -> tuple[bool, str]:
    """Whether a file is of the first data set, VSIBench, and what says so: its name or columns."""
    if dataset:
        return "-" not in dataset[: len("VSI-Bench")], f"its data set is {dataset}"
    first = next((row for _, row in rows if not isinstance(row, DataError)), {})
    column = "type" if "type" in first and "question_type" not in first else "question_type"
    return column == "type", f"question types are in its column {column}"


def _subset(dataset: str) -> str:
    """The subset by the data set's name: `VSI-Bench-Debiased_32frame` is "debiased"."""
    return next((name for name in SUBSETS if name in dataset.lower()), "full")


def _record(cells: Record, *, in_cells: bool) -> Record:
    if "prediction" not in cells:
        raise DataError("the column prediction is missing.")
    reply = _reply(cells)
    failed = reply.startswith(FAILURE)
    score = own_score(cells, {"accuracy": cells.get("score")})  # VSIBench has the latter
    return {
        "id": whole_number(cells.get("id") if cells.get("id") is not None else cells.get("index")),
        "video": _video(cells),
        "question_type": cells.get("question_type") or cells.get("type"),
        "question": cells.get("question"),
        "options": cells.get("candidates"),
        "ground_truth": cells.get("answer"),
        "response": None if failed else reply,
        "error": f"vlmevalkit: {reply}" if failed else None,
        "stop": CUT if in_cells and not failed and is_cut(reply) else None,
        **({} if score is None else {"score": score}),
    }


def _reply(cells: Record) -> str:
    """The reply; pandas writes an empty one as an empty cell, in tables of scores as `nan`."""
    cell = cells["prediction"]
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    scored = any(name in cells for name in MEASURES)
    return "" if scored and cell == "nan" else str(cell)


def _video(cells: Record) -> str | None:
    if cells.get("video") is None:
        return None
    name = str(cells["video"]).removesuffix(".mp4")
    return name if cells.get("prefix") is None else f"{cells['prefix']}/{name}"


FIRST = "github open-compass/VLMEvalKit @731ca67b: vlmeval/dataset/vsibench.py, vlmeval/vlm"
SOURCE = "github open-compass/VLMEvalKit @e8e78f05: vlmeval/dataset/vsibench.py, vlmeval/vlm"
QWEN_PIXELS: Mapping[str, Any] = {"min_pixels": 1280 * 28 * 28, "max_pixels": 16384 * 28 * 28}
NEARLY_GREEDY: Mapping[str, Any] = {
    "max_new_tokens": 2048,
    "temperature": 0.01,
    "top_p": 0.001,
    "top_k": 1,
    "repetition_penalty": 1.0,
}
"""Of Qwen2VLChat: the single best token is left, so it samples nothing."""
QWEN3_SAMPLING: Mapping[str, Any] = {
    "max_new_tokens": 16384,
    "temperature": 0.7,
    "top_p": 0.8,
    "top_k": 20,
    "repetition_penalty": 1.0,
    "presence_penalty": 1.5,
}
"""Of its Qwen3-VL, in vLLM."""
INTERN_GREEDY: Mapping[str, Any] = {"max_new_tokens": 4096, "temperature": 0.0}
API: Mapping[str, Any] = {"max_new_tokens": 2048, "temperature": 0.0}
JPEG = "frames are not compressed as JPEG, as the harness's image files are"
ENCODED = "frames are encoded otherwise than the harness does"
PORTED = "the harness runs OpenGVLab's code, and this the port in transformers"


def _labelled(name: str, source: str, **how: Any) -> tuple[Any, Any]:
    """A wording without and with a label in front of each frame, as InternVL is given them."""
    plain = vsi_wording(name, source, **how)
    how |= {"frame_label": "Frame-{i}: ", "frame_end": "\n"}
    return plain, vsi_wording(f"{name}-frames", source, **how)


IMAGES_64: Mapping[str, Any] = {"frames": 64, "frame_rule": "inner", "frames_as": "images"}
QWEN_IMAGES = Asks(
    wording="vlmevalkit-vsibench",
    generation=NEARLY_GREEDY,
    short=(JPEG,),
    **IMAGES_64,
    **QWEN_PIXELS,
)
FIRST_FAMILIES: Mapping[str, Asks] = {
    QWEN2: QWEN_IMAGES,
    QWEN2_5: QWEN_IMAGES,
    INTERNVL: Asks(
        wording="vlmevalkit-vsibench-frames",
        generation=INTERN_GREEDY,
        short=(JPEG, PORTED),
        **IMAGES_64,
    ),
    OPENAI: Asks(
        wording="vlmevalkit-vsibench",
        frames=64,
        frame_rule="inner",
        generation=API,
        short=(ENCODED,),
    ),
    OTHER: Asks(wording="vlmevalkit-vsibench", **IMAGES_64, known=False),
}
VIDEO: Mapping[str, Any] = {"frames": 32, "frame_rule": "qwen", "frames_as": "video"}
IMAGES: Mapping[str, Any] = {"frames": 32, "frame_rule": "tail", "frames_as": "images"}
QWEN_VIDEO = Asks(
    wording="vlmevalkit", assume_fps=2.0, generation=NEARLY_GREEDY, **VIDEO, **QWEN_PIXELS
)
"""Times are not passed on, so it assumes 2 fps."""
FAMILIES: Mapping[str, Asks] = {
    QWEN2: QWEN_VIDEO,
    QWEN2_5: QWEN_VIDEO,
    QWEN3: Asks(
        wording="vlmevalkit",
        min_pixels=128 * 32 * 32,
        max_pixels=768 * 32 * 32,
        generation=QWEN3_SAMPLING,
        **VIDEO,
    ),
    INTERNVL: Asks(
        wording="vlmevalkit-frames", generation=INTERN_GREEDY, short=(JPEG, PORTED), **IMAGES
    ),
    CAMBRIAN: Asks(
        wording="vlmevalkit",
        fps=1.0,
        max_frames=32,
        generation=API,
        short=("a frame has the tokens that the checkpoint states, where the class sets 64",),
    ),
    OPENAI: Asks(
        wording="vlmevalkit", frames=32, frame_rule="tail", generation=API, short=(ENCODED,)
    ),
    GEMINI: Asks(
        wording="vlmevalkit",
        generation=API,
        short=("the service samples the frames of a whole file, and changes over time",),
    ),
    OTHER: Asks(wording="vlmevalkit", short=(JPEG,), **IMAGES, known=False),
}


def vsi_bench(name: str, version: str, source: str, *, reading: str, **families: Asks) -> Preset:
    """The preset of `VsiBench` at 32 frames, for the harnesses that use it."""
    return Preset(
        name=name,
        version=version,
        source=source,
        reading=reading,
        wordings=_labelled("vlmevalkit", SOURCE, numeric=FLOAT, line=""),
        families={**FAMILIES, **families},
    )


PRESETS = (
    Preset(
        name="vlmevalkit",
        version="VSIBench",
        source=FIRST,
        reading="vlmevalkit@VSIBench",
        wordings=_labelled("vlmevalkit-vsibench", FIRST, numeric=PHRASE),
        families=FIRST_FAMILIES,
    ),
    vsi_bench("vlmevalkit", "VsiBench", SOURCE, reading="vlmevalkit@VsiBench"),
)
