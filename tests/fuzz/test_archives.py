"""Zips, weights and training data from anywhere: nothing but a reason comes of what is wrong."""

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from vica.checkpoint import configured
from vica.errors import VicaError
from vica.tensors import shapes
from vica.tiny import write_tiny_checkpoint
from vica.training.config import Mixture, Source
from vica.training.index import conversations
from vica.training.recipes import RECIPES
from vica.training.settings import changed, names
from vica.training.sources import read_mixture

from tests.benchmarks.toy import zipped
from tests.fuzz.made import damaged, fuzzed, line_of, texts, torn
from vicabench.benchmarks.unpack import unpack
from vicabench.errors import DataError

ZIP = zipped({"scannet/a.mp4": b"0123456789" * 9, "scannet/b.mp4": b"second"})


@fuzzed
@given(content=torn(ZIP), name=texts)
def test_a_zip_writes_nothing_outside_its_folder(tmp_path: Path, content: bytes, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(exist_ok=True)
    with suppress(ValueError, IndexError):  # of the name, while we make the zip
        for made in (content, zipped({"scannet/a.mp4": b"1", name: b"2"})):
            (inner / "scannet.zip").write_bytes(made)
            with suppress(DataError):
                unpack(inner / "scannet.zip", inner, lambda _: None)
    assert {file.name for file in tmp_path.iterdir()} == {"inner"}
    assert {file.name for file in inner.iterdir()} <= {"scannet.zip", "scannet"}


HEADER = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@fuzzed
@given(
    header=damaged(HEADER),
    size=st.integers(0, 2**64 - 1) | st.none(),
    index=damaged({"weight_map": {"a": "model.safetensors"}}),
)
def test_weights_whose_header_lies(
    tmp_path: Path, header: Any, size: int | None, index: Any
) -> None:
    text = line_of(header)
    stated = struct.pack("<Q", len(text) if size is None else size)
    (tmp_path / "model.safetensors").write_bytes(stated + text + bytes(8))
    for folder_has_index in (False, True):
        if folder_has_index:
            (tmp_path / "model.safetensors.index.json").write_bytes(line_of(index))
        with suppress(VicaError):
            shapes(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()


@fuzzed
@given(data=st.data())
def test_the_configuration_of_a_checkpoint(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "tiny"
    if not folder.exists():
        write_tiny_checkpoint(folder)
        (folder / "config.json").rename(folder / "good.json")
    good = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_bytes(data.draw(damaged(good).map(line_of) | torn(b"{}")))
    with suppress(VicaError):
        configured(folder)


RECORD = {
    "id": "1",
    "video": "a.mp4",
    "conversations": [
        {"from": "human", "value": "<image>\nHow many?"},
        {"from": "gpt", "value": "2"},
    ],
}


@fuzzed
@given(
    records=st.lists(damaged(RECORD), max_size=3),
    cut=torn(line_of([RECORD, RECORD])),
    lines=st.booleans(),
)
@example(records=[{**RECORD, "video": "x" * 300 + ".mp4"}], cut=b"", lines=True)
def test_training_records(tmp_path: Path, records: list[Any], cut: bytes, lines: bool) -> None:
    many = b"".join(map(line_of, [RECORD, *records]))
    for content in (many if lines else line_of([RECORD, *records]), cut):
        file = tmp_path / ("data.jsonl" if lines else "data.json")
        file.write_bytes(content)
        source = Source(path=str(file), media=str(tmp_path))
        for needed in (True, False):
            with suppress(VicaError):
                list(conversations(Mixture(sources=(source,), max_bad=1.0), media_needed=needed))


def bomb(depth: int) -> bytes:
    """Lists, each with nine times what the one before has."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]" for n in range(1, depth)]
    return "\n".join([*lines, f"datasets: *a{depth - 1}"]).encode()


YAML = b"datasets:\n  - json_path: a.json\n    sampling_strategy: first:10%\n"
WORSE = [
    bomb(20),
    b"!!python/object/apply:os.system [touch pwned]",
    b"datasets: " + b"[" * 5000,
    b"datasets: 2026-99-99",
    bomb(20).replace(b"datasets: ", b"datasets:\n - json_path: "),
    bomb(20).replace(b"datasets: ", b"datasets:\n - json_path: a.json\n   sampling_strategy: "),
]


@fuzzed
@given(text=torn(YAML) | st.sampled_from(WORSE))
def test_a_mixture_in_yaml(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "mixture.yaml").write_bytes(text)
    with suppress(VicaError):
        read_mixture(tmp_path / "mixture.yaml")
    assert not Path("pwned").exists()


CONFIG = next(iter(RECIPES.values()))()


@fuzzed
@given(name=st.sampled_from(names(CONFIG)) | texts, value=texts | st.sampled_from(WORSE).map(str))
def test_a_setting_of_a_training(name: str, value: str) -> None:
    with suppress(VicaError):
        changed(CONFIG, [f"{name}={value}"])
