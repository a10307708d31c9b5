from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from vica.video import Frames, VideoError, available_decoders, read_frames, sample_indices

from tests import videos

Image = NDArray[np.uint8]
REFERENCE = Path(__file__).parents[1] / "fixtures" / "frame_indices.json"
DECODERS = tuple(available_decoders())
EXACT = ("auto", "pyav")
BOTH = pytest.mark.skipif(len(DECODERS) < 2, reason="decord has no build for this platform")

CLIPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "B-frames in one long group": {"frames": 100, "gop": 1000, "b_frames": 3},
    "variable frame rate": {
        "frames": 40,
        "b_frames": 2,
        "ticks": np.cumsum(np.random.default_rng(0).integers(300, 4000, 40)).tolist(),
    },
    "odd sides": {"size": (129, 97), "pixels": "yuv444p"},
    "BT.709, full range": {"tags": (1, 2)},
    "turned a quarter": {"size": (160, 128), "rotation": 90},
    "turned a half": {"size": (160, 128), "rotation": 180},
    "turned three quarters": {"size": (160, 128), "rotation": 270},
}


X265 = {"x265-params": "log-level=none:keyint=20:min-keyint=20"}
X264_OPEN = {"x264-params": "open-gop=1:keyint=20:scenecut=0"}
HEVC: dict[str, Any] = {"codec": "libx265", "options": X265, "b_frames": 4}
ONE, TURN = 1 << 16, 1 << 30

KINDS: dict[str, dict[str, Any]] = {
    "H.264, closed groups": {
        "options": {"x264-params": "keyint=20:scenecut=0"},
        "b_frames": 3,
    },
    "H.264, open groups": {"options": X264_OPEN, "b_frames": 3},
    "H.264, refreshed in stripes": {"options": {"x264-params": "intra-refresh=1:keyint=20"}},
    "H.264, transport stream": {"container": "mpegts", "b_frames": 3},
    "H.264, no container": {"container": "h264", "b_frames": 3},
    "H.264, AVI": {"container": "avi", "b_frames": 3},
    "H.264, Flash": {"container": "flv", "b_frames": 3},
    "H.264, ten bits": {"pixels": "yuv420p10le", "b_frames": 3},
    "H.264, interlaced": {"options": {"x264-params": "tff=1"}, "interlaced": True},
    "HEVC": HEVC,
    "HEVC, Matroska": {**HEVC, "container": "matroska"},
    "HEVC, transport stream": {**HEVC, "container": "mpegts"},
    "HEVC, ten bits": {**HEVC, "pixels": "yuv420p10le"},
    "MPEG-2": {"codec": "mpeg2video", "container": "mpeg", "b_frames": 2},
    "MPEG-2, interlaced": {"codec": "mpeg2video", "container": "mpegts", "interlaced": True},
    "MPEG-4, AVI": {"codec": "mpeg4", "container": "avi", "b_frames": 2},
    "MJPEG, AVI": {"codec": "mjpeg", "container": "avi", "pixels": "yuvj420p"},
    "ProRes": {"codec": "prores_ks", "container": "mov", "pixels": "yuv422p10le"},
    "Windows Media": {"codec": "wmv2", "container": "asf"},
    "VP8": {
        "codec": "libvpx",
        "container": "webm",
        "options": {"deadline": "realtime", "cpu-used": "8"},
    },
    "VP9": {"codec": "libvpx-vp9", "container": "webm", "options": {"cpu-used": "8"}},
    "AV1": {"codec": "libsvtav1", "options": {"preset": "12"}},
    "GIF": {"codec": "gif", "container": "gif", "pixels": "rgb8"},
    "variable frame rate": {
        **HEVC,
        "ticks": np.cumsum(np.random.default_rng(0).integers(300, 4000, 80)).tolist(),
    },
}
MATRICES: dict[str, tuple[tuple[int, int, int, int], Callable[[Image], Image]]] = {
    "mirrored across": ((-ONE, 0, 0, ONE), lambda image: image[:, ::-1]),
    "mirrored down": ((ONE, 0, 0, -ONE), lambda image: image[::-1]),
    "turned a half": ((-ONE, 0, 0, -ONE), lambda image: image[::-1, ::-1]),
    "turned to the right": ((0, ONE, -ONE, 0), lambda image: np.rot90(image, -1)),
    "mirrored and turned": ((0, ONE, ONE, 0), lambda image: image.swapaxes(0, 1)),
}


