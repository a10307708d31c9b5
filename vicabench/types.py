"""The shared nouns: what a question, a video, an answer, a run and a score are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vicabench.options import SAMPLING, ApiOptions
from vicabench.rubric import VSI, Rubric
from vicabench.wording import Wording

if TYPE_CHECKING:  # the help of a command has no use for numpy
    import numpy as np
    from numpy.typing import NDArray


Key = tuple[str, int]
"""What identifies one reply in a run: the question's id and the repeat."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One question answered both ways.

    `difference` is the largest one between logits, as long as the replies go together; `parted` is
    the token from which they do not, and `margin` the difference of the two best logits there,
    for the prompt alone. Both are None for the same reply.
    """

    question_id: str
    shared: str
    alone: str
    difference: float
    parted: int | None = None
    margin: float | None = None

    @property
    def same(self) -> bool:
        """Whether the replies are the same, token by token."""
        return self.parted is None


@dataclass(frozen=True, kw_only=True)
class Question:
    """One benchmark question.

    Attributes:
        id: Unique within the benchmark.
        video: The video's name within its benchmark (`scannet/scene0011_00`).
        task: The question type, which a `Rubric` maps to its task.
        text: The question.
        answer: The ground truth as the benchmark spells it: a number, an option's letter, `yes`
            or `no`, or a text.
        options: `A. text`, `B. text` ...; empty unless the question is a choice.
        accepted: Further answers that are right.
        group: What the variants of one question have in common; empty without variants.
        scene: What intervals are clustered by where several videos show the same; by default the
            video.
        repeat: Which of several replies to the question is asked for; 0 for the first.
    """

    id: str
    video: str
    task: str
    text: str
    answer: str
    options: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    group: str = ""
    scene: str = ""
    repeat: int = 0

    @property
    def key(self) -> Key:
        """What identifies one reply to it in a run."""
        return self.id, self.repeat

    @property
    def answers(self) -> tuple[str, ...]:
        """All right answers."""
        return (self.answer, *self.accepted)


@dataclass(frozen=True, kw_only=True)
class FrameRule:
    """Which frames the questions of a benchmark are about.

    `frames` sampled from each video, or one every 1 / `fps` seconds; a `fixed` rule admits no
    other, because the questions or their answers depend on it: `why`.
    """

    frames: int = 0
    fps: float = 0.0
    fixed: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Questions, the file of every video they name, and what exactly was loaded.

    `revision` is the data set's commit, or a digest of the questions file where there is none.
    `questions` are in the benchmark's order. A path in `files` may not exist: that is an error
    of that video alone, found when it is decoded.

    `rubric` has the tasks and how they are scored, `wording` the benchmark's own prompts (None:
    those of VSI-Bench), `frame_rule` which frames its questions are about. `errata` are known
    problems that belong to every score, `published` the printed rows it can be compared with.
    """

    name: str
    subset: str
    revision: str
    questions: tuple[Question, ...]
    files: Mapping[str, Path]
    rubric: Rubric = VSI
    wording: Wording | None = None
    frame_rule: FrameRule | None = None
    errata: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video as an adapter receives it: its file and the frames that were sampled from it.

    `frames_THWC` is uint8 RGB, `seconds` the time of each frame, `duration` the whole video's
    length in seconds. All three are empty when the run was told not to decode (`--no-video`).
    `prepared` is what the adapter's own `prepare` made of the video ahead of time, if it has one.
    """

    name: str
    path: Path
    frames_THWC: NDArray[np.uint8]
    seconds: tuple[float, ...]
    duration: float
    prepared: Any = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A model's reply to one question, raw, so that every protocol can grade it again.

    `error` says why there is no reply; an error is a record, never a text to be graded. `stop`
    says what ended the reply (`eos`, `length`, ...), `seconds` what it took, as far as known.
    `parts` is a Thinking reply cut into `thoughts`, `response` and `final`, as far as it has them.
    `usage` is what an API says of a call (`cached_tokens`, `cost`, `attempts`, `served_by` ...).
    `repeat` is the question's. An adapter that leaves it out answers a question as often as it is
    asked, and its answers are taken in their order.
    """

    question_id: str
    response: str | None = None
    seconds: float | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    stop: str | None = None
    error: str | None = None
    parts: Mapping[str, str] | None = None
    usage: Mapping[str, str | float] | None = None
    repeat: int = 0


