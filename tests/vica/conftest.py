"""Fixtures: the golden checkpoints, loaded once, and small checkpoints of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests.vica.published import Golden


@pytest.fixture(scope="session", params=["vica", "vica2"])
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(str(request.param))


@pytest.fixture(scope="session")
def vica2() -> Golden:
    return Golden("vica2")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ViCA2 checkpoint in the published layout; tests must not change it."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny-vica2")
