"""Training data in the published formats: reading, sampling, refusing and counting it."""

import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from vica.errors import DataError
from vica.loading import load_model, load_processor
from vica.merging import HIERA_PIXELS, PIXELS, split_visuals
from vica.tiny import write_tiny_checkpoint
from vica.training.config import Format, Mixture, Source
from vica.training.dataset import (
    PackDataset,
    UnreadableError,
    collate,
    labelled,
    read_image,
    read_visual,
)
from vica.training.index import Conversations, conversations
from vica.training.onevision import SUBSETS
from vica.training.recipes import recipe
from vica.training.records import conversation
from vica.training.sources import read_mixture
from vica.video import read_frames

from tests.vica.published import GOLDENS, Golden
from tests.videos import write_clip

SAMPLES: list[dict[str, Any]] = json.loads((GOLDENS / "labels.json").read_text())["samples"]
Record = dict[str, Any]


def record(
    video: str | None = "a.mp4", question: str = "<image>\nHow many?", **more: Any
) -> Record:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": "4"}]
    return {**({"video": video} if video else {}), "conversations": turns, **more}


def messages(question: Any, answer: str, **more: Any) -> Record:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns, **more}


def text(number: int) -> Record:
    return record(None, f"What is {number} and 1?", id=number)


def write(path: Path, records: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(map(json.dumps, records)) if path.suffix == ".jsonl" else json.dumps(records)
    path.write_text(lines, encoding="utf-8")
    return path


def of(
    path: Path, form: Format = "conversations", *, media_needed: bool = True, **options: Any
) -> Conversations:
    source = Source(path=str(path), format=form, sampling=options.pop("sampling", "all"))
    return conversations(Mixture(sources=(source,), **options), media_needed=media_needed)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: f"{s['sample']}-{s['modality']}")
def test_a_record_becomes_the_ids_and_labels_of_the_original(
    sample: Record, vica2: Golden, tmp_path: Path
) -> None:
    kind = sample["modality"]
    stated = {"conversations": sample["conversations"]}
    if kind != "text":
        stated[kind] = "seen"
    made = conversation(stated, file=tmp_path, index=0, media=tmp_path, exists=lambda _: True)
    start, end = sample["text"].find("The video lasts"), "related to this video."
    times = sample["text"][start : sample["text"].find(end) + len(end)] if start >= 0 else ""
    for _ in range(2):  # the original adds the time again at each access
        ids, labels = labelled(made, vica2.processor.tokenizer, time_instruction=times)
        assert (ids, labels) == (sample["input_ids"], sample["labels"])


def test_vica_322k_is_read_with_and_without_complex(
    tmp_path: Path,
) -> None:
    for place in ("arkitscenes/a.mp4", "scannet/b.mp4"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    write(tmp_path / "arkitscenes/base/count.json", [record("arkitscenes/a.mp4") for _ in "12"])
    write(tmp_path / "scannet/base/size.json", [record("scannet/b.mp4", id="x")])
    write(tmp_path / "arkitscenes/complex/tell.json", [record("arkitscenes/a.mp4")])
    data = of(tmp_path, "vica")
    assert [c.file.name for c in data] == ["count.json", "count.json", "tell.json", "size.json"]
    assert data[3].id == "x"
    assert data[3].visual == tmp_path / "scannet/b.mp4"
    assert [list(group) for group in data.by_visual] == [[0, 1, 2], [3]]
    assert len(of(tmp_path, "vica-base")) == 3
    with pytest.raises(DataError, match="no <source>/base"):
        of(tmp_path / "scannet", "vica")


def test_cc3m_and_onevision_read_files_and_parquet_rows(tmp_path: Path, vica2: Golden) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (140, 90), (200, 30, 30)).save(picture, "PNG")
    (tmp_path / "cc3m/images").mkdir(parents=True)
    (tmp_path / "cc3m/images/GCC_1.jpg").write_bytes(picture.getvalue())
    captioned = {**record(None, "Describe it.\n<image>"), "image": "GCC_1.jpg"}
    write(tmp_path / "cc3m/chat.json", [captioned])
    rows = [
        {**record(None, q), "image": i, "id": str(n), "data_source": "toy"}
        for n, (q, i) in enumerate(
            [("<image>\nWhat?", {"bytes": picture.getvalue(), "path": None}), ("Why?", None)] * 3
        )
    ]
    (tmp_path / "onevision/toy(x)").mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "onevision/toy(x)/train-0.parquet", row_group_size=2)
    sources = (
        Source(path=str(tmp_path / "cc3m"), format="llava-cc3m"),
        Source(path=str(tmp_path / "onevision"), format="llava-onevision", sampling="end:50%"),
    )
    data = conversations(Mixture(sources=sources))
    assert [c.kind for c in data] == ["image", "text", "image", "text"]
    assert [c.id for c in data[1:]] == ["3", "4", "5"]
    for number in (0, 2):
        seen = read_visual(data[number], vica2.processor, frames=2, timed=True)
        assert seen.visual is not None
        assert (seen.visual.image_size, seen.time_instruction) == ((90, 140), "")
    assert read_visual(data[1], vica2.processor, frames=2, timed=True).visual is None


