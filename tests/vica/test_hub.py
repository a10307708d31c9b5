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
try:
    model = vica.load_model(sys.argv[1])
    processor = vica.load_processor(sys.argv[1])
    print(type(model).__name__, model.config.tokenizer_length, len(processor.tokenizer))
except vica.CheckpointError as error:
    print("REFUSED", error)
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


def load(hub: hubs.Hub, home: Path, repo: str = REPO, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, repo],
        capture_output=True,
        text=True,
        check=True,
        env={**hub.environment(home), **environment},
    )
    return done.stdout.strip()


def test_a_sharded_checkpoint_is_downloaded_and_loaded_by_its_id(
    hub: hubs.Hub, tmp_path: Path
) -> None:
    assert load(hub, tmp_path) == "ViCA2 259 259"
    assert not hub.downloads("training_args.bin")
    assert all(len(hub.downloads(f"model-0000{n}-of-00004.safetensors")) == 1 for n in (1, 2))
    assert load(hub, tmp_path, HF_HUB_OFFLINE="1") == "ViCA2 259 259"


def test_a_foreign_checkpoint_is_refused_before_its_weights_are_downloaded(
    hub: hubs.Hub, tmp_path: Path
) -> None:
    reply = load(hub, tmp_path, "lab/other")
    assert reply.startswith("REFUSED lab/other: is of the family 'qwen2_vl'")
    assert not [r for r in hub.log if r.method == "GET" and r.path.endswith(".safetensors")]


def test_an_unknown_name_is_refused(hub: hubs.Hub, tmp_path: Path) -> None:
    assert load(hub, tmp_path, "lab/nothing").startswith("REFUSED lab/nothing: cannot be had")
    assert load(hub, tmp_path, "./nothing").startswith("REFUSED ./nothing: is no folder")
