"""Figures: exact numbers behind them, text as text, the same bytes, nothing untrusted inside."""

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from tests.runs import write_run
from tests.support import Row, is_numeric, rows_about
from vicabench.errors import DataError
from vicabench.harnesses.protocols import find_protocol
from vicabench.reporting import figures
from vicabench.reporting.figures.errors import ratios_of
from vicabench.reporting.figures.style import no_glyph_warnings
from vicabench.results.run import Run, load_run
from vicabench.scoring.compare import compare_runs
from vicabench.scoring.stats import median_of, shares_of
from vicabench.types import TASKS

OFFICIAL = find_protocol("official")
HOSTILE = "<script>alert(1)</script> $x_1$ & 模型"


def answered(row: Row) -> Row:
    """Half the truth for numbers, but none about every seventh clip; always A for letters."""
    clip = int(row["video"].removeprefix("clip"))
    response = "A"
    if is_numeric(row["question_type"]):
        response = "none" if clip % 7 == 0 else str(float(row["ground_truth"]) / 2)
    video = f"{('scannet', 'arkitscenes')[clip % 2]}/{row['video']}"
    # What no XML can hold stands in a video's name and in an option.
    odd = {"video": "odd\x01\ud800/clip0"} if clip == 11 else {"video": video}
    options = row["options"] and [*row["options"], "D. \x0bup"] if clip == 11 else row["options"]
    return {**row, **odd, "options": options, "response": response}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rows = [answered(row) for row in rows_about(12)]
    return load_run(write_run(tmp_path_factory.mktemp("run") / "run", HOSTILE, rows))


@pytest.fixture(scope="module")
def drawn(run: Run) -> dict[str, Figure]:
    scores, grades = run.scores(OFFICIAL), run.grades(OFFICIAL)
    return {
        "averages": figures.averages([scores]),
        "tasks": figures.tasks([scores, scores]),
        "radar": figures.radar([scores]),
        "errors": figures.errors([run], OFFICIAL),
        "letters": figures.letters([run], OFFICIAL),
        "datasets": figures.by_dataset([run], OFFICIAL),
        "rooms": figures.by_room_size([run], OFFICIAL),
        "differences": figures.differences(
            [compare_runs(grades, grades, model_a=run.name, model_b=run.name)]
        ),
    }


def texts(figure: Figure) -> str:
    return " ".join(ET.fromstring(figures.svg(figure)).itertext())


def test_every_figure_states_its_basis(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        said = texts(figure)
        assert re.search(r"official", said)
        assert re.search(r"\b(120|60|40|48|72)\b", said)  # all, halves, thirds, numeric, letters
        assert re.search(r"95%", said)


def test_embedded_figure_holds_names_as_inert_text(
    drawn: dict[str, Figure],
) -> None:
    ids: list[str] = []
    for name, figure in drawn.items():
        root = ET.fromstring(figures.svg(figure))
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "title", "defs", "style", "g", "path", "use", "text", "tspan",
                        "clipPath", "rect", "pattern"}  # fmt: skip
        links = [e.get("href") for e in root.iter() if e.get("href")]
        own = [e.get("id") or "" for e in root.iter() if e.get("id")]
        assert all(link and link[1:] in own for link in links)
        ids += own
        if name in ("averages", "tasks", "radar"):
            assert "script>" in "".join(root.itertext())
    assert len(ids) == len(set(ids))  # several figures share a page


def test_the_same_figure_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    for kind in ("pdf", "svg", "png"):
        files = [
            figures.save(figures.radar([run.scores(OFFICIAL)]), tmp_path / f"{n}.{kind}")
            for n in (1, 2)
        ]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert "Obj. Count" in (tmp_path / "1.svg").read_text(encoding="utf-8")


def test_ratios_are_answers_over_truths_and_count_unreadable(run: Run) -> None:
    found = ratios_of(run, OFFICIAL, TASKS[0])
    assert found.ratios == (0.5,) * 10  # of twelve videos, two say "none"
    assert found.missing == 2


def test_an_exact_answer_leans_to_neither_side(tmp_path: Path) -> None:
    rows = [{**row, "response": row["ground_truth"]} for row in rows_about(4)]
    one = load_run(write_run(tmp_path / "exact", "lab/exact", rows))
    panel = figures.errors([one], OFFICIAL).axes[0]
    outline = np.asarray(panel.patches[-1].get_path().vertices)
    high = outline[outline[:, 1] > 0][:, 0]
    assert high.min() * high.max() == pytest.approx(1.0)  # as far below 1 as above it