def test_stage_2_draws_from_the_79_subsets_of_the_original(tmp_path: Path) -> None:
    source = replace(recipe("vica2-stage2").mixture.sources[0], path=str(tmp_path))
    names = SUBSETS["vica2-stage2"]
    for name in [*names[1:], "magpie_pro(l3_80b_mt)"]:
        write(tmp_path / name / "data.json", [text(n) for n in range(20)])
    with pytest.raises(DataError, match=r"1 of the 79 subsets of .*CLEVR-Math\(MathV360K\)"):
        conversations(Mixture(sources=(source,)))
    write(tmp_path / names[0] / "data.json", [text(n) for n in range(20)])
    data = conversations(Mixture(sources=(source,)))
    assert [c.file.parent.name for c in data[::2]] == list(names)
    every = conversations(Mixture(sources=(replace(source, subsets=None),)))
    assert (len(data), len(every)) == (158, 160)


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        ("all", range(5)),
        ("first:2", range(2)),
        ("first:10%", range(1)),
        ("first:41%", range(3)),
        ("end:30%", range(3, 5)),
        ("first:9", range(5)),
    ],
)
def test_a_share_of_a_file_is_the_originals(sampling: str, wanted: range, tmp_path: Path) -> None:
    path = write(tmp_path / "five.json", [text(n) for n in range(5)])
    assert [c.id for c in of(path, sampling=sampling)] == [str(n) for n in wanted]


