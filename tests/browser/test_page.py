"""The page in a real browser: what a reader sees, chooses, types and is protected from."""

import io
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.benchmarks.toy import vicabench
from tests.browser.conftest import Browser, report
from tests.browser.material import SCRIPT, UNCLOSED, vsibench_rows, write_run
from tests.support import rows_about

FOREST = "//figure[figcaption[contains(., 'Paired differences')]]"

pytestmark = pytest.mark.xdist_group("browser")


def test_page_opens_from_disk_and_fetches_nothing(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page)
    assert browser.text("#found") == "61 questions"
    assert browser.text("#scores tbody tr:first-child .overall .mean") == "100.0"
    assert len(browser.texts("#figures svg")) >= 5
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.complaints() == []


def test_model_output_is_text_and_never_runs(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page, "#q=0-0")
    assert browser.text(".answer:last-child > .reply") == SCRIPT
    browser.open(hostile_page, "#q=0-1")
    assert browser.text(".answer:last-child > .reply") == UNCLOSED
    assert "<img src=x" in browser.text(".answer:last-child h4")
    browser.open(hostile_page, "#q=0-7")
    assert browser.text(".answer:last-child > .facts") == f"ended by {SCRIPT}"
    browser.choose("outcome", "failed")
    assert browser.text(".answer .failure") == f"Failed: adapter: {SCRIPT}"
    assert browser.run("return document.title") == "vicabench report · vicabench"
    inserted = (
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script); return window.ran ?? null;"
    )
    assert browser.run(inserted) is None
    assert "Content Security Policy" in browser.complaints()[0]


def test_deceptive_characters_are_made_visible(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page, "#q=0-2")
    reply = browser.text(".answer:last-child > .reply")
    assert reply == "left⟨U+202E⟩thgir⟨U+202C⟩ and a NUL ⟨U+0000⟩ ⟨U+D800⟩ ⟨U+2028⟩"


def test_a_reply_of_a_megabyte_is_shortened_and_says_so(
    browser: Browser, hostile_page: Path
) -> None:
    browser.open(hostile_page, "#q=0-3")
    assert browser.text(".answer:last-child > .reply").endswith("the end")
    assert "1,000,008 characters" in browser.text(".answer:last-child > .note")
    assert hostile_page.stat().st_size < 2_000_000


def test_thoughts_are_folded_beside_the_reply(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page, "#q=0-4")
    assert browser.text(".answer:last-child > .reply") == "A"
    assert "Thoughts (6 words)" in browser.text(".answer:last-child details")
    browser.driver.find_element("css selector", ".answer:last-child summary").click()
    assert browser.text(".answer:last-child details pre").startswith("First the <i>chair</i>")
    browser.choose("text", "then the table")
    assert browser.text("#found") == "1 of 61 questions"


def test_protocols_are_shown_side_by_side_with_differences(
    browser: Browser, two_protocols: Path
) -> None:
    browser.open(two_protocols)
    good, bad = browser.texts("#protocols tbody tr td:nth-child(3) .gap")[:2]
    assert good == "every reply read alike"
    # The first number of a text that is none, and the letter behind a thought.
    assert bad.endswith("2 read differently")
    browser.driver.find_element("css selector", "#protocols summary").click()
    assert browser.texts("#protocols details tbody th")[:2] == [
        "official@51e089c",
        "lmms-eval@0.7.3",
    ]


def test_link_shows_its_question_with_frames_options_and_truth(
    browser: Browser, hostile_page: Path
) -> None:
    browser.open(hostile_page, "#q=3-9&task=object_counting")
    assert browser.text("#question h3") == "Question 3-9"
    assert browser.text("#question .options .right").startswith("A. left")
    images = "return [...document.querySelectorAll('.strip img')]"
    decoded = f"{images}.map((i) => i.decode()))"
    browser.driver.execute_async_script(
        f"Promise.all({decoded.removeprefix('return ')}.then(arguments[0])"
    )
    assert browser.run(f"{images}.map((i) => [i.naturalWidth, i.naturalHeight])") == [[128, 96]] * 3
    browser.open(hostile_page, "#q=lost")
    assert "nowhere.mp4 is missing" in browser.text("#question .note")
    browser.driver.find_element("css selector", "nav a[href='#figures']").click()
    assert browser.text("#question h3") == "Question lost"
    browser.open(hostile_page, "#q=unheard-of")
    assert "not in this report" in browser.text("#missing")


def test_link_with_unknown_filters_still_shows_its_question(
    browser: Browser, hostile_page: Path
) -> None:
    for stale in ("model=7", "result=bogus", "differ=better&protocol=9&sort=x", "video=gone"):
        browser.open(hostile_page, f"#q=3-9&{stale}")
        assert browser.text("#question h3") == "Question 3-9"
        assert browser.text("#found") == "61 questions"
    browser.choose("text", "clip2 counting")
    assert browser.text("#found") == "1 of 61 questions"


