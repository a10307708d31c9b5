"""A benchmark without videos, an adapter that can misbehave, and an undisturbed run."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.bench import VIDEOS, Bench
from tests.support import install_adapter, rows_about, write_jsonl


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A run without faults, and its answers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    here = Path(__file__).parent
    code = (here / "faulty.py").read_text(encoding="utf-8")
    environment = install_adapter(folder / "site", "faulty", code, "Faulty")
    shutil.copy(here / "disturbed.py", folder / "site" / "sitecustomize.py")
    bench = Bench(
        folder=folder,
        questions=write_jsonl(folder / "questions.jsonl", rows_about(VIDEOS)),
        environment=environment,
    )
    done = bench.run()
    assert done.returncode == 0, done.stderr
    return replace(bench, whole=bench.written)


@pytest.fixture
def bench(undisturbed: Bench, tmp_path: Path) -> Bench:
    """The same benchmark and adapter, in an empty folder."""
    return replace(undisturbed, folder=tmp_path)
