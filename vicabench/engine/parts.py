"""A part of a run as it lies in its folder, and whether several belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.engine.shards import named
from vicabench.errors import RunFolderError
from vicabench.results.predictions import Prediction, read_predictions
from vicabench.results.store import PREDICTIONS, different_fields, read_config
from vicabench.text import counted

WHOLE = ("of", "questions", "question_ids_sha256", "videos")
"""What is the same in every part of a whole."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run folder that holds a part, or several merged ones; `content` is its `config.json`."""

    folder: Path
    content: Mapping[str, Any]
    predictions: Sequence[Prediction]

    @property
    def record(self) -> Mapping[str, Any]:
        """Which part of which whole it is, as `Shard.record` wrote it."""
        found: Mapping[str, Any] = self.content["plan"]["part"]
        return found

    @property
    def origin(self) -> dict[str, Any]:
        """What a merged run keeps of the part: its name, its number, and all of its starts."""
        return {
            "folder": self.folder.resolve().name,
            "part": named(self.record),
            "answers": len(self.predictions),
            "starts": self.content["starts"],
        }


def read_part(folder: Path) -> Part:
    """RunFolderError if there is no part of a run in this folder, DataError if it is damaged."""
    content = read_config(folder)
    if content is None:
        raise RunFolderError(f"There is no run in {folder}: name the folders of its parts.")
    if "part" not in content["plan"]:
        raise RunFolderError(
            f"{folder} holds a whole run, not a part of one: only runs with --shard are merged."
        )
    file = folder / PREDICTIONS
    predictions = read_predictions(file, torn_ok=True) if file.exists() else []
    return Part(folder=folder, content=content, predictions=predictions)


def refuse_strangers(parts: Sequence[Part]) -> None:
    """RunFolderError naming what differs, unless all are parts of the same split of one run."""
    first = parts[0]
    for part in parts[1:]:
        both = f"{first.folder} and {part.folder}"
        lines = different_fields(first.content["config"], part.content["config"])
        if lines:
            ours = "\n".join(f"{line.removesuffix('now')}here" for line in lines)
            raise RunFolderError(f"{both} are of different runs:\n{ours}")
        if any(first.record[name] != part.record[name] for name in WHOLE):
            raise RunFolderError(
                f"{both} are parts of different splits: {named(first.record)} of "
                f"{counted(first.record['questions'], 'question')}, and {named(part.record)} of "
                f"{part.record['questions']}. All parts need the same --shard count, --limit and "
                "--tasks."
            )
