"""The maps of a run, each beside the true one, as they are kept in `maps.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.errors import DataError
from vicabench.mapping.distances import Pair, pairs_of
from vicabench.mapping.reading import Map, UnreadMapError, read_map
from vicabench.results.run import Run

FILE = "maps.jsonl"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The map of one video.

    Attributes:
        found: The map; None if there is none that can be read, and then `unread` says why.
        truth: The true map; None if the scene is not known.
    """

    video: str
    found: Map | None
    unread: str | None
    truth: Map | None

    @property
    def pairs(self) -> list[Pair]:
        """The pairs of categories that are scored; none without the truth."""
        return [] if self.truth is None else pairs_of(self.video, self.truth, self.found)

    def to_json(self) -> dict[str, Any]:
        """The map as JSON values."""
        pairs = self.pairs
        return {
            "video": self.video,
            "map": self.found,
            "unread": self.unread,
            "true": self.truth,
            "pairs": len(pairs),
            "right": sum(pair.right for pair in pairs),
        }


def drawn_in(
    run: Run, categories: Mapping[str, tuple[str, ...]], truths: Mapping[str, Map]
) -> Iterator[Drawn]:
    """The map of every video that a run of requests for maps was to ask about."""
    replies = {p.question.video: p for p in run.predictions}
    for video in run.planned or replies:
        reply = replies.get(video)
        found, unread = None, None
        if reply is None or reply.response is None:
            unread = "no reply"
        else:
            try:
                found = read_map(reply.response, categories[video])
            except UnreadMapError as error:
                unread = str(error)
        yield Drawn(video=video, found=found, unread=unread, truth=truths.get(video))


def own_maps(folder: Path) -> dict[str, Map | None]:
    """The maps that a run folder of `vicabench maps` keeps, by video; None for an unread one.

    Raises:
        DataError: As `kept_maps`.
    """
    return {each.video: each.found for each in kept_maps(folder)}


def kept_maps(folder: Path) -> list[Drawn]:
    """The maps that a run folder of `vicabench maps` keeps, each beside the true one.

    Raises:
        DataError: There are none, or the file is malformed.
    """
    file = folder / FILE
    try:
        rows = [json.loads(line) for line in files.read(file).splitlines()]
        return [
            Drawn(
                video=str(row["video"]),
                found=_checked(row["map"]),
                unread=None if row["unread"] is None else str(row["unread"]),
                truth=_checked(row["true"]),
            )
            for row in rows
        ]
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}). Make maps with: vicabench maps --model SPEC"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is damaged ({error!r}). Repeat the command that made it: vicabench maps"
        ) from None


def _checked(content: Any) -> Map | None:
    return None if content is None else read_map(json.dumps(content), tuple(content))


def write_maps(folder: Path, maps: list[Drawn]) -> None:
    """Write `maps.jsonl`, a line per video."""
    files.write(folder / FILE, "".join(json.dumps(each.to_json()) + "\n" for each in maps))