def test_random_sampling_depends_on_the_seed_alone(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "many.jsonl", [text(n) for n in range(200)])
    data = of(path, sampling="random:10%", seed=3)
    assert len({c.id for c in data}) == 20
    script = (
        "from vica.training.config import *; from vica.training.index import conversations;"
        f"s = Source(path={str(path)!r}, sampling='random:10%');"
        "print(*(c.id for c in conversations(Mixture(sources=(s,), seed=3))))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert other.stdout.split() == [c.id for c in data]
    assert of(path, sampling="random:10%", seed=4).digest != data.digest
    assert of(path, sampling="random:10%", seed=3).digest == data.digest


def test_a_mixture_in_yaml_names_its_files_and_shares(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / "data" / f"{name}.json", [text(n) for n in range(10)])
    yaml = tmp_path / "exp.yaml"
    yaml.write_text(
        "datasets:\n"
        "  - json_path: data/{a,b}.json\n    sampling_strategy: first:10%\n"
        "  - json_path: data/c.json\n    sampling_strategy: random:3\n"
    )
    data = conversations(read_mixture(yaml))
    assert [c.file.name for c in data] == ["a.json", "a.json", "c.json", "c.json", "c.json"]
    yaml.write_text("datasets: 3\n")
    with pytest.raises(DataError, match="json_path"):
        read_mixture(yaml)


BAD: list[tuple[object, str]] = [
    (record("gone.mp4"), "'gone.mp4' does not exist below"),
    (record("../a.mp4"), "is outside the folder of the data"),
    (record(question="How many?"), "0 <image> in its first turn and one video"),
    (record(question="<image>\nHow many <image>?"), "2 <image>"),
    (record(None), "1 <image> in its first turn and neither"),
    (record(conversations=[]), "no 'conversations'"),
    (record(question=" "), "empty turn of 'human'"),
    (record(conversations=[{"from": "human", "value": "<image>"}]), "not 'human' and 'gpt'"),
    (record(conversations=[{"from": "human", "value": 3}]), "'from' and a 'value'"),
    (record(image=["a.png", "b.png"], video=None), "2 of them"),
    (["no record"], "is list, not an object"),
    (
        record(None, "How many?") | {"video": []},
        "its 'video' must be the path of one file (it is empty)",
    ),
    (record(None, videos=["a.mp4", "b.mp4"]), "2 of them"),
    (record(None, videos=[["a.png", "b.png"]]), "must be the path of one file"),
    (record(video_path="b.mp4"), "names 2 files ('a.mp4', 'b.mp4')"),
    (record(images=["a.png"]), "a video and an image"),
    (record("https://x.example/a.mp4"), "is a URL"),
    (record(None, "How many?", clip="a.mp4"), "has a field 'clip'"),
    (record(None, "How many?", media=[{"file": "a.mp4"}]), "has a field 'media'"),
    (record(None, "How many?", source={"of": "b.JPG"}), "has a field 'source'"),
    (record(None, "<video>How many?"), "1 <video> in its first turn and neither"),
    (
        record(None, "<video>How many?", image="a.mp4"),
        "has <video> in its first turn and one image",
    ),
    (record(question="<video><image>How many?"), "2 <video>"),
    (record(None, "<|video_pad|> How many?"), "has <|video_pad|> and neither"),
    (messages("How many?", "<video>4", videos=["a.mp4"]), "has <video> in turn 1"),
    (messages([{"type": "video_url", "video_url": "a.mp4"}], "4"), "of type 'video_url'"),
    (record(messages=messages("How many?", "4")["messages"]), "'conversations' and 'messages'"),
    (record("\ud800.mp4"), "half of a surrogate pair (U+D800)"),
    (record(question="<image>\n\ud83d?"), "half of a surrogate pair (U+D83D)"),
]
GOOD: dict[str, Record] = {
    "LLaVA": record(),
    "LLaMA-Factory": record(None, "<video>How many?", videos=["a.mp4"]),
    "LLaMA-Factory, a line": record(None, "<video>\nHow many?", videos="a.mp4", images=None),
    "a path": record(None, "<video>\nHow many?", video_path="a.mp4"),
    "a video of datasets": record() | {"video": {"path": "a.mp4", "bytes": None}},
    "both names": record(video_path="./a.mp4", video="a.mp4"),
}
"""One video and one question, however they are spelled."""
for _kind, _question in {
    "ms-swift": "<video>How many?",
    "parts": [{"type": "video", "video": "a.mp4"}, {"type": "text", "text": "How many?"}],
}.items():
    GOOD[_kind] = messages(_question, "4", **({"videos": ["a.mp4"]} if "ms" in _kind else {}))


@pytest.mark.parametrize("name", GOOD)
def test_one_video_is_read_however_it_is_spelled(name: str, tmp_path: Path, vica2: Golden) -> None:
    (tmp_path / "a.mp4").touch()
    data = of(write(tmp_path / "one.json", [record(), GOOD[name]]))
    assert (data.visuals, data[1].kind, data[1].visual) == (1, "video", tmp_path / "a.mp4")
    ids, other = (labelled(c, vica2.processor.tokenizer, time_instruction="t") for c in data)
    assert ids[0].count(-200) == 1
    assert len(ids[0]) - len(other[0]) in {0, 1}  # a newline between two words of a question


def test_parquet_columns_of_any_media_are_shown_or_refused(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (4, 3)).save(picture, "PNG")
    (tmp_path / "a.mp4").touch()
    held = {"bytes": picture.getvalue(), "path": None}
    rows = [
        {**messages("<image>\nWhat?", "4"), "images": [held], "videos": None},
        {**messages("<video>What?", "4"), "images": None, "videos": ["a.mp4"]},
        {**messages("<image>\nWhat?", "4"), "images": [held, held], "videos": None},
        {**messages("What?", "4"), "images": [], "videos": None},
    ]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=3)
    data = of(tmp_path / "rows.parquet", max_bad=1)
    assert [c.kind for c in data] == ["image", "video"]
    assert [c.visual for c in data] == [tmp_path / "rows.parquet/0", tmp_path / "a.mp4"]
    assert [p.index for p in data.problems] == [2, 3]
    assert read_image(tmp_path / "rows.parquet/0").size == (4, 3)
    bare = {**messages("What?", "4"), "video": b"film"}
    pq.write_table(pa.Table.from_pylist([bare]), tmp_path / "bare.parquet")
    with pytest.raises(DataError, match="column 'video' holds bytes"):
        of(tmp_path / "bare.parquet")