class Adapter(Protocol):
    """Answers all the questions of one video, so that it can encode and prefill the video once.

    `settings` holds everything about the adapter that can change an answer; it becomes part of
    the run's configuration. `needs_video` is False for adapters that never look at the frames;
    only those may run without decoding.

    What an adapter may offer beside this is in `vicabench.adapters.abilities`.
    """

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values only."""

    @property
    def needs_video(self) -> bool:
        """Whether an answer depends on the frames."""

    def answer(self, video: Video, questions: Sequence[Question]) -> Iterable[Answer]:
        """One answer per question, in any order; an exception fails the questions still open."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What an adapter has measured of its own work since it was built, by stage.

    `seconds` may have `vision` (the encoders), `prefill` (reading the video and the prompts) and
    `answers` (writing replies); stages do not overlap. `tokens` counts what was really computed:
    `prefill` those of the shared prefix once and of every suffix, `answers` the new ones; `cached`
    those of prompts that were found in a cache instead.
    """

    seconds: Mapping[str, float]
    tokens: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ModelOptions(ApiOptions):
    """How a model is to run, or to be called; the defaults leave it to the adapter.

    `device`, `dtype` and `attention` are names as torch and transformers spell them.
    `text_only` asks the language model without any frames.
    `time_instruction` tells the model when each frame is; `blind` shows it grey frames of the
    same number and size; `max_new_tokens` bounds a reply; `wording` names the
    published prompt (`auto`: the benchmark's own, else the adapter's); `system` is the system
    prompt (None: that of the chat template).
    `frames_as` gives frames as a `video` or as `images` (`auto`: as the model can). A frame is
    resized to `min_pixels` to `max_pixels` by the rule of qwen_vl_utils, which also bounds those
    of a video by `total_pixels`; without these three the checkpoint decides. `assume_fps` tells
    the model that frames are so many a second, whatever the file says.
    A `temperature` above 0 draws each token from the `top_k` best (0: all) whose probabilities
    first sum to `top_p`; the penalties lower the scores of tokens that were there before
    (`repetition_penalty` None: the checkpoint's).
    vLLM runs with the interpreter `vllm_python`, on `tensor_parallel` GPUs together, with
    `gpu_memory` (a share) of each; a prompt and its reply have `max_model_len` tokens at most.
    The last three are about speed and memory, and change no answer in exact arithmetic: at most
    `group_size` questions are answered together (0: all of a video), an encoder sees
    `vision_batch` frames at once (0: by free memory), and `compile` lets torch compile the model.
    """

    device: str = "auto"
    dtype: str = "auto"
    attention: str = "sdpa"
    time_instruction: bool = False
    blind: bool = False
    text_only: bool = False
    max_new_tokens: int = 1024
    wording: str = "auto"
    system: str | None = None
    frames_as: str = "auto"
    min_pixels: int | None = None
    max_pixels: int | None = None
    total_pixels: int | None = None
    assume_fps: float | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    presence_penalty: float = 0.0
    repetition_penalty: float | None = None
    vllm_python: str = ""
    tensor_parallel: int = 1
    max_model_len: int | None = None
    gpu_memory: float | None = None
    group_size: int = 0
    vision_batch: int = 0
    compile: bool = False

    @property
    def suffix(self) -> str:
        """What tells the default run folder of a model that does not see from the usual one."""
        return "-text-only" if self.text_only else "-blind" if self.blind else ""

    @property
    def sampling(self) -> dict[str, float]:
        """The options that say how tokens are chosen, where they differ from the defaults."""
        given = self.given()
        return {name: getattr(self, name) for name in SAMPLING if name in given}


@dataclass(frozen=True, kw_only=True)
class AdapterContext:
    """What an adapter may know when it is built.

    The whole benchmark, the run's seed, the frames sampled from each video (0 for `--no-video`, and
    without a limit by rate: then `fps` says how many a second),
    and the options for models. Options that were given are refused unless the adapter's
    `accepts_options`, a collection of their names, has them: none is ever ignored.
    """

    benchmark: Benchmark
    seed: int
    frames: int = 0
    options: ModelOptions = ModelOptions()
    fps: float = 0.0


ANSWERED, UNREADABLE, EMPTY = "answered", "unreadable", "empty"
TRUNCATED, FAILED = "truncated", "failed"
OUTCOMES = (ANSWERED, UNREADABLE, EMPTY, TRUNCATED, FAILED)
"""What came of a question, by one protocol; each is the first of these that holds:

    failed      there is no reply: an error, or never answered
    answered    the protocol read a finite number or a single letter, right or wrong
    truncated   it read nothing, and the reply ended at the limit of tokens (`stop` is `length`)
                or of a spreadsheet's cell (`cell`)
    empty       the reply is nothing but white space
    unreadable  it read nothing in a whole reply