@pytest.mark.parametrize("row", json.loads(REFERENCE.read_text()), ids=lambda row: row["total"])
def test_sampled_frames_equal_the_published_ones(row: dict[str, Any]) -> None:
    assert sample_indices(row["total"], row["count"]).tolist() == row["indices"]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("settings", CLIPS.values(), ids=CLIPS)
def test_decoders_give_the_frames_they_state(
    tmp_path: Path, decoder: str, settings: dict[str, Any]
) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", **settings)

    frames = read_frames(clip, 13, decoder=decoder)

    assert frames.total == settings.get("frames", 30)
    assert frames.indices.tolist() == sample_indices(frames.total, 13).tolist()
    quarters = settings.get("rotation", 0) // 90
    as_filmed = np.rot90(frames.pixels_THWC, -quarters, axes=(1, 2))
    assert [videos.index_of(image) for image in as_filmed] == frames.indices.tolist()
    assert frames.decoder == decoder


@BOTH
@pytest.mark.parametrize("settings", CLIPS.values(), ids=CLIPS)
def test_both_decoders_give_the_same_pixels(tmp_path: Path, settings: dict[str, Any]) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", **settings)

    one, other = (read_frames(clip, 13, decoder=decoder) for decoder in DECODERS)

    np.testing.assert_array_equal(one.pixels_THWC, other.pixels_THWC)
    assert (one.seconds, one.duration) == (other.seconds, other.duration)


def shown(clip: Path, count: int, decoder: str) -> list[int]:
    return [
        videos.index_of(image) for image in read_frames(clip, count, decoder=decoder).pixels_THWC
    ]


def decord_says(clip: Path, count: int) -> tuple[Frames | None, str]:
    """decord's frames, if any, with their warnings: wrong frames must have one."""
    try:
        frames = read_frames(clip, count, decoder="decord")
    except VideoError as error:
        return None, str(error)
    return frames, " ".join(frames.warnings)


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_every_container_gives_the_sampled_frames(tmp_path: Path, settings: dict[str, Any]) -> None:
    clip = videos.write_clip(tmp_path / "clip", frames=80, size=(160, 128), **settings)

    for count in (3, 16):  # three frames are far apart, with groups between them
        exact, every = (read_frames(clip, count, decoder=decoder) for decoder in EXACT)
        wanted = sample_indices(80, count).tolist()
        assert exact.total == 80
        assert [videos.index_of(image) for image in exact.pixels_THWC] == wanted
        np.testing.assert_array_equal(exact.pixels_THWC, every.pixels_THWC)
    if len(DECODERS) == 2:
        frames, warning = decord_says(clip, 16)
        if frames is not None and not np.array_equal(frames.pixels_THWC, exact.pixels_THWC):
            assert "decord's pixels differ in" in warning


@BOTH
@pytest.mark.parametrize("kind", ["H.264, ten bits", "H.264, interlaced", "ProRes"])
def test_colours_are_converted_as_decord_does(tmp_path: Path, kind: str) -> None:
    clip = videos.write_clip(tmp_path / "clip", frames=8, **KINDS[kind])

    one, other = (read_frames(clip, 8, decoder=decoder) for decoder in DECODERS)

    np.testing.assert_array_equal(one.pixels_THWC, other.pixels_THWC)
    assert other.warnings == ()