@pytest.mark.parametrize("place", ["text", "image", "nulls", "line"])
def test_a_file_that_grows_without_bound_is_refused(tmp_path: Path, place: str) -> None:
    """A few hundred kilobytes that hold gigabytes: one value many times, or nothing, or blanks."""
    if place == "line":
        with (tmp_path / "a.jsonl").open("wb") as file:
            file.truncate(65 << 20)
        with pytest.raises(DataError, match="at byte 0 has over 67,108,864 bytes"):
            of(tmp_path / "a.jsonl")
        return
    rows, large = 2200, b"x" * 1_000_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, "int32"), [large.decode()])
    turns = pa.array([messages("<image>\nWhat?", "4")["messages"]] * rows)
    columns = {"messages": turns, "id": texts if place == "text" else pa.array(range(rows))}
    if place == "image":
        held = pa.DictionaryArray.from_arrays(pa.array([0] * rows, "int32"), [large])
        paths = pa.nulls(rows, "string")
        images = pa.StructArray.from_arrays([held, paths], ["bytes", "path"])
        columns["images"] = pa.ListArray.from_arrays([0] * rows + [rows], images)
    if place == "nulls":
        nothing = pa.nulls(22_000_000, "int8")
        columns["images"] = pa.ListArray.from_arrays([0] * rows + [len(nothing)], nothing)
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    most = {"nulls": "20,000,000", "text": "268,435,456"}.get(place, "2,147,483,648")

    def read() -> None:
        of(tmp_path / "a.parquet", max_bad=1)
        read_image(tmp_path / "a.parquet" / str(rows - 1))

    with pytest.raises(DataError, match=f"a.parquet: is refused: .* at most {most} may be"):
        read()


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_bad_records_are_left_out_and_named_with_reasons(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    path = write(tmp_path / f"mixed{suffix}", [record(), *(bad for bad, _ in BAD), record()])
    data = of(path, max_bad=0.95)
    assert [c.index for c in data] == [0, len(BAD) + 1]
    assert [p.index for p in data.problems] == list(range(1, len(BAD) + 1))
    for problem, (_, reason) in zip(data.problems, BAD, strict=True):
        assert reason in problem.reason
        assert f"mixed{suffix}, record {problem.index}" in str(problem)
    with pytest.raises(DataError, match=f"{len(BAD)} of {len(BAD) + 2} records") as stopped:
        of(path)
    assert "gone.mp4" in str(stopped.value)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b'[{"id": 1}, {"id": ]', "at byte 12"),
        (b'[{"id": 1}', "at byte 10"),
        (b'{"id": 1}', "not a JSON list"),
        (b"[] more", "goes on"),
        (b'["\xff"]', "UTF-8"),
    ],
)
def test_a_file_without_a_list_is_refused_with_the_place(
    content: bytes, wrong: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=wrong):
        of(path)