"""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """What a protocol read from one reply, and the score in [0, 1] it gave for it.

    `video` is what intervals are clustered by: the question's scene, or else its video. `outcome`
    is one of `OUTCOMES`; `read` is None and the score 0 unless it is `answered`. `beside` has the
    values of the task's `beside` metrics, NaN for an error of a reply that was not read; `group`
    and `repeat` are the question's.
    """

    id: str
    video: str
    task: str
    protocol: str
    read: str | None
    score: float
    outcome: str
    beside: tuple[float, ...] = ()
    group: str = ""
    repeat: int = 0

    @property
    def key(self) -> Key:
        """What identifies the reply in a run."""
        return self.id, self.repeat

    @property
    def failed(self) -> bool:
        """Whether there is no reply at all."""
        return self.outcome == FAILED


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95% interval, all in [0, 100]; no number leaves the program without one.

    The ends are NaN, printed as n/a, where too few videos give no interval. `count` questions in
    `clusters` videos; `failed` of them have no reply and count as 0.
    """

    mean: float
    low: float
    high: float
    count: int
    clusters: int
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Thinking:
    """How a Thinking model came to its replies, as shares of all questions (ViCA report, Table 2).

    `direct` answers came without thoughts, `via_thoughts` after them: together they are the valid
    outputs. `unclosed` replies end within their thoughts. `new_tokens` is the mean length of the
    `measured` replies whose length is known.
    """

    direct: Estimate
    via_thoughts: Estimate
    unclosed: Estimate
    new_tokens: float | None
    measured: int


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """What several replies to each question say beyond their mean, all in [0, 100].

    `replies` is their number K a question. `best_of` has pass@k by k: the headline score if the
    best of k replies counted, estimated from all K without bias. `majority` is the headline score
    of the answer that was read most often, the earliest of equally frequent ones. `changes` is how
    often two replies to a question are read as different answers.

    `standard_error` is that of the headline score, of which `standard_error_replies` is what K
    replies leave to chance, and `standard_error_videos` the rest, which no further reply reduces.
    They add up in squares.
    """

    replies: int
    best_of: Mapping[int, Estimate]
    majority: Estimate
    changes: Estimate
    standard_error: float
    standard_error_replies: float
    standard_error_videos: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The estimates of one run: a cell per task that has questions, and two overall means.

    `overall` is the headline score of the rubric (for VSI-Bench the unweighted mean of the tasks),
    `micro` the mean over questions, `further` the rubric's other overall scores, by name.
    `beside` has the means of metrics that stand beside the score, by task and metric; errors are
    in the unit of the task, over the answers that were read, and never scaled to 100.
    `valid` is the share of questions that are `answered`, whether right or not (the valid outputs
    of the ViCA report, Table 2); `outcomes` counts the questions of each of `OUTCOMES`.
    `thinking` is None where no reply has thoughts.
    `missing` names the tasks without a question: they are left out of `overall`, and said so.
    With several replies a question, its score is their mean, `outcomes` and `failed` count
    replies, and `repeats` has what else they tell; it is None for one reply.
    """

    model: str
    protocol: str
    tasks: Mapping[str, Estimate]
    types: Mapping[str, Estimate]
    overall: Estimate
    micro: Estimate
    valid: Estimate
    outcomes: Mapping[str, int]
    thinking: Thinking | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rubric: Rubric = VSI
    further: Mapping[str, Estimate] = field(default_factory=dict)
    beside: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    repeats: Repeats | None = None
