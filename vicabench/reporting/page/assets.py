"""The page's own style and scripts, joined from small files, and the policy that admits them."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from markupsafe import Markup

CSS = ("base", "page", "explorer", "print")
JS = ("dom", "data", "filter", "address", "list", "frames", "answers", "question", "explorer",
      "keys", "main")  # fmt: skip
THEME = ("theme",)


def style(figures: str = "") -> Markup:
    """All style sheets, and the colours of the figures."""
    return _joined("css", CSS) + Markup(figures)  # noqa: S704  (made from hexadecimal digits)


def theme_script() -> Markup:
    """What has to run before the first paint."""
    return _joined("js", THEME)


def main_script() -> Markup:
    """All other scripts, in a scope of their own."""
    return Markup('"use strict";\n(() => {{\n{}}})();\n').format(_joined("js", JS))


def policy(styles: tuple[str, ...], scripts: tuple[str, ...]) -> str:
    """A content security policy under which only these run, and nothing is ever fetched."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hashes(styles)}",
            f"script-src {_hashes(scripts)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hashes(texts: tuple[str, ...]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _joined(kind: str, names: tuple[str, ...]) -> Markup:
    folder = resources.files(__package__).joinpath(kind)
    files = [folder.joinpath(f"{name}.{kind}") for name in names]
    return Markup("\n".join(file.read_text(encoding="utf-8") for file in files))  # noqa: S704
