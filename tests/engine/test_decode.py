from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import videos
from tests.processes import children, decoding_processes, ended, wait_until_ended
from vicabench.engine.decode import DecodeAhead
from vicabench.errors import UserError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

SCRIPT = """
import sys
from pathlib import Path
from vicabench.engine.decode import DecodeAhead

with DecodeAhead(frames=4) as ahead:
    for decoded in ahead.stream([("good", Path(sys.argv[1])), ("hangs", Path(sys.argv[2]))]):
        print(decoded.name, decoded.error, flush=True)
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return videos.write_clip(tmp_path / "clip.mp4", frames=20)


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A named pipe without a writer: opening it to read blocks for ever."""
    os.mkfifo(tmp_path / "endless.mp4")
    return tmp_path / "endless.mp4"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = children(os.getpid())
    yield
    assert children(os.getpid()) <= before


def kill_decoding_process() -> None:
    (pid,) = decoding_processes(os.getpid())
    os.kill(pid, signal.SIGKILL)


def bytes_read() -> int:
    """Bytes that this process has read from files and pipes."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


def test_videos_come_in_order_and_a_bad_one_as_an_error(tmp_path: Path, clip: Path) -> None:
    listed = [("one", clip), ("two", tmp_path / "none.mp4"), ("three", clip), ("four", clip)]

    with DecodeAhead(frames=8, workers=2) as ahead:
        decoded = list(ahead.stream(listed))

    assert [(video.name, video.path) for video in decoded] == listed
    assert decoded[1].frames is None
    assert decoded[1].error == f"video: {tmp_path / 'none.mp4'}: cannot be opened: " + (
        "No such file or directory"
    )
    for video in (decoded[0], decoded[2], decoded[3]):
        assert video.error is None
        assert video.frames is not None
        assert [videos.index_of(image) for image in video.frames.pixels_THWC] == (
            video.frames.indices.tolist()
        )


def test_only_a_few_videos_are_decoded_ahead(clip: Path) -> None:
    taken = 0

    def listed() -> Iterator[tuple[str, Path]]:
        nonlocal taken
        for number in range(9):
            taken = number + 1
            yield str(number), clip

    with DecodeAhead(frames=2, ahead=2) as ahead:
        for used, _ in enumerate(ahead.stream(listed()), start=1):
            assert taken <= used + 2


def test_a_hanging_video_is_given_up(clip: Path, endless: Path) -> None:
    with DecodeAhead(frames=4, limit_seconds=5, decoder="pyav") as ahead:
        first, hung, last = ahead.stream([("a", clip), ("b", endless), ("c", clip)])

    assert hung.error == f"video: {endless}: took longer than 5 seconds"
    assert hung.frames is None
    assert first.frames is not None
    assert last.frames is not None


def test_a_killed_process_fails_only_its_video(clip: Path, endless: Path) -> None:
    with DecodeAhead(frames=4, decoder="pyav") as ahead:
        stream = ahead.stream([("a", clip), ("b", endless), ("c", clip)])
        assert next(stream).error is None
        with endless.open("wb"):  # blocks until the process has opened it too
            kill_decoding_process()
        killed, last = stream

    assert killed.error == f"video: {endless}: the decoding process ended (signal 9, Killed)"
    assert last.frames is not None


def test_a_process_killed_while_sending_fails_only_its_video(tmp_path: Path) -> None:
    large = videos.write_clip(tmp_path / "large.mp4", frames=2, size=(640, 480))
    with DecodeAhead(frames=200, ahead=1, decoder="pyav") as ahead:
        for _ in range(20):  # on a busy machine all bytes may arrive before the kill
            first = ahead.submit("a", large).result()
            assert first.frames is not None
            (pid,) = decoding_processes(os.getpid())
            start, sending = bytes_read(), ahead.submit("b", large)
            while bytes_read() < start + 0.1 * first.frames.pixels_THWC.nbytes:
                pass
            os.kill(pid, signal.SIGKILL)
            killed = sending.result()
            if killed.error:
                break
        last = ahead.submit("c", large).result()

    assert killed.error == f"video: {large}: the decoding process ended (signal 9, Killed)"
    assert last.frames is not None


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        ("import os\nos.abort()\n", "the decoding process ended (signal 6, Aborted)"),
        ("import time\ntime.sleep(600)\n", "took longer than 3 seconds"),
    ],
)
def test_a_crash_in_decord_affects_only_runs_with_decord(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, breaks: str, reason: str
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "decord.py").write_text(breaks)
    monkeypatch.syspath_prepend(tmp_path / "broken")

    with DecodeAhead(frames=4, limit_seconds=3, decoder="decord") as ahead:
        (lost,) = ahead.stream([("a", clip)])
    with DecodeAhead(frames=4) as ahead:
        (decoded,) = ahead.stream([("a", clip)])

    assert lost.error is not None
    assert lost.error.startswith(f"video: {clip}: {reason}")
    assert decoded.frames is not None
    assert decoded.frames.decoder == "pyav"


def test_decoding_processes_get_no_keys(
    clip: Path, endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_TOKEN", "secret")
    with DecodeAhead(frames=4) as ahead:
        next(ahead.stream([("a", clip), ("b", endless)]))
        (pid,) = decoding_processes(os.getpid())
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"PATH=" in environment
    assert b"secret" not in environment


def test_leaving_early_stops_a_hanging_process(clip: Path, endless: Path) -> None:
    with DecodeAhead(frames=4, workers=2) as ahead:
        next(ahead.stream([("a", clip), ("b", endless), ("c", endless)]))
        pids = decoding_processes(os.getpid())

    assert all(ended(pid) for pid in pids)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_hanging_process_ends_with_its_run(
    clip: Path, endless: Path, how: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(clip), str(endless)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"good None\n"
        (pid,) = decoding_processes(run.pid)
        run.send_signal(how)
        assert run.wait(timeout=60) == -how

    wait_until_ended(pid)


def test_a_process_that_cannot_start_stops_the_run(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken" / "vica").mkdir(parents=True)
    (tmp_path / "broken" / "vica" / "__init__.py").write_text("raise ImportError('half installed')")
    monkeypatch.syspath_prepend(tmp_path / "broken")

    with (
        pytest.raises(UserError, match=r"does not start: .*half installed"),
        DecodeAhead(frames=4) as ahead,
    ):
        list(ahead.stream([("a", clip)]))
