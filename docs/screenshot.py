"""The picture of the report in the README: the page itself, as Chromium shows it.

    vicabench report runs/rooms/* --out report.html && python docs/screenshot.py report.html

Needs chromium and chromedriver, and selenium.
"""

from __future__ import annotations

import io
import shutil
import sys
from base64 import b64decode
from pathlib import Path

from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
WIDTH, HEIGHT = 1240, 800
COLOURS = 128


def screenshot(page: Path, out: Path, question: str) -> None:
    """Show one question of the page, and keep what is seen as a small PNG."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in FLAGS:
        options.add_argument(flag)
    chrome = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        view = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
        chrome.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        chrome.get(f"{page.resolve().as_uri()}#q={question}")
        chrome.execute_async_script(
            "Promise.all([...document.querySelectorAll('.strip img')].map((i) => i.decode()))"
            ".then(() => requestAnimationFrame(arguments[0]));"
        )
        png = b64decode(chrome.execute_cdp_cmd("Page.captureScreenshot", {})["data"])
    finally:
        chrome.quit()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS)
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(out, optimize=True)


if __name__ == "__main__":
    shown = sys.argv[2] if len(sys.argv) > 2 else "s0-0004-09"
    screenshot(Path(sys.argv[1]), Path(__file__).parent / "images" / "report.png", shown)
