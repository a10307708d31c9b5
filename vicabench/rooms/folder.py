"""A Rooms folder on disk: whose it is, what it still lacks, and how it becomes whole.

`rooms.json` is written last and only says what is there, so a folder without it is unfinished.
Until then every finished scene leaves a part in `.parts`: its rows, written after its film.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.errors import DataError, counted
from vicabench.rooms.scene import Settings

MANIFEST = "rooms.json"
QUESTIONS = "questions.jsonl"
SCENES = "scenes.jsonl"
LOCK = ".lock"
_PARTS = ".parts"


@dataclass(frozen=True, kw_only=True)
class RoomsFolder:
    """The folder `path` as it should be: `scenes` scenes made with `settings`."""

    path: Path
    settings: Settings
    scenes: int

    @property
    def parts(self) -> Path:
        """Where the rows of finished scenes and unfinished films are until all is done."""
        return self.path / _PARTS

    def check(self) -> None:
        """Raises DataError when the folder is in use for something else."""
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file, not a folder. Name another place for Rooms.")
        found = self._found()
        if found is not None:
            self._check_same(found)
        elif any(entry.name not in {LOCK, _PARTS} for entry in self._entries()):
            raise DataError(
                f"{self.path} is not empty and not a Rooms folder. Name a new or an empty folder."
            )

    def _check_same(self, found: dict[str, Any]) -> None:
        wanted = asdict(self.settings)
        differing = [
            f"{name} is {found.get(name)!r}, not {value!r}"
            for name, value in wanted.items()
            if found.get(name) != value
        ]
        if found.get("scenes", 0) > self.scenes:
            differing.append(f"it has {counted(found['scenes'], 'scene')}, more than {self.scenes}")
        if differing:
            raise DataError(
                f"{self.path} holds other rooms than asked for: {'; '.join(differing)}. "
                "Name another folder, or delete this one."
            )

    def _entries(self) -> Iterator[Path]:
        return self.path.iterdir() if self.path.exists() else iter(())

    def _found(self) -> dict[str, Any] | None:
        """What the folder says it holds or will hold; None when it says nothing readable."""
        for file in (self.path / MANIFEST, self.parts / MANIFEST):
            try:
                found = json.loads(files.read(file))
            except (OSError, ValueError):
                continue
            if isinstance(found, dict):
                return found
        return None

    def is_whole(self) -> bool:
        """Whether everything is there, and the rows are the ones that were written."""
        try:
            manifest = json.loads(files.read(self.path / MANIFEST))
            digests = {name: digest(self.path / name) for name in (QUESTIONS, SCENES)}
            if (manifest["scenes"], manifest["sha256"]) != (self.scenes, digests):
                return False
            rows = files.read(self.path / SCENES).splitlines()
        except (OSError, ValueError, KeyError):
            return False
        return all(self.film(json.loads(row)["name"]).exists() for row in rows)

    def begin(self) -> None:
        """Marks the folder as this one, unfinished."""
        self.parts.mkdir(exist_ok=True)
        write(self.parts / MANIFEST, json.dumps(asdict(self.settings)) + "\n")
        (self.path / "rooms").mkdir(exist_ok=True)

    def film(self, scene_name: str) -> Path:
        """Where the film of a scene goes."""
        return self.path / "rooms" / f"{scene_name}.mp4"

    def part(self, index: int) -> Path:
        """Where the rows of a scene wait for the others."""
        return self.parts / f"{index}.json"

    def owed(self) -> list[int]:
        """The numbers of the scenes that are not finished."""
        return [index for index in range(self.scenes) if not self._finished(index)]

    def _finished(self, index: int) -> bool:
        part = self.part(index)
        return part.exists() and self.film(_read(part)["scene"]["name"]).exists()

    def finish(self) -> None:
        """Joins the parts, in order, into the files of a whole folder."""
        parts = [_read(self.part(index)) for index in range(self.scenes)]
        questions = [row for part in parts for row in part["questions"]]
        (self.path / MANIFEST).unlink(missing_ok=True)
        write(self.path / SCENES, _lines([part["scene"] for part in parts]))
        write(self.path / QUESTIONS, _lines(questions))
        manifest = {
            **asdict(self.settings),
            "scenes": self.scenes,
            "questions": len(questions),
            "sha256": {name: digest(self.path / name) for name in (QUESTIONS, SCENES)},
        }
        write(self.path / MANIFEST, json.dumps(manifest, indent=2) + "\n")
        shutil.rmtree(self.parts)


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(files.read(file)).hexdigest()


def write(file: Path, text: str) -> None:
    """Writes a text file so that it is either there as a whole or not at all."""
    files.write(file, text)


def publish(draft: Path, file: Path) -> None:
    """Gives a finished file its name, once its bytes are safe on the disk."""
    with draft.open("rb+") as content:
        os.fsync(content.fileno())
    draft.replace(file)


def _read(part: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.read(part))
    return found


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