def test_records_are_read_back_wherever_a_portion_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [record(None, f"é {'x' * n} \u2019?", id=n) for n in range(60)]
    path = tmp_path / "wide.json"
    path.write_text("\ufeff" + json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    monkeypatch.setattr("vica.training.files.PORTION", 7)
    sent: Conversations = pickle.loads(pickle.dumps(of(path)))
    assert [c.turns[0][1] for c in sent] == [r["conversations"][0]["value"] for r in records]
    assert sent.memory == 37 * len(records)  # however long they are


def test_the_digest_depends_on_content_not_on_place(
    tmp_path: Path,
) -> None:
    here = write(tmp_path / "here.json", [text(n) for n in range(9)])
    there = write(tmp_path / "far/there.json", [text(n) for n in range(9)])
    other = write(tmp_path / "other.json", [text(n) for n in range(1, 10)])
    assert of(here).digest == of(there).digest != of(other).digest


def test_videos_have_their_times_and_broken_ones_are_named(tmp_path: Path, vica2: Golden) -> None:
    write_clip(tmp_path / "a.mp4", frames=8)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    data = of(write(tmp_path / "two.json", [record(), record("b.mp4")]))
    shown = read_visual(data[0], vica2.processor, frames=4, timed=True)
    assert shown.visual is not None
    assert len(shown.visual.pixels_FCHW) == 4
    assert "and 4 frames are uniformly sampled" in shown.time_instruction
    with pytest.raises(UnreadableError, match=r"two\.json, record 1: .*b\.mp4"):
        read_visual(data[1], vica2.processor, frames=4, timed=True)


@torch.no_grad()
def test_workers_send_uint8_and_the_model_makes_the_same_pixels(
    tmp_path: Path, vica2: Golden
) -> None:
    write_clip(tmp_path / "a.mp4", frames=8)
    Image.effect_noise((140, 90), 90).convert("RGB").save(tmp_path / "c.png")
    records = [record(), record(None, "<image>\nWhat?", image="c.png")]
    data = of(write(tmp_path / "two.json", records))
    model, processor = load_model(write_tiny_checkpoint(tmp_path / "tiny")), vica2.processor
    tiny = load_processor(tmp_path / "tiny")
    packs = PackDataset(data, [(0,), (1,)], tiny, frames=4, timed=True)
    batch = collate([packs[0], packs[1]], loss_group=1, pad=0)
    sent = [batch[PIXELS], *batch[HIERA_PIXELS]]
    assert {one.dtype for one in sent} == {torch.uint8}
    whole = [
        tiny.video(read_frames(tmp_path / "a.mp4", 4).pixels_THWC),
        tiny.image(read_image(tmp_path / "c.png")),
    ]
    for levels, pixels in zip(split_visuals(batch), whole, strict=True):
        assert pixels.pixels_FCHW.dtype == torch.float32
        assert torch.equal(model.encode(levels), model.encode(pixels))
    assert processor.config.hiera_size == 1024
    large = processor.video(np.zeros((2, 2160, 3840, 3), np.uint8), levels=True).hiera_pixels_FCHW
    assert large is not None
    assert large.dtype == torch.float32  # fewer bytes than the frame in uint8


def test_an_image_that_is_a_program_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", encoding="utf-8")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    program = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 3\n%%EndComments\nshowpage\n"
    (tmp_path / "a.png").write_text(program, encoding="utf-8")
    with pytest.raises(OSError, match="cannot identify image file"):
        read_image(tmp_path / "a.png")
    assert not (tmp_path / "ran").exists()