def test_all_questions_about_a_video_are_its_own_and_no_others(
    browser: Browser, hostile_page: Path
) -> None:
    browser.open(hostile_page, "#q=3-9")
    browser.driver.find_element("css selector", "#question button.link").click()
    assert browser.text("#found") == "10 of 61 questions about clip3"
    browser.driver.find_element("css selector", "#reset").click()
    assert browser.text("#found") == "61 questions"


def test_the_keyboard_is_enough(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page)
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "search"
    browser.press("clip2 counting", Keys.ENTER)
    assert browser.text("#found") == "1 of 61 questions"
    browser.choose("text", "clip2")
    browser.press("j", Keys.ARROW_DOWN, "k", Keys.ENTER)
    assert browser.run("return document.activeElement.textContent") == "Question 2-1"
    browser.press(Keys.ESCAPE)
    assert browser.run("return document.activeElement.id") == "list"
    active = browser.run("return document.activeElement.getAttribute('aria-activedescendant')")
    selected = "return document.getElementById(arguments[0]).ariaSelected"
    assert browser.run(selected, active) == "true"


def test_dark_follows_the_system_and_the_button(browser: Browser, hostile_page: Path) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser.open(hostile_page)
    light = browser.run(ground)
    browser.open(hostile_page, theme="dark")
    dark = browser.run(ground)
    assert dark != light
    button = browser.driver.find_element("css selector", "#theme")
    assert button.text == "Light theme"  # what it switches to
    button.click()
    assert browser.run(ground) == light
    assert button.text == "Dark theme"

    def reopened(driver: WebDriver) -> object:
        driver.refresh()
        return browser.run(ground)

    # A reloaded page may get another process, which the browser's store reaches a moment later.
    wait = WebDriverWait(browser.driver, 20)
    wait.until(lambda driver: reopened(driver) == light)  # the choice is kept
    browser.run("localStorage.clear()")
    wait.until(lambda driver: reopened(driver) == dark)  # and gone for the tests that follow


def test_no_mark_of_a_figure_keeps_its_light_colour_in_the_dark(
    browser: Browser, hostile_page: Path
) -> None:
    first = (0x00, 0x44, 0x88)  # of the first run
    for theme, kept in (("light", True), ("dark", False)):
        browser.open(hostile_page, theme=theme)
        (figure,) = browser.driver.find_elements("xpath", FOREST)
        pixels = Image.open(io.BytesIO(figure.screenshot_as_png)).convert("RGB").getcolors(10**6)
        assert (first in {colour for _, colour in pixels or []}) == kept


def test_every_field_and_list_has_a_name(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page)
    fields = browser.driver.find_elements(
        "css selector", "input, select, button, [role=listbox], nav, table, section"
    )
    unnamed = [f for f in fields if f.is_displayed() and not f.accessible_name]
    assert [field.get_attribute("outerHTML") for field in unnamed] == []


def test_on_a_phone_a_question_takes_the_place_of_the_list(
    browser: Browser, hostile_page: Path
) -> None:
    browser.open(hostile_page, width=390)
    assert not browser.driver.find_element("css selector", "#question").is_displayed()
    browser.driver.find_element("css selector", ".row").click()
    assert browser.text("#question h3") == "Question 0-0"
    browser.driver.find_element("css selector", "#back").click()
    assert browser.driver.find_element("css selector", "#list").is_displayed()
    assert browser.run(
        "const page = document.documentElement; return page.scrollWidth <= innerWidth"
    )


def test_question_counts_are_below_their_scores_on_phones(
    browser: Browser, hostile_page: Path
) -> None:
    browser.open(hostile_page, width=390)
    edges = browser.run(
        "return [...document.querySelectorAll('#scores tbody tr')].map(row =>"
        "  [...row.children].filter(cell => cell.offsetWidth)"
        "    .map(cell => cell.getBoundingClientRect().right))"
    )
    assert len(edges) > 2
    assert all(row == edges[0] for row in edges)


def test_all_of_vsi_bench_is_filtered_searched_and_sorted(
    browser: Browser, large_page: Path
) -> None:
    rows = vsibench_rows(2)
    browser.open(large_page)
    assert browser.text("#found") == "5,130 questions"
    assert browser.run("return document.querySelectorAll('.row').length") < 60
    browser.choose("task", "object_rel_direction")
    assert browser.text("#found") == "968 of 5,130 questions"
    browser.choose("model", "1")
    browser.choose("result", "wrong")
    browser.choose("dataset", "scannet")
    wrong = [
        row
        for row in rows
        if "rel_direction" in row["question_type"]
        and row["response"] == "far off"
        and row["video"].startswith("scannet/")
    ]
    assert browser.text("#found") == f"{len(wrong)} of 5,130 questions"
    browser.choose("text", f"THING {wrong[0]['id']}?")
    assert browser.text("#found") == "1 of 5,130 questions"
    browser.driver.find_element("css selector", "#reset").click()
    browser.choose("differ", "models")
    differing = sum((row["id"] % 2 == 0) != (row["id"] % 5 == 0) for row in rows)
    assert browser.text("#found") == f"{differing:,} of 5,130 questions"
    browser.choose("sort", "easy")
    assert browser.run("return document.querySelector('.row .chip').className") == "chip s10"
    browser.driver.find_element("css selector", "#list").send_keys(Keys.END)
    browser.choose("sort", "hard")
    assert browser.text("#place").startswith("1 of ")  # the selection begins anew


