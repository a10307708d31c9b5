"""Whatever is fed to a reader, it does not fill the memory."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM = 2 << 30
"""Bytes that the tests of a file may take beyond what is there before the first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let hypothesis show examples with numbers of thousands of digits, which it warns about."""
    for item in items:  # of all folders
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:Generating overly large repr"))


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """Ask for more, and it is a MemoryError, which is no reason that a user can be told."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    taken = int(status.partition("VmData:")[2].split()[0]) << 10
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (taken + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)
