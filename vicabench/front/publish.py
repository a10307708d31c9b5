"""A run made public, with its report and card: `vicabench publish`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vicabench.errors import ConfigError
from vicabench.front.compare import one_each
from vicabench.front.report import report
from vicabench.harnesses.protocols import find_protocol
from vicabench.publishing.bundle import HUB, bundle, check_secrets, public, to_folder, to_hub
from vicabench.publishing.card import card
from vicabench.results.run import Run

CARD, PAGE = "README.md", "report.html"


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published, or would be.

    Attributes:
        files: The contents of the files by name; `README.md` is the card.
        place: The folder or the address of the commit; None if nothing was published.
    """

    files: dict[str, bytes]
    place: str | None

    def __repr__(self) -> str:
        return f"<published: {', '.join(self.files)} at {self.place or 'no place yet'}>"


def publish(
    run: Run | str | Path,
    to: str | Path,
    *,
    protocol: str = "official",
    private: bool = False,
    dry_run: bool = False,
) -> Published:
    """Publish a finished run: its answers and configuration, its report, and a card.

    Nothing of the machine, no media and no keys are published; replies and questions are, as they
    stand in the run.

    Args:
        run: A run folder, or a run loaded from one.
        to: A new folder, or `hub:ORG/NAME`, a model repository of the hub that is created where
            needed.
        protocol: The grading protocol of the scores.
        private: Whether a new repository is private.
        dry_run: Make everything, and publish nothing.

    Raises:
        ConfigError: The run is unfinished or a bare file, a file holds a key, the folder is not
            empty, or the hub refuses.
        DataError: The run cannot be read.
    """
    rule, place = find_protocol(protocol), str(to)
    (loaded,) = one_each([run])
    if private and not place.startswith(HUB):
        raise ConfigError("--private is for a repository of the hub, not a folder.")
    shown = public(loaded)
    files = bundle(shown, loaded.path)
    made = "vicabench publish"
    page = report([shown], protocol=protocol, frames=0, command=made, progress=False)
    files[PAGE] = page.encode()
    files = {CARD: card(shown, rule, files).encode(), **files}
    check_secrets(files)
    if dry_run:
        return Published(files=files, place=None)
    if place.startswith(HUB):
        place = to_hub(files, place.removeprefix(HUB), private=private)
    else:
        to_folder(files, Path(place))
    return Published(files=files, place=place)