def test_the_end_of_the_list_is_one_key_away(browser: Browser, large_page: Path) -> None:
    browser.open(large_page)
    browser.driver.find_element("css selector", "#list").send_keys(Keys.END)
    assert browser.text("#place") == "5,130 of 5,130"
    assert browser.text("#question h3") == "Question 5129"
    assert browser.texts("#question img") == []


def test_tables_sort_by_clicks_and_keys(browser: Browser, hostile_page: Path) -> None:
    browser.open(hostile_page)
    column = "return [...document.querySelectorAll('#comparison details tbody tr')].map(row => row"
    heads = browser.driver.find_elements("css selector", "#comparison details thead button")
    for head, cell in ((heads[0], 0), (heads[1], 1)):
        states = []
        for _ in range(2):
            head.send_keys(Keys.ENTER)
            states.append(str(head.find_element("xpath", "..").get_attribute("aria-sort")))
            shown: list[str] = browser.run(f"{column}.children[{cell}].textContent)")
            values = shown if cell == 0 else [float(v.replace("−", "-")) for v in shown]
            if cell == 0:
                values = [value.casefold() for value in shown]
            assert values == sorted(values)[:: -1 if states[-1] == "descending" else 1]
        assert sorted(states) == ["ascending", "descending"]
    assert len(browser.driver.find_elements("css selector", "#comparison [aria-sort]")) == 1
    rows = browser.texts("#scores tbody tr")
    browser.driver.find_elements("css selector", "#scores thead button")[1].send_keys(Keys.SPACE)
    after = browser.texts("#scores tbody tr")
    assert sorted(after) == sorted(rows)
    assert [row.split()[0] for row in after[-2:]] == ["questions", "videos"]  # below the runs


def test_the_list_shows_what_differs_between_questions(browser: Browser, tmp_path: Path) -> None:
    stem = "These are frames of a video.\nMeasuring from the closest point, how far is the "
    rows = [
        {**row, "question": f"{stem}{thing} from you?", "response": "1", "seconds": 12.345678}
        for row in rows_about(3)
        if row["question_type"] == "object_abs_distance"
        for thing in [("chair", "chaise", "door")[int(row["id"][0])]]
    ]
    write_run(tmp_path / "far.jsonl", rows)
    browser.open(report(tmp_path, tmp_path / "far.jsonl", "--frames", 0))
    assert browser.texts(".row-text") == [f"… {t} from you?" for t in ("chair", "chaise", "door")]
    assert browser.text("#question .question-text").startswith("These are frames")
    assert "12.3 s" in browser.text("#question .facts:last-child")
    assert "12.34" not in browser.text("#question")


def test_published_rows_are_in_the_table_of_the_page(browser: Browser, tmp_path: Path) -> None:
    rows = [{**row, "response": row["ground_truth"]} for row in rows_about(6)]
    write_run(tmp_path / "ours.jsonl", rows)
    browser.open(report(tmp_path, tmp_path / "ours.jsonl", "--published", "--frames", 0))
    shown = next(text for text in browser.texts("#scores tr.published") if "ViCA2-7B" in text)
    assert shown.split()[:5] == ["ViCA2-7B", "published", "[1]", "56.8", "65.7"]
    assert "[1] ViCA2 report Table 2" in browser.text("#scores .notes")
    assert any("Average scores" in text for text in browser.texts("figcaption"))
    browser.driver.find_elements("css selector", "#scores thead button")[1].click()
    assert browser.texts("#scores tbody tr")[0].startswith("ours")  # 100, above all of them


def test_a_reader_of_the_leaderboard_chooses_the_protocol(browser: Browser, tmp_path: Path) -> None:
    rows = {share: [{**r, "response": f"about {r['ground_truth']}"} for r in rows_about(6)][:share]
            for share in (60, 30)}  # fmt: skip
    runs = [write_run(tmp_path / f"{share}.jsonl", part) for share, part in rows.items()]
    page = tmp_path / "leaderboard.html"
    done = vicabench("leaderboard", *runs, "--protocol", "official,extracted", "--out", page)
    assert done.returncode == 0, done.stderr
    browser.open(page)

    def shown() -> list[str]:
        return [row.split("\n")[0] for row in browser.texts("tbody tr") if row]

    assert len(shown()) == 2
    assert browser.text("tbody tr:not([hidden]) .overall .mean") != "100.0"
    browser.driver.find_element("css selector", "#protocol option:nth-child(2)").click()
    assert len(shown()) == 2
    assert browser.text("tbody tr:not([hidden]) .overall .mean") == "100.0"
    browser.driver.find_element("css selector", "#protocol option:last-child").click()
    assert len(shown()) == 4
    assert browser.complaints() == []
