"""Zips: nothing but whole videos below one folder can come of them."""

from __future__ import annotations

import io
import random
import signal
import stat
import struct
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.toy import zipped
from vicabench.benchmarks.unpack import unpack
from vicabench.errors import DataError


def write_zip(folder: Path, content: bytes) -> Path:
    (folder / "scannet.zip").write_bytes(content)
    return folder / "scannet.zip"


def quiet(_: int) -> None: ...


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_videos_of_the_own_folder_are_unpacked(tmp_path: Path) -> None:
    members = {
        "scannet/a.mp4": b"first",
        "scannet/b.mp4": b"second",
        "scannet/.DS_Store": b"x",
        "__MACOSX/scannet/._a.mp4": b"x",
        "arkitscenes/c.mp4": b"from another part",
    }
    sizes = unpack(write_zip(tmp_path, zipped(members)), tmp_path, quiet)
    assert sizes == {"scannet/a.mp4": 5, "scannet/b.mp4": 6}
    assert files(tmp_path) == {"scannet.zip", "scannet/a.mp4", "scannet/b.mp4"}


def linked() -> bytes:
    link = zipfile.ZipInfo("scannet/z.mp4")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("scannet/a.mp4", b"good")
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


def doubled() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of what we do on purpose
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("scannet/a.mp4", b"one")
            archive.writestr("scannet/A.mp4", b"two")
        return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scannet/a.mp4", bytes(1 << 20))
    return file.getvalue()


def encrypted() -> bytes:
    content = bytearray(zipped({"scannet/a.mp4": b"secret"}))
    struct.pack_into("<H", content, content.rindex(b"PK\x01\x02") + 8, 1)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({"scannet/a.mp4": b"good", "../evil.mp4": b"bad"}), "leads out of its folder"),
        (zipped({"scannet/a.mp4": b"good", "scannet/../../e.mp4": b""}), "leads out of its folder"),
        (zipped({"scannet/a.mp4": b"good", "/tmp/evil.mp4": b"bad"}), "leads out of its folder"),
        (zipped({"scannet/a.mp4": b"good", "C:/evil.mp4": b"bad"}), "leads out of its folder"),
        (zipped({"scannet/a.mp4": b"good", "..\\evil.mp4": b"bad"}), "leads out of its folder"),
        (linked(), "is a link or a device"),
        (doubled(), "is there twice"),
        (zipped({"scannet/\u00e9.mp4": b"1", "scannet/e\u0301.mp4": b"2"}), "is there twice"),
        (zipped({"scannet/a.mp4": b"1", "scannet/a.mp4/b.mp4": b"2"}), "a folder that is a file"),
        (zipped({"scannet/a.mp4/b.mp4": b"1", "scannet/A.mp4": b"2"}), "is there twice"),
        (encrypted(), "is encrypted"),
        (bomb(), "more than 10 times its size"),
    ],
    ids=["parent", "inner-parent", "absolute", "drive", "backslash", "link", "twice", "accents",
         "file-then-folder", "folder-then-file", "locked",
         "bomb"],
)  # fmt: skip
def test_an_unsafe_zip_is_refused_before_anything_is_written(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    inner = tmp_path / "data"
    inner.mkdir()
    with pytest.raises(DataError, match=reason) as error:
        unpack(write_zip(inner, content), inner, quiet)
    assert str(inner / "scannet.zip") in str(error.value)
    assert files(tmp_path) == {"data/scannet.zip"}


def test_damaged_zip_member_is_named_and_leaves_no_partial_video(tmp_path: Path) -> None:
    content = bytearray(zipped({"scannet/a.mp4": b"good", "scannet/b.mp4": b"0123456789"}))
    content[content.index(b"0123456789")] ^= 1
    with pytest.raises(DataError, match="Bad CRC-32") as error:
        unpack(write_zip(tmp_path, bytes(content)), tmp_path, quiet)
    assert str(tmp_path / "scannet.zip") in str(error.value)
    assert "scannet/b.mp4 is damaged" in str(error.value)
    assert files(tmp_path) == {"scannet.zip", "scannet/a.mp4"}


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damage_is_reported_for_every_compression_method(tmp_path: Path, method: int) -> None:
    noise = random.Random(0).randbytes(5000)
    with zipfile.ZipFile(tmp_path / "scannet.zip", "w", method) as packed:
        packed.writestr("scannet/a.mp4", noise)
    content = bytearray((tmp_path / "scannet.zip").read_bytes())
    content[60:200] = bytes(140)
    (tmp_path / "scannet.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"scannet/a\.mp4 is damaged"):
        unpack(tmp_path / "scannet.zip", tmp_path, quiet)
    assert files(tmp_path) == {"scannet.zip"}


@pytest.mark.parametrize("content", [b"", b"no zip", zipped({"scannet/a.mp4": b"good"})[:-9]])
def test_non_zip_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(write_zip(tmp_path, content), tmp_path, quiet)


@pytest.fixture
def large(tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """Thirty videos of a megabyte in a zip: enough to be killed among them."""
    members = {f"scannet/{i:02}.mp4": random.Random(i).randbytes(1 << 20) for i in range(30)}
    write_zip(tmp_path, zipped(members))
    yield members
    (tmp_path / "scannet.zip").unlink()


UNPACK = (
    "import sys; from pathlib import Path; from vicabench.benchmarks.unpack import unpack;"
    "unpack(Path('scannet.zip'), Path(), lambda done: None)"
)


def test_a_killed_unpacking_leaves_whole_videos_only(
    tmp_path: Path, large: dict[str, bytes]
) -> None:
    process = subprocess.Popen([sys.executable, "-c", UNPACK], cwd=tmp_path)
    ended = None
    while not (tmp_path / "scannet" / "02.mp4").exists():
        assert ended is None
        ended = process.poll()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for video in (tmp_path / "scannet").glob("*.mp4"):
        assert video.read_bytes() == large[f"scannet/{video.name}"]
    unpack(tmp_path / "scannet.zip", tmp_path, quiet)
    assert files(tmp_path / "scannet") == {f"{i:02}.mp4" for i in range(30)}
