"""`vicabench published`: tables of what was published, in every format."""

import csv
import io
import json

from tests.support import Vicabench, refuses


def test_published_rows_keep_marks_legend_and_sources(
    vicabench: Vicabench,
) -> None:
    done = vicabench("published")
    lines = {line.split("  ")[0].strip(): line.split() for line in done.stdout.splitlines()}
    assert lines["ViCA2-7B"][1:] == [
        *("56.8", "65.7", "51.0", "75.5", "71.4", "51.6", "34.6", "38.1", "66.5"), "[1]",
    ]  # fmt: skip
    assert "48.4†" in lines["Spatial-MLLM-4B"]
    text = " ".join(done.stdout.split())
    assert "48.4 is printed, the mean of the printed tasks is 47.0" in text
    assert "[1] ViCA2 report Table 2" in text
    assert "arXiv:2412.14171" in text


def test_a_task_is_ranked_best_first(vicabench: Vicabench) -> None:
    done = vicabench("published", "--task", "route_planning", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    scores = [float(row["route_planning"]) for row in rows]
    assert rows[0]["model"] == "Human"
    assert scores == sorted(scores, reverse=True)


def test_words_choose_rows_and_every_format_has_them(vicabench: Vicabench) -> None:
    options = ("--model", "chance", "--source", "2412.14171")
    shown = {
        name: vicabench("published", *options, "--format", name).stdout
        for name in ("terminal", "markdown", "latex", "csv", "json")
    }
    assert all("Chance (frequency)" in text and "ViCA" not in text for text in shown.values())
    random, frequency = json.loads(shown["json"])
    assert (random["average"], random["average_is_mean_of_tasks"]) == (None, None)
    assert (frequency["average"], frequency["average_is_mean_of_tasks"]) == (34.0, False)
    assert shown["latex"].splitlines()[-1] == r"\end{tabular}"


def test_curves_the_thinking_series_and_the_zoo_are_tables_too(vicabench: Vicabench) -> None:
    found = vicabench("published", "--curves", "--model", "ViCA2-7B")
    last = next(line.split() for line in found.stdout.splitlines() if line.split()[:1] == ["100"])
    assert last == ["100", "56.81"]
    found = vicabench("published", "--thinking")
    row = next(line.split() for line in found.stdout.splitlines() if line.split()[:1] == ["5"])
    assert row[:5] == ["5", "5036", "4717", "319", "55.81"]
    found = vicabench("published", "--zoo", "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(found.stdout)))) == 46


def test_unpublished_names_are_explained(vicabench: Vicabench) -> None:
    refuses(vicabench("published", "--model", "GPT-9"), "No published row matches")
    refuses(vicabench("published", "--task", "counting"), "counting", "object_counting")
    refuses(vicabench("published", "--zoo", "--curves"), "ask for one")
