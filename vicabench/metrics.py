"""How one answer is scored: metrics as values, which a run folder records and reads back."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from vicabench.errors import DataError

NUMERIC, CHOICE, YES_NO, FREE = "numeric", "choice", "yes/no", "free"
KINDS = (NUMERIC, CHOICE, YES_NO, FREE)
"""What a question asks for: a number, an option's letter, yes or no, or a text."""

# The released code computes the count as int((0.95 - 0.5) / 0.05 + 2), which is 10 and not 11
# because the float is 10.999...; the published numbers depend on it, so it is a literal here.
THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
REFUSED, EXACT = "refused", "exact"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score in [0, 1] for an answer, or (`is_error`) an error that no average includes.

    An error has a value only for an answer that was read: it stands beside a score, in which an
    unanswered question counts as wrong, and never in its place.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    source: ClassVar[str]
    is_error: ClassVar[bool] = False

    def score(self, read: str, truth: str, options: int) -> float:
        """The score of what was read against one right answer; `options` is their number."""
        raise NotImplementedError

    def unread(self, options: int) -> float:
        """The score of a reply in which nothing was read: that of a wrong answer."""
        del options
        return 0.0

    def refuses(self, truth: str) -> str | None:
        """Why a right answer cannot be graded by this metric; None if it can."""
        del truth
        return None

    def to_json(self) -> dict[str, Any]:
        """The metric as JSON values, which `metric_of` reads."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class MeanRelativeAccuracy(Metric):
    """Share of the thresholds t with |prediction - truth| / |truth| <= 1 - t, in float64.

    The released VSI-Bench code compares by `<=`; the formula of the paper (arXiv 2412.14171,
    equation 1), `strict`, by `<`. NaN and infinite predictions score 0.

    `zero` is the rule for a truth of 0: `refused`, with which truths have to be positive as in
    VSI-Bench; `exact` (1 for exactly 0, else 0); or a number in the unit of the question: a
    prediction below it scores 1, any other is graded against it (OSI-Bench, arXiv 2512.19683,
    released code).
    """

    name: ClassVar[str] = "mra"
    title: ClassVar[str] = "mean relative accuracy"
    kinds: ClassVar[tuple[str, ...]] = (NUMERIC,)
    source: ClassVar[str] = "VSI-Bench (arXiv 2412.14171), released code"

    thresholds: tuple[float, ...] = THRESHOLDS
    strict: bool = False
    zero: float | str = REFUSED

    def __post_init__(self) -> None:
        if not self.thresholds or not all(0 <= t < 1 for t in self.thresholds):
            raise DataError(f"the thresholds of mra must be numbers in [0, 1): {self.thresholds}.")
        number = type(self.zero) in (int, float) and float(self.zero) > 0
        if not (number or self.zero in (REFUSED, EXACT)):
            raise DataError(
                f"the zero rule of mra must be {REFUSED}, {EXACT} or a number above 0, not "
                f"{self.zero!r}."
            )

    @cached_property
    def _tolerances(self) -> tuple[float, ...]:
        return tuple((1 - np.asarray(self.thresholds, dtype=np.float64)).tolist())

    def of(self, prediction: float, truth: float) -> float:
        """The score of a number.

        Raises:
            ValueError: `truth` is not finite, or 0 without a rule for it.
        """
        if not math.isfinite(truth) or (truth == 0 and self.zero == REFUSED):
            raise ValueError(f"mean relative accuracy cannot grade against {truth}")
        if truth == 0:
            if self.zero == EXACT:
                return float(prediction == 0)
            truth = float(self.zero)
            if prediction < truth:  # a negative one, too, as in the released code
                return 1.0
        error = abs(prediction - truth) / abs(truth)
        if self.strict:
            right = sum(error < tolerance for tolerance in self._tolerances)
        else:
            right = sum(error <= tolerance for tolerance in self._tolerances)
        return right / len(self._tolerances)

    def score(self, read: str, truth: str, options: int) -> float:
        """The score of a number in digits."""
        del options
        return self.of(float(read), float(truth))

    def refuses(self, truth: str) -> str | None:
        """Refuse a truth of 0 or below without a rule for it."""
        if float(truth) <= 0 and self.zero == REFUSED:
            return "must be positive: for others mra needs a zero rule, `zero: exact` or a number"
        return None


@dataclass(frozen=True, kw_only=True)
class MeanOverTimes(Metric):
    """Mean of the relative accuracies of a JSON list of numbers, one for each time of a question.

    The longer list is cut to the length of the shorter one, so that a list that ends early loses
    nothing; what is no number scores 0, and so does anything but 0 where the truth is 0.
    """

    name: ClassVar[str] = "mra-over-times"
    title: ClassVar[str] = "mean relative accuracy over times"
    kinds: ClassVar[tuple[str, ...]] = (FREE,)
    source: ClassVar[str] = "VSI-SUPER Count, streaming (arXiv 2511.04670), by lmms-eval"

    def score(self, read: str, truth: str, options: int) -> float:
        """The score of a list, both spelled as JSON; 0 for an empty one."""
        del options
        rule = MeanRelativeAccuracy(zero=EXACT)
        pairs = zip(_json_list(read), _json_list(truth), strict=False)
        scores = [rule.of(_number(value), float(right)) for value, right in pairs]
        return float(np.mean(scores)) if scores else 0.0

    def refuses(self, truth: str) -> str | None:
        """Refuse anything but a list of finite numbers."""
        values = _json_list(truth)
        if values and all(type(v) in (int, float) and math.isfinite(_number(v)) for v in values):
            return None
        return "must be a JSON list of numbers, one for each time of the question"


def _number(value: object) -> float:
    """A value of a JSON list as Python's `float` reads it; NaN, which scores 0, for others."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _json_list(text: str) -> list[Any]:
    """The list that a text spells as JSON; empty if it spells none."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else []


@dataclass(frozen=True, kw_only=True)
class WithinTolerance(Metric):
    """1 if |prediction - truth| <= absolute + relative * |truth|, else 0."""

    name: ClassVar[str] = "tolerance"
    title: ClassVar[str] = "accuracy within a tolerance"
    kinds: ClassVar[tuple[str, ...]] = (NUMERIC,)
    source: ClassVar[str] = "numpy.isclose, of which this is the condition"

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        if min(self.absolute, self.relative) < 0 or not math.isfinite(self.absolute):
            raise DataError("the tolerances must be finite numbers of at least 0.")

    def score(self, read: str, truth: str, options: int) -> float:
        """1.0 within the tolerance, else 0.0."""
        del options
        allowed = self.absolute + self.relative * abs(float(truth))
        return float(abs(float(read) - float(truth)) <= allowed)


@dataclass(frozen=True, kw_only=True)
class ExactMatch(Metric):
    """1 if the letters, or texts, are equal but for case, else 0.

    Texts are compared without punctuation at their ends, articles and repeated spaces.
    """

    name: ClassVar[str] = "exact"
    title: ClassVar[str] = "exact match"
    kinds: ClassVar[tuple[str, ...]] = (CHOICE, YES_NO, FREE)
    source: ClassVar[str] = "VSI-Bench (arXiv 2412.14171); texts as in SQuAD (arXiv 1606.05250)"

    def score(self, read: str, truth: str, options: int) -> float:
        """1.0 if both are equal, else 0.0."""
        del options
        return float(normalized(read) == normalized(truth))


@dataclass(frozen=True, kw_only=True)
class ChanceCorrected(Metric):
    """Accuracy with guessing taken away, (a - 1/k) / (1 - 1/k) among k answers: chance is 0.

    A wrong answer scores -1 / (k - 1); yes/no has two answers. It stands beside a score.
    """

    name: ClassVar[str] = "chance-corrected"
    title: ClassVar[str] = "chance-corrected accuracy"
    kinds: ClassVar[tuple[str, ...]] = (CHOICE, YES_NO)
    source: ClassVar[str] = "Frary, Formula scoring of multiple-choice tests (1988)"

    def score(self, read: str, truth: str, options: int) -> float:
        """1.0 if both are equal, else -1 / (k - 1)."""
        return 1.0 if normalized(read) == normalized(truth) else self.unread(options)

    def unread(self, options: int) -> float:
        """-1 / (k - 1), as for a wrong answer."""
        return -1.0 / (max(options, 2) - 1)


@dataclass(frozen=True, kw_only=True)
class AbsoluteError(Metric):
    """|prediction - truth| in the unit of the question; its mean is the MAE."""

    name: ClassVar[str] = "mae"
    title: ClassVar[str] = "mean absolute error"
    kinds: ClassVar[tuple[str, ...]] = (NUMERIC,)
    source: ClassVar[str] = "Willmott and Matsuura (2005)"
    is_error: ClassVar[bool] = True

    def score(self, read: str, truth: str, options: int) -> float:
        """The distance of two numbers."""
        del options
        return abs(float(read) - float(truth))


@dataclass(frozen=True, kw_only=True)
class RelativeError(Metric):
    """|prediction - truth| / |truth|; a truth of 0 has none and is refused."""

    name: ClassVar[str] = "relative-error"
    title: ClassVar[str] = "mean relative error"
    kinds: ClassVar[tuple[str, ...]] = (NUMERIC,)
    source: ClassVar[str] = "Eigen et al. (arXiv 1406.2283), abs. rel. difference"
    is_error: ClassVar[bool] = True

    def score(self, read: str, truth: str, options: int) -> float:
        """The distance of two numbers, as a share of the second."""
        del options
        return abs(float(read) - float(truth)) / abs(float(truth))

    def refuses(self, truth: str) -> str | None:
        """Refuse a truth of 0."""
        return "must not be 0, which has no relative error" if float(truth) == 0 else None


METRICS: Mapping[str, type[Metric]] = {
    metric.name: metric
    for metric in (
        MeanRelativeAccuracy,
        MeanOverTimes,
        WithinTolerance,
        ExactMatch,
        ChanceCorrected,
        AbsoluteError,
        RelativeError,
    )
}
MRA, EXACT_MATCH = MeanRelativeAccuracy(), ExactMatch()


def metric_of(value: Any) -> Metric:
    """The metric in a JSON or YAML value: its name, or an object with its name and settings.

    Raises:
        DataError: For an unknown metric or setting, or a setting of the wrong type.
    """
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise DataError(f"a metric is its name, or an object with a name, not {value!r}.")
    if given["name"] not in METRICS:
        raise DataError(f"there is no metric {given['name']!r}. Metrics are {', '.join(METRICS)}.")
    kind = METRICS[given["name"]]
    known = {field.name for field in fields(kind)}
    settings = {key: setting for key, setting in given.items() if key != "name"}
    for key, setting in settings.items():
        if key not in known:
            known_text = f" It has {', '.join(sorted(known))}." if known else " It has none."
            raise DataError(f"the metric {given['name']} has no setting {key!r}.{known_text}")
        settings[key] = _setting(given["name"], key, setting)
    return kind(**settings)


def _setting(metric: str, key: str, value: Any) -> Any:
    where = f"{key!r} of the metric {metric}"
    if key == "thresholds":
        if not isinstance(value, Sequence) or not all(type(v) in (int, float) for v in value):
            raise DataError(f"{where} must be a list of numbers, not {value!r}.")
        return tuple(float(v) for v in value)
    if key == "strict":
        if not isinstance(value, bool):
            raise DataError(f"{where} must be true or false, not {value!r}.")
        return value
    if key == "zero" and isinstance(value, str):
        return value
    if type(value) not in (int, float) or not math.isfinite(value):
        raise DataError(f"{where} must be a finite number, not {value!r}.")
    return float(value)


def normalized(text: str) -> str:
    """A letter or text as it is compared: without case, articles, and punctuation at its ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = folded.split()
    bare = [w for w in words if w not in ("a", "an", "the")] if len(words) > 1 else words
    joined = " ".join(bare)
    start, end = 0, len(joined)
    while start < end and not joined[start].isalnum():
        start += 1
    while end > start and not joined[end - 1].isalnum():
        end -= 1
    return joined[start:end] or joined
