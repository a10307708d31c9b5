"""Published results as data: every file is read, and every score has its source."""

from dataclasses import replace
from statistics import fmean

import pytest

from vicabench.benchmarks import find_benchmark
from vicabench.benchmarks.published import Published as PublishedBenchmark
from vicabench.errors import ConfigError
from vicabench.reference import (
    are_vsi_bench,
    citations,
    curves,
    find_published,
    published_on,
    published_rows,
    sister_benchmarks,
    thinking_curve,
)
from vicabench.reporting.figures.bars import GROUPS
from vicabench.rubric import VSI, Rubric
from vicabench.types import Question


def test_published_curves_have_every_point() -> None:
    averages = {curve.series: {p.percent: p.average for p in curve.points} for curve in curves()}
    assert all(list(points) == list(range(5, 101, 5)) for points in averages.values())
    best = {series: max(points.values()) for series, points in averages.items()}
    assert best == {"ViCA2-7B": 56.81, "ViCA-7B": 60.56, "ViCA-Base-7B": 55.39}
    first, last = thinking_curve()[0], thinking_curve()[-1]
    assert (first.percent, first.valid_outputs, first.direct_answers) == (5, 5036, 4717)
    assert (last.percent, last.via_thoughts, last.overall) == (100, 4491, 38.50)
    assert last.tasks["obj_appearance_order"] == 54.88


def test_every_published_score_has_a_cited_source() -> None:
    sources = {row.source for row in published_rows()}
    sources |= {p.source for c in curves() for p in c.points} | {p.source for p in thinking_curve()}
    assert all(cited.url.startswith("https://") for cited in citations(sources))
    with pytest.raises(KeyError):
        citations(["someone said so"])


def test_rows_of_other_benchmarks_fit_their_tasks_and_are_cited() -> None:
    rows = {name: published_on(*name.split(":")) for name in sister_benchmarks()}
    assert {name: len(found) for name, found in rows.items()} == {
        "revsi": 11,
        "osi-bench": 6,
        "sti-bench": 7,
        "vsi-super-recall": 1,
        "vsi-super-count": 1,
        "vsi-bench:debiased": 15,
    }
    for name, found in rows.items():
        known = rubric_of(name.partition(":")[0])
        assert all(set(row.tasks) <= {task.name for task in known.tasks} for row in found)
        assert {row.group for row in found} <= GROUPS.keys()
        assert citations({row.source for row in found})
    # The printed averages are those of the seven printed groups, but for one row.
    whole = [row for row in rows["revsi"] if len(row.tasks) == 7 and row.overall]
    off = [r.model for r in whole if abs(fmean(r.tasks.values()) - (r.overall or 0)) > 0.1]
    assert off == ["Chance (frequency)"]
    assert published_on("vsi-bench") == ()


def rubric_of(name: str) -> Rubric:
    loader = find_benchmark(name)
    return loader.rubric if isinstance(loader, PublishedBenchmark) else VSI


def test_inconsistent_printed_averages_are_detected() -> None:
    # The two inconsistent rows, found with a pocket calculator.
    marked = {row.label for row in published_rows() if not row.consistent}
    assert marked == {"Chance (frequency)", "Spatial-MLLM-4B"}
    assert all(point.consistent for point in thinking_curve())


def test_every_group_of_rows_has_a_distinct_fill() -> None:
    groups = {row.group for row in published_rows()}
    assert groups == GROUPS.keys() > {"human", "chance", "specialised"}
    assert len(set(GROUPS.values())) == len(GROUPS)


def test_vsi_bench_questions_are_known_by_id_scene_type_truth() -> None:
    first = Question(
        id="0", video="arkitscenes/41069025", task="object_counting", text="", answer="4"
    )
    moved = replace(first, video="videos/41069025.mp4", answer="4.0")
    assert are_vsi_bench([first, moved])
    assert not are_vsi_bench([])
    others = (
        replace(first, id="1"),
        replace(first, video="41069043"),
        replace(first, answer="5"),
        replace(first, task="route_planning"),
    )
    assert not any(are_vsi_bench([first, other]) for other in others)


def test_a_row_is_found_by_name_or_unique_words() -> None:
    assert find_published("vica-7b").overall == 60.6  # not ViCA-7B-Thinking
    assert find_published("frequency chance").label == "Chance (frequency)"
    assert find_published("InternVL2-8B CVPR").overall == 37.5
    with pytest.raises(ConfigError, match=r"2 published rows: .*ViCA2 report.*CVPR version"):
        find_published("InternVL2-8B")
    with pytest.raises(ConfigError, match="no published row 'GPT-9'"):
        find_published("GPT-9")