def test_runs_without_a_number_have_no_figure_of_errors(tmp_path: Path) -> None:
    rows = [{**row, "response": "unsure"} for row in rows_about(4)]
    runs = [load_run(write_run(tmp_path / name, f"lab/{name}", rows)) for name in "ab"]
    with pytest.raises(DataError, match="No answer in these runs could be read as a number"):
        figures.errors(runs, OFFICIAL)


def test_medians_of_several_runs_are_rows_above_outlines(run: Run) -> None:
    panel = figures.errors([run, run], OFFICIAL).axes[0]
    assert [text.get_text() for text in panel.texts] == ["2 none", "0.50"] * 2
    rows = [text.get_position()[1] for text in panel.texts[1::2]]
    tallest = max(np.asarray(p.get_path().vertices)[:, 1].max() for p in panel.patches)
    assert rows[0] > rows[1] > tallest


def test_radar_mentions_intervals_only_if_drawn(run: Run) -> None:
    scores = run.scores(OFFICIAL)
    assert "bootstrap" in texts(figures.radar([scores] * 3))
    assert "bootstrap" not in texts(figures.radar([scores] * 4))


def test_insignificant_difference_is_a_hollow_mark(run: Run) -> None:
    grades = run.grades(OFFICIAL)
    equal = compare_runs(grades, grades, model_a="a", model_b="b")
    figure = figures.differences([equal] * 7)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=300)
    pixels = np.asarray(Image.open(picture).convert("L"))
    axes = figure.axes[0]
    marks = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert len(marks) == 7 * 9
    for mark in marks:
        x, y = axes.transData.transform(np.asarray(mark.get_xydata())[0])
        row, column = len(pixels) - 1 - round(3 * y), round(3 * x)  # 100 dots an inch, then 300
        inside = pixels[row - 1 : row + 2, column - 1 : column + 2]
        assert (inside > 200).sum() >= 6


def test_medians_and_shares_agree_with_their_definitions() -> None:
    generator = np.random.default_rng(5)
    values = generator.lognormal(size=301).tolist()
    videos = [f"v{n % 40}" for n in range(301)]
    median, low, high = median_of(values, videos)
    assert median == np.median(values)
    assert low < median < high
    labels = generator.permutation(["A"] * 150 + ["B"] * 100 + ["?"] * 51).tolist()
    (a, _, _), (b, b_low, b_high) = shares_of(labels, videos, ("A", "B"))
    assert (a, b) == pytest.approx((15000 / 301, 10000 / 301))
    # One letter a question and nearly as many questions in each video: close to binomial.
    spread = 196 * np.sqrt(100 / 301 * 201 / 301 / 301)
    assert (b_low, b_high) == pytest.approx((b - spread, b + spread), abs=0.3 * spread)


def test_a_bar_without_an_interval_has_no_whisker(tmp_path: Path) -> None:
    rows = [{**row, "response": row["ground_truth"]} for row in rows_about(1)]
    one = load_run(write_run(tmp_path / "one", "lab/one", rows))
    (axes,) = figures.tasks([one.scores(OFFICIAL)]).axes
    whiskers = [line for line in axes.lines if line.get_marker() == "_"]
    assert whiskers
    assert all(np.isnan(np.asarray(line.get_ydata(), float)).all() for line in whiskers)


def test_no_line_strikes_a_number(run: Run) -> None:
    figure = figures.tasks([run.scores(OFFICIAL)])
    with no_glyph_warnings():
        figure.draw_without_rendering()
    (axes,) = figure.axes
    numbers = [text.get_window_extent() for text in axes.texts if "." in text.get_text()]
    assert len(numbers) == len(axes.get_xticks())
    ends = [
        np.concatenate(b.get_segments()) for b in axes.collections if isinstance(b, LineCollection)
    ]
    lines = [pair for each in ends for pair in axes.transData.transform(each).reshape(-1, 2, 2)]
    for box in numbers:
        for (x, low), (_, high) in lines:
            beside = not box.x0 < x < box.x1
            assert beside or high <= box.y0 + 0.5 or low >= box.y1
