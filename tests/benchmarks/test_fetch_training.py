"""`vicabench data fetch` of training data, against a hub on loopback."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from vica.training.config import Mixture, Source
from vica.training.index import conversations
from vica.training.recipes import recipe

from tests import hub as hubs
from tests.benchmarks import toy
from vicabench.front.train import placed

VICA, CC3M = "datasets/nkkbr/ViCA-322K", "datasets/liuhaotian/LLaVA-CC3M-Pretrain-595K"


def records(kind: str, name: str) -> bytes:
    turns = [{"from": "human", "value": "What?\n<image>"}, {"from": "gpt", "value": "This."}]
    return json.dumps([{kind: name, "conversations": turns}]).encode()


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue()


FILES = {
    VICA: {
        "README.md": b"A card.\n",
        "scannet/base/count.json": records("video", "scannet/one.mp4"),
        "scannet/complex/tell.json": records("video", "scannet/one.mp4"),
    },
    CC3M: {
        "chat.json": records("image", "GCC_1.jpg"),
        "metadata.json": b"[]",
        "images.zip": toy.zipped({"GCC_1.jpg": picture(), "run.sh": b"echo"}),
    },
}


@pytest.fixture
def hub() -> Iterator[hubs.Hub]:
    with hubs.serve(FILES) as hub:
        yield hub


def environment(hub: hubs.Hub, folder: Path) -> dict[str, str]:
    return {**hub.environment(folder / "home"), "VICABENCH_CACHE": str(folder / "cache")}


def test_vica_322k_is_fetched_and_found_by_its_recipe(
    hub: hubs.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(hub, tmp_path)
    done = toy.vicabench("data", "fetch", "vica-322k", environment=env)
    assert done.returncode == 0, done.stderr
    assert hub.repositories[VICA][0].commit in done.stdout
    assert "--media" in done.stdout  # its videos are not ours to give
    folder = tmp_path / "cache/training/vica-322k"
    source = Source(path=str(folder), format="vica")
    assert len(conversations(Mixture(sources=(source,)), media_needed=False)) == 2
    assert not (folder / "README.md").exists()
    (folder / "scannet").mkdir(exist_ok=True)
    (folder / "scannet/one.mp4").touch()
    monkeypatch.setenv("VICABENCH_CACHE", env["VICABENCH_CACHE"])
    assert len(conversations(placed(recipe("vica2-stage3"), None).mixture)) == 2

    hub.log.clear()
    assert toy.vicabench("data", "fetch", "vica-322k", environment=env).returncode == 0
    assert not hub.downloads("count.json")


def test_images_are_unpacked_where_the_recipe_looks_for_them(hub: hubs.Hub, tmp_path: Path) -> None:
    env = environment(hub, tmp_path)
    hub.drop_after["images.zip"] = 100
    done = toy.vicabench("data", "fetch", "llava-cc3m", "--data", tmp_path / "cc", environment=env)
    assert done.returncode == 0, done.stderr
    assert [request.start for request in hub.downloads("images.zip")] == [None, 100]
    assert [p.name for p in (tmp_path / "cc/images").iterdir()] == ["GCC_1.jpg"]
    assert not (tmp_path / "cc/images.zip").exists()
    source = Source(path=str(tmp_path / "cc"), format="llava-cc3m")
    found = conversations(Mixture(sources=(source,)))
    assert [c.visual for c in found] == [tmp_path / "cc/images/GCC_1.jpg"]


def test_data_that_cannot_be_fetched_is_explained(hub: hubs.Hub, tmp_path: Path) -> None:
    env = environment(hub, tmp_path)
    for words, said in (
        (("vica-322k", "--include", "audio/*"), "--include audio/*"),
        (("vica-322k", "--questions-only"), "--questions-only"),
        (("vsi-bench", "--include", "x"), "--include"),
        (("imagenet",), "vica-322k"),
    ):
        done = toy.vicabench("data", "fetch", *words, environment=env)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
