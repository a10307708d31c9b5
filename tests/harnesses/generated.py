"""2,000 replies as models write them, made from a seed, with the questions that they answer."""

import random
from dataclasses import dataclass

SEED, COUNT, VIDEOS = 17, 2_000, 40
NUMBERS = (
    "object_counting",
    "object_abs_distance",
    "object_size_estimation",
    "room_size_estimation",
)
CHOICES = (
    *(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard")),
    *("object_rel_distance", "route_planning", "obj_appearance_order"),
)
OPTIONS = ("A. left", "B. right", "C. back", "D. front-left")
WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)
# `{x}` is the likely answer, `{y}` another one, `{w}` a number word, `{X}` the letter in capitals.
OF_NUMBERS = (
    *("{x}", "{x}", "{x}", "{x}.", " {x}", "{x} ", "{x}\n", "{x} m", "{x}m", "{x}, I think"),
    *("{w}", "There are {x} boxes", "one apple, room {x}", "about {w} or {x}"),
    *("{w} hundred and {w}", "twenty-{w}", "a chair", "an apple and {x}", "Answer: {x}"),
    *("Answer:{x}", "The answer is {x}.", "<think>{y} or {x}</think>{x}"),
    *("<think>{y}</think> {w}", "{y} or {y}</think>\n{x}", "<think>{y}"),
    *("<analysis>{y}</analysis>{x}", "<think>{y}</think><analysis>{w}</analysis>{x}"),
    *("<answer>{x}</answer>", "<answer> {x}. </answer>"),
    *("<answer>{y}</answer><answer>{x}</answer>", "<think>{y}</think>\n<answer>{x}</answer>"),
    *("<answer>{x}", "{x}</answer>", "<THINK>{y}</THINK>{x}", "1,{x}", "-{x}", "+{x}", "{x}e-1"),
    *("{x}e0", "\\boxed{{x}}", "[{x}, {y}]", "[{y}", "{x}/2", "**{x}**", "nan", "inf"),
    *("-Infinity", "1_0", "N/A", "None", "", " ", "no idea", "{x}..", "{x}\t{y}", "{x}-{y}"),
    *("between {y} and {x}", "{y}, {w}, then {x} in all", "{x}\n\nThere is a door.", "٣"),
)  # fmt: skip
OF_CHOICES = (
    *("{X}", "{X}", "{X}", "{x}", "{X}.", "{X}. left", "{x}.", "{X}\n", " {X}", "{X} "),
    *("{X}\nleft", "({X})", "{X})", "{X}: left", "Answer: {X}", "Answer:{X}", "Answer:{X}."),
    *("The answer is {X}.", "<answer>{X}</answer>", "<answer>{x}.</answer>"),
    *("<answer> {X}. left</answer>", "<answer>{X}", "<answer>{Y}</answer><answer>{X}</answer>"),
    *("<think>{Y}</think>{X}", "{Y}</think>{X}.", "<think>{Y}", "<analysis>{Y}</analysis>\n{X}"),
    *("<think>{Y}</think>\n<answer>{X}</answer>", "{X} or {Y}", "{X}, not {Y}", "Option {X}"),
    *("option {x}: right", "**{X}**", "\\boxed{{X}}", "E", "I", "I think it is {X}", "left"),
    *("front-left", "{X}..", "{X}.\n{Y}.", "{Y}\n{X}", "[{X}]", "yes", "{X}{Y}"),
    *("A is wrong.\nOption {X}: left", "{X} is {Y}", "the correct option is {X}"),
    *("None of these", "7"),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A reply to a question of one of ten types, in one of `VIDEOS` videos."""

    task: str
    video: str
    truth: str
    reply: str


def cases() -> list[Case]:
    """The replies, the same at every call."""
    rng = random.Random(SEED)
    kinds = (*NUMBERS, *CHOICES)
    return [
        _case(rng, kinds[place % len(kinds)], place // len(kinds) % VIDEOS)
        for place in range(COUNT)
    ]


def _case(rng: random.Random, task: str, video: int) -> Case:
    if task in NUMBERS:
        truth, reply = _number(rng, counts=task == "object_counting")
    else:
        truth, other = rng.sample("ABCD", 2)
        pick = truth if rng.random() < 0.7 else other
        reply = _filled(rng.choice(OF_CHOICES), x=pick.lower(), X=pick, Y=rng.choice("ABCD"))
    return Case(task=task, video=f"scannet/{video}", truth=truth, reply=reply)


def _number(rng: random.Random, *, counts: bool) -> tuple[str, str]:
    """A truth and a reply; half of the answers have exactly the error of a threshold."""
    truth = float(rng.randrange(1, 13)) if counts else rng.randrange(2, 400) / 10
    error = rng.randrange(11) / 20 if rng.random() < 0.5 else rng.random()
    value = truth * (1 + rng.choice((-1, 1)) * error)
    spelled = f"{value:.0f}" if counts and rng.random() < 0.8 else f"{value:.4g}"
    parts = {"x": spelled, "y": str(rng.randrange(30)), "w": rng.choice(WORDS)}
    text = _filled(rng.choice(OF_NUMBERS), **parts)
    return (f"{truth:.0f}" if counts else f"{truth:.1f}"), text


def _filled(form: str, **parts: str) -> str:
    """The form with its parts; `str.format` would need braces doubled."""
    for name, value in parts.items():
        form = form.replace(f"{{{name}}}", value)
    return form
