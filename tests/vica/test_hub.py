"""A checkpoint in shards from a hub on loopback, by its id."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests import hub as hubs

REPO = "lab/ViCA2-50p"
SCRIPT = """
import sys, vica
assert "transformers" not in sys.modules
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
for name in sys.argv[1:]:
    try:
        print(type(vica.load_model(name)).__name__, vica.load_config(name).model_type)
    except vica.CheckpointError as error:
        print("REFUSED", error)
autos = AutoConfig, AutoProcessor, AutoModelForImageTextToText
print(*(type(auto.from_pretrained(sys.argv[1])).__name__ for auto in autos))
"""


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("hub") / "m", max_shard_size="300KB")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {**files, "training_args.bin": b"pickle", "README.md": b"# ViCA2"}


@pytest.fixture
def hub(content: dict[str, bytes]) -> Iterator[hubs.Hub]:
    foreign = {**content, "config.json": json.dumps({"model_type": "qwen2_vl"}).encode()}
    with hubs.serve({f"models/{REPO}": content, "models/lab/other": foreign}) as hub:
        yield hub


def test_hub_ids_are_downloaded_and_loaded_or_refused(hub: hubs.Hub, tmp_path: Path) -> None:
    """One process for all checks, because starting torch is slow."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, REPO, "lab/other", "lab/none", "./none"],
        capture_output=True,
        text=True,
        check=True,
        env=hub.environment(tmp_path),
    )
    loaded, foreign, unknown, no_folder, autos = done.stdout.splitlines()
    assert loaded == "ViCA2 vica_qwen"
    assert foreign.startswith("REFUSED lab/other: is of the family 'qwen2_vl'")
    assert unknown.startswith("REFUSED lab/none: could not be downloaded from the hub")
    assert no_folder.startswith("REFUSED ./none: is neither a folder nor a hub id")
    assert autos == "ViCA2Config ViCAProcessor ViCA2"

    weights = [r.path for r in hub.log if r.method == "GET" and r.path.endswith(".safetensors")]
    assert len(weights) == len(set(weights)) == 4
    assert all(f"/{REPO}/" in path for path in weights)
    assert not hub.downloads("training_args.bin")


ENDLESS = """
import vica
from vica.errors import DataError
from vica.training.config import Mixture, Source
from vica.training.index import conversations
for call, refused in (
    (lambda: vica.load_config("lab/endless"), vica.CheckpointError),
    (lambda: conversations(Mixture(sources=(Source(path="lab/rows"),))), DataError),
    (lambda: conversations(Mixture(sources=(Source(path="lab/huge"),))), DataError),
):
    try:
        call()
    except refused as error:
        print(error)
"""


def test_more_than_the_hub_announced_is_not_downloaded(tmp_path: Path) -> None:
    repositories = {
        "models/lab/endless": {"config.json": b"{}"},
        "datasets/lab/rows": {"a.parquet": b"rows"},
        "datasets/lab/huge": {"a.json": b"[]"},
    }
    with hubs.serve(repositories) as hub:
        hub.endless |= {"config.json", "a.parquet"}
        hub.sizes["a.json"] = 1 << 60
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", ENDLESS],
            capture_output=True,
            text=True,
            check=True,
            env=hub.environment(tmp_path),
        )
    model, rows, huge = done.stdout.splitlines()
    assert "sends more of lab/endless than the 2 bytes that it announced" in model
    assert "sends more of lab/rows than the 4 bytes that it announced" in rows
    assert "lab/huge: 1152921504.6 GB are needed" in huge
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 64 << 20
