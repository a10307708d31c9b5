"""One headless Chromium for all tests of the page, and the pages that they look at."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.benchmarks.toy import vicabench
from tests.browser.material import hostile_rows, vsibench_rows, write_run

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1440,900"),
)


@dataclass(frozen=True, kw_only=True)
class Browser:
    """A browser with what these tests do in it."""

    driver: Chrome

    def open(
        self, page: Path, address: str = "", *, theme: str = "light", width: int = 1440
    ) -> None:
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        view = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
        self.driver.get("about:blank")  # or another address of the same page would not load it
        self.driver.get(page.as_uri() + address)
        self.driver.execute_async_script(  # once its size is known the list is drawn again
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]));"
        )

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, css: str) -> str:
        """What a reader sees of the first such element."""
        return str(self.driver.find_element("css selector", css).text)

    def texts(self, css: str) -> list[str]:
        return [element.text for element in self.driver.find_elements("css selector", css)]

    def choose(self, name: str, value: str) -> None:
        """Set a filter as a reader does, and wait for the list to follow."""
        field = f"#filters [name={name}]"
        self.driver.execute_async_script(
            "const [css, value, done] = arguments, field = document.querySelector(css);"
            "field.value = value; field.dispatchEvent(new Event('input', {bubbles: true}));"
            "requestAnimationFrame(() => requestAnimationFrame(done));",
            field,
            value,
        )

    def press(self, *keys: str) -> None:
        """Press keys where the focus is, and wait for the page to follow."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)
        self.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]));"
        )

    def complaints(self) -> list[str]:
        """What the browser's console holds: errors of scripts, and what the policy refused."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        reason = "the page is tested in Chromium: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in FLAGS:
        options.add_argument(flag)
    chrome = Chrome(options=options, service=Service(driver))
    yield Browser(driver=chrome)
    chrome.quit()


def report(folder: Path, *words: object) -> Path:
    """Make a page with the real command; returns its file."""
    page = folder / "report.html"
    done = vicabench("report", *words, "--out", page)
    assert done.returncode == 0, done.stderr
    return page


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """Two runs about the clips, one of whose videos is missing; texts that try to get out."""
    folder = tmp_path_factory.mktemp("hostile")
    runs = [write_run(folder / name, rows) for name, rows in hostile_rows().items()]
    return report(folder, *runs, "--videos", clips, "--compare", runs[0], "--frames", 3)


@pytest.fixture(scope="session")
def two_protocols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same runs without frames, by two protocols."""
    folder = tmp_path_factory.mktemp("protocols")
    runs = [write_run(folder / name, rows) for name, rows in hostile_rows().items()]
    return report(folder, *runs, "--frames", 0, "--protocol", "official,lmms-eval")


@pytest.fixture(scope="session")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of as many questions and videos as VSI-Bench has."""
    folder = tmp_path_factory.mktemp("large")
    runs = [
        write_run(folder / f"{name}.jsonl", vsibench_rows(every))
        for name, every in (("good", 5), ("poor", 2))
    ]
    return report(folder, *runs, "--frames", 0)
