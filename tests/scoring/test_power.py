"""The differences that a benchmark can show, predicted and simulated."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vicabench as vb
from tests import warm
from tests.runs import write_run
from tests.support import refuses, rows_about
from vicabench.errors import ConfigError
from vicabench.rubric import Rubric, Task
from vicabench.scoring.clusters import Clusters, detectable
from vicabench.scoring.compare import equivalence_p
from vicabench.scoring.power import Chance, Design, power_at, rejections
from vicabench.types import ANSWERED, Grade

ONE = Rubric(tasks=(Task(name="count", title="Count"),))
TWO = Rubric(tasks=(Task(name="count", title="Count"), Task(name="size", title="Size")))


def grade(video: int, number: int, task: str, score: float) -> Grade:
    return Grade(
        id=f"{task}{video}-{number}",
        video=f"v{video}",
        task=task,
        protocol="official",
        read="1",
        score=score,
        outcome=ANSWERED,
    )


def pairs_of(
    generator: np.random.Generator, sizes: dict[str, list[int]], gain: float = 0.0
) -> list[tuple[Grade, Grade]]:
    """Two runs whose scores differ by a normal amount: 0.2 a video and 0.4 a question."""
    pairs = []
    for task, questions in sizes.items():
        for video, count in enumerate(questions):
            shared = generator.normal(gain, 0.2)
            for number in range(count):
                change = shared + generator.normal(0, 0.4)
                pairs.append((grade(video, number, task, 0.0), grade(video, number, task, change)))
    return pairs


UNEQUAL = [1 + 3 * (video % 4) for video in range(60)]
DESIGNS = {
    "equal": (ONE, {"count": [4] * 60}),
    "unequal": (ONE, {"count": UNEQUAL}),
    "two tasks": (TWO, {"count": [4] * 60, "size": [2] * 60}),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_predicted_and_simulated_powers_agree(name: str) -> None:
    """Within 2 points: 4,000 draws have a standard error of 0.6 at a power of 80%."""
    rubric, sizes = DESIGNS[name]
    design = Design.of_pair(pairs_of(np.random.default_rng(3), sizes), rubric)
    errors_S, videos_S = design.difference.errors(), design.difference.asking()
    overall = len(rubric.tasks)
    for wanted in (0.8,):
        truth_S = np.array(
            [detectable(e, v, power=wanted) for e, v in zip(errors_S, videos_S, strict=True)]
        )
        predicted = power_at(truth_S[overall], errors_S[overall], int(videos_S[overall]))
        assert predicted == pytest.approx(wanted, abs=1e-3)  # and the other tail
        simulated = rejections(design, truth_S, draws=4000)[overall]
        assert simulated == pytest.approx(predicted, abs=0.02)


def test_tests_of_equivalence_keep_their_level() -> None:
    """At the margin itself, 5% of the comparisons find the runs equivalent; far inside, most."""
    generator = np.random.default_rng(5)
    shares = {}
    for gain in (0.15, 0.0):
        equivalent = []
        for _ in range(400):
            pairs = pairs_of(generator, {"count": UNEQUAL[:40]}, gain)
            table = Clusters.of(((a, b.score - a.score) for a, b in pairs), ONE)
            weights_VS = table.ones().contributions()
            p_S = equivalence_p(table.contributions(), weights_VS, 0.15, flips=199)
            equivalent.append(p_S[0] <= 0.05)
        shares[gain] = np.mean(equivalent)
    assert 0.017 <= shares[0.15] <= 0.083  # 5%, give or take three standard errors
    assert shares[0.0] > 0.8


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made: list[Path] = []
    for name, share in (("a", 0.5), ("b", 0.55)):
        generator = np.random.default_rng(len(made))
        rows = [
            {**row, "response": str(row["ground_truth"]) if generator.random() < share else "none"}
            for row in rows_about(30)
        ]
        made.append(write_run(tmp_path / name, name, rows))
    return made


def test_power_is_the_same_from_python_and_in_every_format(
    runs: list[Path], tmp_path: Path
) -> None:
    found = vb.power(*runs, difference=3, simulations=20)
    overall = next(each for each in found.scores if each.name == "overall")
    assert (overall.videos, overall.questions) == (30, 300)
    half = (overall.paired / 3) ** 2
    assert overall.needed == np.ceil(30 * half)
    how = ["power", *map(str, runs), "--difference", "3", "--simulations", "20"]
    assert warm.vicabench(tmp_path, *how).stdout.split() == found.table().split()
    assert json.loads(warm.vicabench(tmp_path, *how, "--format", "json").stdout) == found.records
    rows = csv.DictReader(io.StringIO(warm.vicabench(tmp_path, *how, "--format", "csv").stdout))
    assert [row["name"] for row in rows] == list(found.frame()["name"])
    shown = vb.compare(*runs, margin=10).result.overall
    assert shown.detectable == pytest.approx(overall.paired)
    text = warm.vicabench(tmp_path, "compare", *runs, "--margin", "10").stdout
    assert f"Avg. {shown.detectable:.1f}" in " ".join(text.split())
    assert "p same" in text


def test_what_few_videos_cannot_show_is_left_open(tmp_path: Path) -> None:
    few = write_run(tmp_path / "few", "few", [{**row, "response": "1"} for row in rows_about(3)])
    found = vb.power(few, difference=3)
    assert all(each.simulated is None and each.needed is None for each in found.scores)
    assert "–" in found.table()


def test_one_run_takes_an_assumed_correlation(runs: list[Path]) -> None:
    half, more = (
        vb.power(runs[0], correlation=c, simulations=0).scores[-1].paired for c in (0.5, 0.8)
    )
    assert more / half == pytest.approx((0.2 / 0.5) ** 0.5)


def test_what_gives_no_power_is_refused(runs: list[Path], tmp_path: Path) -> None:
    cases: dict[tuple[str | Path, ...], str] = {
        (): "Give a pilot run, or a published row",
        (runs[0], "--published", "GPT-4o"): "one of them",
        (*runs, "--correlation", "0.4"): "with two, the difference is measured",
        (runs[0], "--data", "d"): "--data is for --published",
        (runs[0], "--power", "1"): "--power must be between 0 and 1",
        (runs[0], "--difference", "0"): "--difference must be between 0 and 100",
    }
    for words, message in cases.items():
        refuses(warm.vicabench(tmp_path, "power", *words), message)
    with pytest.raises(ConfigError, match="margin must be between"):
        vb.compare(*runs, margin=0)
    refuses(warm.vicabench(tmp_path, "compare", runs[0], "--margin", "1"), "Only one run is given")


def test_a_published_row_is_a_pilot() -> None:
    """Its questions count as independent, right or wrong: the standard error has a closed form."""
    asked = vb.benchmark(rows_about(120), name="vsi-bench", videos_needed=False)
    found = vb.power(published="GPT-4o", asked=asked, simulations=0)
    scores = {each.name: each for each in found.scores}
    for task, share in {"object_counting": 0.462, "route_planning": 0.315}.items():
        error = 100 * (share * (1 - share) / scores[task].questions) ** 0.5
        assert scores[task].error == pytest.approx(error, rel=0.1)  # drawn, and of few questions
    assert "taken as independent" in found.about[0]


def replied(number: int, scores: Sequence[float]) -> list[Grade]:
    """Several replies to one of four questions about a video."""
    first = grade(number // 4, number % 4, "count", 0.0)
    return [replace(first, score=score, repeat=n) for n, score in enumerate(scores)]


def test_replies_that_a_difference_needs() -> None:
    """Replies of 0 and 1 to each of 40 questions vary by 1/2: their mean by 1/80, of two by 1/160.

    Of a squared error of 1/40, 3/160 are then the videos': 1/50 leaves 1/800 to the replies.
    """
    grades = [each for number in range(40) for each in replied(number, (0.0, 1.0))]
    table = Clusters.of(((each, each.score) for each in grades[::2]), ONE)
    chance = Chance.of(grades, table)
    assert chance is not None
    assert chance.single_S == pytest.approx([1 / 80] * 3)
    assert chance.observed_S == pytest.approx([1 / 160] * 3)
    error_S, target_S = np.sqrt([1 / 40] * 3), np.sqrt([1 / 50, 1 / 60, 1 / 20])
    assert chance.needed(error_S, target_S) == [10, None, 1]
    assert Chance.of(grades[::2], table) is None


def test_more_replies_show_smaller_differences_down_to_the_videos() -> None:
    generator = np.random.default_rng(2)
    rows = [
        {**row, "repeat": n, "response": row["ground_truth"] if right else "none"}
        for row in rows_about(60)
        for n, right in enumerate(generator.random(4) < 0.2 + 0.6 * generator.random())
    ]
    drawn = vb.score(rows, name="drawn").run
    needed = [
        vb.power(drawn, difference=points, simulations=0).scores[-1].replies
        for points in (0.1, 6.0, 8.0, 30.0)
    ]
    assert needed[0] is None
    assert needed[3] == 1
    assert "replies for 6" in vb.power(drawn, difference=6, simulations=0).table()
    assert "replies" not in vb.power(drawn, simulations=0).table()