@pytest.mark.parametrize(("numbers", "upright"), MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("decoder", EXACT)
def test_frames_follow_the_display_matrix(
    tmp_path: Path,
    numbers: tuple[int, int, int, int],
    upright: Callable[[Image], Image],
    decoder: str,
) -> None:
    a, b, c, d = numbers
    matrix = (a, b, 0, c, d, 0, 0, 0, TURN)
    plain = read_frames(videos.write_clip(tmp_path / "plain.mp4"), 3)
    clip = videos.write_clip(tmp_path / "clip.mp4", matrix=matrix)

    frames = read_frames(clip, 3, decoder=decoder)

    for image, wanted in zip(frames.pixels_THWC, plain.pixels_THWC, strict=True):
        np.testing.assert_array_equal(image, upright(wanted))


@BOTH
def test_decords_missing_mirroring_is_a_warning(tmp_path: Path) -> None:
    matrix = (-ONE, 0, 0, 0, ONE, 0, 0, 0, TURN)
    frames, warning = decord_says(videos.write_clip(tmp_path / "clip.mp4", matrix=matrix), 3)

    assert frames is not None
    assert frames.decoder == "decord"
    assert "decord's pixels differ in 3 of 3 frames" in warning


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (
            (46341, 46341, 0, -46341, 46341, 0, 0, 0, TURN),
            "its display matrix rotates it by 45 degrees",
        ),
        ((0,) * 9, "its display matrix shrinks it to nothing"),
    ],
)
def test_other_matrices_are_refused(
    tmp_path: Path, matrix: Sequence[int], reason: str, decoder: str
) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", matrix=matrix)

    with pytest.raises(VideoError, match=reason):
        read_frames(clip, 3, decoder=decoder)


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
def test_frames_that_change_their_size_are_refused(tmp_path: Path, decoder: str) -> None:
    clip = videos.write_growing(tmp_path / "clip.ts")

    with pytest.raises(VideoError, match="change size from 128x96 to 160x128"):
        read_frames(clip, 8, decoder=decoder)


@pytest.mark.parametrize(
    ("kind", "container", "first"),
    [
        ("H.264, closed groups", "mpegts", 20),
        ("H.264, open groups", "matroska", 20),
        ("HEVC", "mpegts", 20),
        ("MPEG-2", "matroska", 12),
        ("MPEG-4, AVI", "matroska", 12),
    ],
)
def test_a_stream_cut_at_its_start_begins_at_the_next_group(
    tmp_path: Path, kind: str, container: str, first: int
) -> None:
    whole = videos.write_clip(tmp_path / "whole", frames=80, **KINDS[kind])
    clip = videos.remux(whole, tmp_path / "clip", container=container, skip=5)

    for decoder in EXACT:
        frames = read_frames(clip, 9, decoder=decoder)
        wanted = [first + index for index in sample_indices(80 - first, 9).tolist()]
        assert frames.total == 80 - first
        assert [videos.index_of(image) for image in frames.pixels_THWC] == wanted
        assert "which cannot be decoded" in frames.warnings[0]
    if len(DECODERS) == 2:
        assert "decord finds" in decord_says(clip, 9)[1]


def test_groups_without_a_sampled_frame_are_not_decoded(tmp_path: Path) -> None:
    whole = videos.write_clip(tmp_path / "whole.mp4", frames=96, gop=8, faststart=True)
    holed = videos.blank(whole, tmp_path / "holed.mp4", start=0.6, stop=0.8)

    assert shown(holed, 3, "auto") == shown(whole, 3, "pyav") == [0, 47, 95]
    with pytest.raises(VideoError, match="is damaged"):
        read_frames(holed, 3, decoder="pyav")


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_short_video_is_sampled_with_repeats(tmp_path: Path, decoder: str) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", frames=5)

    frames = read_frames(clip, 8, decoder=decoder)

    assert [videos.index_of(image) for image in frames.pixels_THWC] == [0, 0, 1, 1, 2, 2, 3, 4]


def test_times_are_frame_numbers_over_the_average_rate(tmp_path: Path) -> None:
    frames = read_frames(videos.write_clip(tmp_path / "clip.mp4", frames=49, fps=24), 3)

    assert frames.seconds == (0.0, 1.0, 2.0)
    assert frames.duration == pytest.approx(49 / 24)


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("not a video\n" * 100)
    return folder / "text.mp4"


