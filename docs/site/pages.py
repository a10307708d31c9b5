"""Hooks for mkdocs that add pages from files outside docs/.

READMEs and the changelog become pages of the site, the help of the commands and the notebook become
one page each, and links between files of the repository become links between pages, so that they
work in both places. A page that would fetch anything from elsewhere fails the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from commands import reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from notebooks import page_of

ROOT = Path(__file__).parents[2]
SOURCES = {
    "index.md": "README.md",
    "library.md": "models/README.md",
    "trained.md": "reports/rooms/README.md",
    "limits.md": "reports/rooms/limits.md",
    "measured.md": "reports/speed.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
ASSETS = (
    *("reports/rooms/curve.svg", "reports/rooms/curve-tasks.svg", "reports/rooms/curve.csv"),
    "reports/rooms/limits-probes.svg",
)
"""Files that such pages show or link to, under the same names on the site."""
NOTEBOOK = "notebook.ipynb"
PAGES = {source: page for page, source in SOURCES.items()} | {f"docs/{NOTEBOOK}": "notebook.md"}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
FETCHED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made from files outside docs/, and the command reference."""
    for page, source in SOURCES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for asset in ASSETS:
        files.append(File.generated(config, asset, abs_src_path=str(ROOT / asset)))
    files.append(File.generated(config, "commands.md", content=reference()))
    notebook = page_of(ROOT / "docs" / NOTEBOOK)
    files.append(File.generated(config, "notebook.md", content=notebook))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turn links between files of the repository into links between pages."""
    own = page.file.src_uri
    source = SOURCES.get(own, f"docs/{own}")

    def between_pages(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        to = PAGES.get(target, own)
        if to == own:  # a page's link to its own source: to the file
            to = target.removeprefix("docs/")
        return posixpath.relpath(to, posixpath.dirname(own) or ".")

    return LINK.sub(between_pages, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Refuse a page that fetches a script, a style, a font or a picture from elsewhere."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} would fetch from elsewhere: {found[0]}")
    return output
