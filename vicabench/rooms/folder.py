"""A Rooms folder: its contents, what it still lacks, and how it is completed.

`rooms.json` describes the content and is written last, so a folder without it is unfinished.
Until then every finished scene has a part in `.parts`: its rows, written after its film.
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
    """The folder `path`, which is to hold `scenes` scenes made with `settings`.

    Without `films`, scenes are finished without their films.
    """

    path: Path
    settings: Settings
    scenes: int
    films: bool = True

    @property
    def parts(self) -> Path:
        """The folder of the rows of finished scenes and of unfinished films during a build."""
        return self.path / _PARTS

    def check(self) -> None:
        """Raise DataError if the folder is used for something else."""
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file, not a folder. Name another folder for Rooms.")
        manifest = self._manifest()
        if manifest is not None:
            self._check_same(manifest)
        elif any(entry.name not in {LOCK, _PARTS} for entry in self._entries()):
            raise DataError(
                f"{self.path} is not empty and not a Rooms folder. Name a new or an empty folder."
            )

    def _check_same(self, manifest: dict[str, Any]) -> None:
        settings = asdict(self.settings)
        differing = [
            f"{name} is {manifest.get(name)!r}, not {value!r}"
            for name, value in settings.items()
            if manifest.get(name) != value
        ]
        if manifest.get("scenes", 0) > self.scenes:
            differing.append(
                f"it has {counted(manifest['scenes'], 'scene')}, more than {self.scenes}"
            )
        if differing:
            raise DataError(
                f"{self.path} holds other rooms than requested: {'; '.join(differing)}. "
                "Name another folder, or delete this one."
            )

    def _entries(self) -> Iterator[Path]:
        return self.path.iterdir() if self.path.exists() else iter(())

    def _manifest(self) -> dict[str, Any] | None:
        """The settings of the rooms that the folder holds or will hold; None if unreadable."""
        for file in (self.path / MANIFEST, self.parts / MANIFEST):
            try:
                manifest = json.loads(files.read(file))
            except (OSError, ValueError):
                continue
            if isinstance(manifest, dict):
                return manifest
        return None

    def is_whole(self) -> bool:
        """Whether everything exists and the rows are unchanged since they were written."""
        try:
            manifest = json.loads(files.read(self.path / MANIFEST))
            digests = {name: digest(self.path / name) for name in (QUESTIONS, SCENES)}
            if (manifest["scenes"], manifest["sha256"]) != (self.scenes, digests):
                return False
            rows = files.read(self.path / SCENES).splitlines()
        except (OSError, ValueError, KeyError):
            return False
        return all(self._filmed(json.loads(row)["name"]) for row in rows)

    def begin(self) -> None:
        """Mark the folder as an unfinished build with these settings."""
        self.parts.mkdir(exist_ok=True)
        write(self.parts / MANIFEST, json.dumps(asdict(self.settings)) + "\n")
        (self.path / "rooms").mkdir(exist_ok=True)

    def film(self, scene_name: str) -> Path:
        """The path of a scene's film."""
        return self.path / "rooms" / f"{scene_name}.mp4"

    def part(self, index: int) -> Path:
        """The path of a scene's rows until the folder is finished."""
        return self.parts / f"{index}.json"

    def owed(self) -> list[int]:
        """The numbers of the unfinished scenes."""
        return [index for index in range(self.scenes) if not self._finished(index)]

    def _finished(self, index: int) -> bool:
        part = self.part(index)
        return part.exists() and self._filmed(_read(part)["scene"]["name"])

    def _filmed(self, scene_name: str) -> bool:
        return not self.films or self.film(scene_name).exists()

    def finish(self) -> None:
        """Join the parts, in order, into the files of a complete folder."""
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
    """Write a text file atomically."""
    files.write(file, text)


def publish(draft: Path, file: Path) -> None:
    """Rename a finished file to its final name after syncing it to disk."""
    with draft.open("rb+") as content:
        os.fsync(content.fileno())
    draft.replace(file)


def _read(part: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(files.read(part))
    return content


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
