"""What is asked for when rooms are built, checked."""

from __future__ import annotations

from dataclasses import dataclass

from vicabench.errors import ConfigError

GENERATOR = "1"
"""Version of scenes, films and questions: raise it with any change to what a seed gives."""

FPS = 20
"""Frames a second: smooth to watch, and a sixth less to draw than the 24 of ScanNet's videos."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides a scene's questions and film; one folder holds scenes of one kind only.

    Raises ConfigError for numbers that make no sense.
    """

    generator: str = GENERATOR
    seed: int
    questions_per_scene: int
    width: int
    height: int
    fps: int

    def __post_init__(self) -> None:
        check_least("seed", self.seed, 0)
        check_least("questions", self.questions_per_scene, 1)
        check_least("fps", self.fps, 1)
        for name, pixels in (("width", self.width), ("height", self.height)):
            check_least(name, pixels, 16)
            if pixels % 2:
                raise ConfigError(f"Rooms: {name} must be even, as H.264 has it; it is {pixels}.")


def check_least(name: str, value: int, least: int) -> None:
    """Raises ConfigError when the value of an option is too small."""
    if value < least:
        raise ConfigError(f"Rooms: {name} must be at least {least}; it is {value}.")