def codec_unknown(folder: Path) -> Path:
    whole = videos.write_clip(folder / "whole.mp4").read_bytes()
    (folder / "unknown.mp4").write_bytes(whole.replace(b"avc1", b"xyz1"))
    return folder / "unknown.mp4"


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def pointer(folder: Path) -> Path:
    (folder / "a.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    return folder / "a.mp4"


def faststart(folder: Path) -> Path:
    return videos.write_clip(folder / "whole.mp4", frames=100, b_frames=2, faststart=True)


def matroska(folder: Path) -> Path:
    return videos.remux(faststart(folder), folder / "whole.mkv", container="matroska")


CUT = {
    "H.264, AVI": "is cut short",
    "MJPEG, AVI": "is cut short",
    "Windows Media": "its stated length reaches byte",
    "GIF": "its end mark is missing",
    "H.264, Flash": "is cut short",
    "H.264, transport stream": "its last packet reaches byte",
    "MPEG-2": "is cut short",
}


def half_of(kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        whole = videos.write_clip(folder / "whole", frames=40, **KINDS[kind])
        return videos.cut(whole, folder / "cut", keep=0.57)

    return make


def streamed(container: str, **options: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        whole = videos.write_clip(folder / "clip.mp4", frames=100, b_frames=2)
        streamed = videos.remux(whole, folder / "whole", container=container, options=options)
        return videos.cut(streamed, folder / "cut", keep=0.57)

    return make


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.mp4", "No such file"),
    "folder": (lambda folder: folder, "is a folder"),
    "empty": (empty, "is empty"),
    "text": (text, "is not a video"),
    "codec unknown": (codec_unknown, "a codec that this FFmpeg cannot decode"),
    "Git-LFS pointer": (pointer, "git lfs pull"),
    "sound only": (lambda folder: videos.write_sound(folder / "sound.mp4"), "no video stream"),
    "index missing": (
        lambda folder: videos.cut(
            videos.write_clip(folder / "whole.mp4"), folder / "cut.mp4", keep=0.6
        ),
        "cut short before its index",
    ),
    "pictures missing": (
        lambda folder: videos.cut(faststart(folder), folder / "cut.mp4", keep=0.8),
        "is cut short: its frames reach byte",
    ),
    "cut between two frames": (
        lambda folder: videos.cut_between_frames(faststart(folder), folder / "c.mp4", frames=60),
        "is cut short: its frames reach byte",
    ),
    "Matroska, cut": (
        lambda folder: videos.cut(matroska(folder), folder / "cut.mkv", keep=0.6),
        "is cut short: it ends after",
    ),
    **{f"cut, {kind}": (half_of(kind), reason) for kind, reason in CUT.items()},
    "Matroska, live, cut": (streamed("matroska", live="1"), "its last part reaches byte"),
    "fragments, cut": (
        streamed("mp4", movflags="frag_keyframe+empty_moov"),
        "is cut short: its (frames|part '....') reach",
    ),
    "a hole in the middle": (
        lambda folder: videos.blank(faststart(folder), folder / "hole.mp4", start=0.4, stop=0.6),
        "is damaged",
    ),
}


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
@pytest.mark.parametrize(("make", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_whole_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], reason: str, decoder: str
) -> None:
    broken = make(tmp_path)

    with pytest.raises(VideoError, match=reason) as caught:
        read_frames(broken, 16, decoder=decoder)

    assert str(caught.value).startswith(f"{broken}: ")


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: videos.write_clip(folder / "a.264", container="h264"),
        lambda folder: videos.write_clip(folder / "a.ts", container="mpegts"),
        lambda folder: videos.remux(
            videos.write_clip(folder / "a.mp4"),
            folder / "a.mkv",
            container="matroska",
            options={"live": "1"},
        ),
        lambda folder: videos.remux(
            videos.write_clip(folder / "a.mp4"),
            folder / "fragments.mp4",
            options={"movflags": "frag_keyframe+empty_moov+skip_trailer"},
        ),
    ],
    ids=["no container", "transport stream", "Matroska, live", "fragments"],
)
def test_files_that_may_be_cut_give_a_warning(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    frames = read_frames(make(tmp_path), 4)

    assert frames.warnings == ("nothing in the file shows whether it is whole",)


@pytest.mark.parametrize("settings", [{}, HEVC], ids=["H.264", "HEVC"])
@pytest.mark.parametrize("decoder", EXACT)
def test_frames_hidden_by_an_edit_list_are_not_counted(
    tmp_path: Path, decoder: str, settings: dict[str, Any]
) -> None:
    whole = videos.write_clip(tmp_path / "whole.mp4", frames=30, **settings)
    trimmed = videos.remux(whole, tmp_path / "trimmed.mp4", hide=10)

    frames = read_frames(trimmed, 20, decoder=decoder)

    assert frames.total == 20
    assert [videos.index_of(image) for image in frames.pixels_THWC] == list(range(10, 30))


@BOTH
def test_a_decoder_that_would_make_up_frames_is_refused(tmp_path: Path) -> None:
    whole = videos.write_clip(tmp_path / "whole.mp4", frames=30, gop=1000)
    trimmed = videos.remux(whole, tmp_path / "trimmed.mp4", hide=10)

    with pytest.raises(VideoError, match="decord finds 30 frames, but the file has 20"):
        read_frames(trimmed, 20, decoder="decord")


def test_without_decord_pyav_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "decord", None
    )  # how Python marks a module that cannot be imported
    clip = videos.write_clip(tmp_path / "clip.mp4")

    assert read_frames(clip, 4).decoder == "pyav"
    assert list(available_decoders()) == ["pyav"]
    with pytest.raises(VideoError, match="decord cannot be imported"):
        read_frames(clip, 4, decoder="decord")


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_folder_with_a_colon_is_not_a_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    (tmp_path / "run:1").mkdir()
    videos.write_clip(tmp_path / "run:1" / "q.mp4", frames=12)
    monkeypatch.chdir(tmp_path)
    assert read_frames("run:1/q.mp4", 4, decoder=decoder).total == 12


LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1.0,\n"
    "../elsewhere/clip.ts\n#EXT-X-ENDLIST\n",
    "list.mp4": "ffconcat version 1.0\nfile linked/clip.ts\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_other_files_is_not_followed(tmp_path: Path, name: str) -> None:
    for folder in ("data", "elsewhere"):
        (tmp_path / folder).mkdir()
    videos.write_clip(tmp_path / "elsewhere" / "clip.ts", frames=12, container="mpegts")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / name).write_text(LISTS[name], encoding="utf-8")
    for decoder in DECODERS:
        with pytest.raises(VideoError, match="is a list of others, which are not read"):
            read_frames(tmp_path / "data" / name, 4, decoder=decoder)


@pytest.mark.skipif(sys.platform != "linux", reason="threads take their stack from this limit")
def test_lack_of_threads_is_not_reported_as_damage(tmp_path: Path) -> None:
    clip = videos.write_clip(tmp_path / "q.mp4", frames=12)
    script = f"from vica.video import read_frames; read_frames({str(clip)!r}, 4, decoder='pyav')"
    command = f'ulimit -s 100000000000 && exec "{sys.executable}" -c "{script}"'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert "q.mp4: cannot be decoded now: too few threads" in done.stderr


def test_names_that_are_not_utf8_cost_no_frame(tmp_path: Path) -> None:
    whole = videos.write_clip(tmp_path / "whole.mp4").read_bytes()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(whole.replace(b"Lavf", b"L\xe9vf"))

    assert shown(clip, 2, "auto") == [0, 29]


def test_an_unknown_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose auto, pyav, decord"):
        read_frames(videos.write_clip(tmp_path / "clip.mp4"), 4, decoder="ffmpeg")
