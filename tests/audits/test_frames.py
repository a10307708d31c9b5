"""The same frames under another name, in another size and encoding."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from vica.video import read_frames

import vicabench as vb
from tests.support import write_jsonl
from tests.videos import write_clip
from vicabench.audits.frames import prints_of, same_frames
from vicabench.errors import DataError
from vicabench.rooms.build import build


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of three rooms."""
    folder = tmp_path_factory.mktemp("rooms")
    build(folder, scenes=3, seed=0, width=96, height=72, fps=4, workers=1)
    return folder


def films(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.mp4"))


def written_again(source: Path, target: Path) -> Path:
    """The video in another size, another codec and at half the frames."""
    frames = read_frames(source, 1_000).pixels_THWC[::2]
    with av.open(str(target), "w") as file:
        stream = file.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            for packet in stream.encode(frame.reformat(160, 128)):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return target


def test_a_renamed_copy_is_found_and_another_room_is_not(rooms: Path, tmp_path: Path) -> None:
    first, second, third = films(rooms)
    media = [written_again(first, tmp_path / "a.mp4"), third]
    found = same_frames({"first": first, "second": second}, media)
    assert set(found.found) == {"first"}
    assert found.found["first"].file == "a.mp4"
    assert found.found["first"].share > 0.7
    assert (found.compared, found.media, found.failed) == (2, 2, ())


def test_a_video_that_cannot_be_decoded_is_counted(rooms: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    found = same_frames({"first": films(rooms)[0], "gone": tmp_path / "gone.mp4"}, [bad])
    assert (found.compared, found.media, found.found) == (1, 0, {})
    assert [text.partition(":")[0] for text in found.failed] == ["gone.mp4", "bad.mp4"]


def test_frames_that_show_nothing_have_no_fingerprint() -> None:
    grey = np.full((2, 48, 64, 3), 128, dtype=np.uint8)
    assert prints_of(grey).shape == (0, 256)
    shown = grey.copy()
    shown[1, :, 32:] = 250
    assert prints_of(shown).shape == (1, 256)


def test_the_audit_names_questions_about_copied_videos(tmp_path: Path) -> None:
    write_clip(tmp_path / "mine.mp4", frames=40)
    (tmp_path / "media").mkdir()
    write_clip(tmp_path / "media/other-name.mp4", frames=40, gop=5)
    row = {
        "id": "q",
        "video": "mine.mp4",
        "question_type": "object_counting",
        "question": "How many chair(s) are in this room?",
        "ground_truth": 2,
    }
    file = write_jsonl(tmp_path / "own.jsonl", [row])
    turns = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]
    train = write_jsonl(tmp_path / "t.jsonl", [{"id": 1, "conversations": turns}])
    found = vb.audit_against(file, [train], media=tmp_path / "media", progress=False)
    assert found.videos == ("q",)
    assert found.overlap.found["q"].level == "frames"
    assert "1 found: mine.mp4 in other-name.mp4 (100%)" in found.table()
    with pytest.raises(DataError, match="holds no video"):
        vb.audit_against(file, [train], media=tmp_path / "nowhere", progress=False)
