"""The page of cognitive maps in a real browser: each map beside the true one."""

import json
from pathlib import Path

import pytest

import vicabench as vb
from tests.browser.conftest import Browser
from tests.browser.material import SCRIPT
from tests.runs import write_run
from vicabench.errors import ConfigError
from vicabench.mapping.drawn import Drawn, write_maps
from vicabench.mapping.reading import Map

pytestmark = pytest.mark.xdist_group("browser")

TRUE: Map = {"bed": ((2, 3),), "chair": ((0, 0), (9, 9)), "lamp": ((0, 0),)}
DRAWN: Map = {"bed": ((3, 3),), "chair": ((0, 1),)}


def drawn_by(folder: Path, model: str, replies: dict[str, str], maps: list[Drawn]) -> Path:
    """A run folder of `vicabench maps`: the replies, and the maps read from them."""
    rows = [
        {
            "id": video,
            "video": video,
            "question_type": "description",
            "question": "Draw a map.",
            "ground_truth": "",
            "options": None,
            "response": reply,
        }
        for video, reply in replies.items()
    ]
    write_run(folder, model, rows, benchmark="rooms maps")
    write_maps(folder, maps)
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    replies = {"rooms/one": json.dumps(DRAWN), "rooms/two": SCRIPT}
    maps = [
        Drawn(video="rooms/one", found=DRAWN, unread=None, truth=TRUE),
        Drawn(video="rooms/two", found=None, unread="not JSON", truth=TRUE),
    ]
    run = drawn_by(folder / "maps" / "tiny", "lab/tiny", replies, maps)
    vb.report([run], out=folder / "page.html", progress=False)
    return folder / "page.html"


def test_each_map_stands_beside_the_true_one(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.texts(".video h3") == ["rooms/one", "rooms/two"]
    captions = browser.texts(".video:first-of-type figcaption")
    assert captions == ["True map\nfrom the scene", "lab/tiny\n1 of 3 distances right"]
    true, told = browser.run(
        "return [...document.querySelectorAll('.video:first-of-type svg')].map(svg =>"
        " [...svg.querySelectorAll('.thing')].map(mark =>"
        " ['cx', 'cy', 'r'].map(name => Number(mark.getAttribute(name)))))"
    )
    # The chair and the lamp share the cell at the lower left, and are drawn smaller within it.
    assert sorted(true) == [[2.5, 92.5, 2.1], [7.5, 92.5, 2.1], [25, 65, 4.2], [95, 5, 4.2]]
    assert sorted(told) == [[5, 85, 4.2], [35, 65, 4.2]]
    assert browser.texts(".video:first-of-type .things li") == ["1bed", "2chair", "3lamp"]
    words = browser.run("return document.querySelector('.video svg desc').textContent")
    assert words == "bed at 2, 3; chair at 0, 0 and 9, 9; lamp at 0, 0"
    assert browser.complaints() == []


def test_an_unread_map_shows_why_and_its_reply_as_text(browser: Browser, page: Path) -> None:
    browser.open(page, width=420, theme="dark")
    unread = ".video:last-of-type .plot:last-child"
    assert browser.text(f"{unread} figcaption") == "lab/tiny\nunread: not JSON"
    assert browser.text(f"{unread} .unread") == "No map could be read."
    browser.driver.find_element("css selector", f"{unread} summary").click()
    assert browser.text(f"{unread} pre") == SCRIPT
    assert browser.run("return document.documentElement.scrollWidth") <= 420
    assert browser.complaints() == []


def test_maps_and_graded_runs_have_different_pages(page: Path, tmp_path: Path) -> None:
    maps = page.parent / "maps"
    graded = write_run(tmp_path / "graded", "lab/tiny", [GRADED])
    with pytest.raises(ConfigError, match="runs of one kind"):
        vb.report([maps, graded], progress=False)
    with pytest.raises(ConfigError, match="Leave out all options"):
        vb.report([maps], style="latex", progress=False)
    assert "Cognitive maps of 2 videos" in vb.report([maps], progress=False)


GRADED = {
    "id": "1",
    "video": "rooms/one",
    "question_type": "object_counting",
    "question": "How many beds?",
    "ground_truth": "2",
    "options": None,
    "response": "2",
}
