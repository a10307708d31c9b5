"""`vicabench data` against a hub on loopback, through the real command line."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import av
import pytest
from filelock import FileLock

from tests import hub as hubs
from tests.benchmarks import toy
from vicabench.benchmarks import vsi_bench
from vicabench.benchmarks.fetched import REPO as PUBLISHED
from vicabench.errors import DataError

TOY = f"datasets/{toy.REPO}"
PARQUET = "test-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return toy.repository(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def hub(content: Mapping[str, bytes]) -> Iterator[hubs.Hub]:
    with hubs.serve({TOY: content}) as hub:
        yield hub


class Shell:
    """`vicabench data` with a hub, a home and a data folder of its own."""

    def __init__(self, hub: hubs.Hub, folder: Path) -> None:
        self.hub = hub
        self.commit = hub.repositories[TOY][0].commit
        self.data = folder / "data"
        self.environment = hub.environment(folder / "home")
        self.environment["VICABENCH_CACHE"] = str(folder / "cache")
        self.words = (
            "data",
            "fetch",
            "vsi-bench",
            "--data",
            self.data,
            "--repo",
            toy.REPO,
        )

    def fetch(self, *more: object) -> subprocess.CompletedProcess[str]:
        return toy.vicabench(*self.words, *more, environment=self.environment)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            toy.command(*self.words), env=self.environment, stderr=subprocess.PIPE, text=True
        )

    def refusal(self, *more: object) -> str:
        """Fetch in vain, and return the one paragraph that says why."""
        result = self.fetch(*more)
        assert result.returncode == 2, result.stderr
        assert "Traceback" not in result.stderr
        return next(line for line in result.stderr.splitlines() if line.startswith("vicabench: "))


@pytest.fixture
def shell(hub: hubs.Hub, tmp_path: Path) -> Shell:
    return Shell(hub, tmp_path)


@pytest.fixture(scope="module")
def fetched(content: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which all was fetched; copy it to change it."""
    with hubs.serve({TOY: content}) as hub:
        shell = Shell(hub, tmp_path_factory.mktemp("fetched"))
        result = shell.fetch()
    assert result.returncode == 0, result.stderr
    return shell.data


def test_fetched_data_can_be_loaded_and_decoded(shell: Shell, fetched: Path) -> None:
    benchmark = vsi_bench.load(folder=fetched)
    assert (benchmark.name, benchmark.revision) == (toy.REPO, shell.commit)
    assert [question.id for question in benchmark.questions] == ["1", "2", "3", "4", "5", "6"]
    for frames, video in enumerate(toy.VIDEOS, start=4):
        with av.open(str(benchmark.files[video])) as clip:
            assert sum(1 for _ in clip.decode(video=0)) == frames
    assert not list(fetched.glob("*.zip"))
    assert len(vsi_bench.load(folder=fetched, subset="pruned").questions) == 3


def test_fetching_again_asks_nothing_of_the_hub(shell: Shell, fetched: Path) -> None:
    shutil.copytree(fetched, shell.data)
    assert shell.fetch().returncode == 0
    assert not shell.hub.log


def test_fetch_repairs_a_truncated_video(shell: Shell, fetched: Path) -> None:
    shutil.copytree(fetched, shell.data)
    (shell.data / "scannet" / "one.mp4").write_bytes(b"short")
    with pytest.raises(DataError, match="1 of 6 videos"):
        vsi_bench.load(folder=shell.data)
    assert shell.fetch().returncode == 0
    assert len(vsi_bench.load(folder=shell.data).files) == 6
    assert [len(shell.hub.downloads(f"{part}.zip")) for part in toy.PARTS] == [0, 1, 0]


def test_questions_come_first_and_videos_later(shell: Shell) -> None:
    assert shell.fetch("--questions-only").returncode == 0
    assert {Path(request.path).name for request in shell.hub.log if request.sent} == {PARQUET}
    assert len(vsi_bench.load(folder=shell.data, videos_needed=False).questions) == 6
    with pytest.raises(DataError, match=f"--data {shell.data} --repo {toy.REPO}"):
        vsi_bench.load(folder=shell.data)
    assert shell.fetch("--keep-zips").returncode == 0
    assert len(list(shell.data.glob("*.zip"))) == 3
    assert len(shell.hub.downloads(PARQUET)) == 1


def test_questions_only_keeps_an_interrupted_fetch_unfinished(shell: Shell) -> None:
    shell.hub.corrupt.add("scannetpp.zip")
    assert shell.fetch().returncode == 2
    shell.hub.corrupt.clear()
    half = shell.data / ".download" / "half.part"
    half.touch()
    assert shell.fetch("--questions-only").returncode == 0
    assert half.exists()
    with pytest.raises(DataError, match="videos"):
        vsi_bench.load(folder=shell.data)
    assert shell.fetch().returncode == 0
    assert len(vsi_bench.load(folder=shell.data).files) == 6


def test_questions_that_were_changed_are_refused(tmp_path: Path, fetched: Path) -> None:
    folder = shutil.copytree(fetched, tmp_path / "data")
    toy.write(folder, {PARQUET: toy.parquet([toy.row(1, ground_truth="5")])})
    with pytest.raises(DataError, match=f"not the file that was fetched from {toy.REPO}"):
        vsi_bench.load(folder=folder, videos_needed=False)


def test_a_broken_connection_is_resumed_where_it_broke(shell: Shell) -> None:
    shell.hub.drop_after["scannet.zip"] = 2000
    assert shell.fetch().returncode == 0
    first, second = shell.hub.downloads("scannet.zip")
    assert (first.start, first.sent, second.start) == (None, 2000, 2000)


def test_an_interrupted_fetch_continues_with_its_revision(
    shell: Shell, content: Mapping[str, bytes]
) -> None:
    shell.hub.stall_after["scannet.zip"] = 2000
    process = shell.start()
    while not has_part_of(shell.data, 2000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Repeat the same command to continue" in errors
    shell.hub.released.set()
    shell.hub.publish(TOY, {**content, "README.md": b"A newer toy.\n"})
    assert shell.fetch().returncode == 0
    assert len(shell.hub.downloads("arkitscenes.zip")) == 1
    assert [request.start for request in shell.hub.downloads("scannet.zip")] == [None, 2000]
    assert vsi_bench.load(folder=shell.data).revision == shell.commit


def has_part_of(folder: Path, size: int) -> bool:
    for part in folder.glob(".download/*.part"):
        with suppress(FileNotFoundError):  # it has become the whole file meanwhile
            if part.stat().st_size == size:
                return True
    return False


def test_a_corrupt_download_is_refused_and_fetched_anew(shell: Shell) -> None:
    shell.hub.corrupt.add("scannet.zip")
    assert "scannet.zip of me/toy-vsi arrived damaged" in shell.refusal()
    assert not (shell.data / "scannet.zip").exists()
    shell.hub.corrupt.clear()
    assert shell.fetch().returncode == 0


def test_bytes_beyond_the_announced_size_are_not_written(shell: Shell) -> None:
    shell.hub.sizes["scannet.zip"] = 9
    said = "sends more of scannet.zip than the 9 bytes that it announced"
    assert said in shell.refusal()


@pytest.mark.parametrize(
    ("zipped", "complaint"),
    [
        (toy.zipped({"scannet/one.mp4": b"0123456789"})[:-9], "cannot be unpacked"),
        (toy.zipped({"../one.mp4": b"0123456789"}), "'../one.mp4' leads out of its folder"),
        (toy.zipped({"scannet/one.mp4": b"0123456789"}), "for example scannet/two.mp4"),
    ],
    ids=["corrupt", "escaping", "incomplete"],
)
def test_a_bad_published_zip_is_refused(
    shell: Shell, content: Mapping[str, bytes], zipped: bytes, complaint: str
) -> None:
    shell.hub.publish(TOY, {**content, "scannet.zip": zipped})
    assert complaint in shell.refusal()
    assert not (shell.data / "fetched.json").exists()
    assert not (shell.data.parent / "one.mp4").exists()


def test_another_revision_or_repository_is_refused_by_name(
    shell: Shell, content: Mapping[str, bytes], fetched: Path
) -> None:
    shutil.copytree(fetched, shell.data)
    newer = shell.hub.publish(TOY, {**content, "README.md": b"A newer toy.\n"})
    message = shell.refusal("--revision", "main")
    assert f"holds {toy.REPO} at {shell.commit}, but {toy.REPO} at {newer} was requested" in message
    assert "--data DIR" in message
    assert f"holds {toy.REPO} at {shell.commit}, but me/other was requested" in shell.refusal(
        "--repo=me/other"
    )


def test_published_data_set_must_have_all_its_questions(
    shell: Shell, content: Mapping[str, bytes]
) -> None:
    shell.hub.publish(f"datasets/{PUBLISHED}", content)
    message = shell.refusal("--repo", PUBLISHED)
    assert "has 5,130 questions, but 6 were read" in message


def test_an_unreachable_hub_names_what_works_offline(shell: Shell) -> None:
    shell.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    message = shell.refusal()
    assert "The hub at 127.0.0.1:9 cannot be reached" in message
    assert "--benchmark rooms" in message
    shell.environment["HF_ENDPOINT"] = "http://[bad"
    assert "HF_ENDPOINT is not the address of a hub" in shell.refusal()


def test_offline_mode_is_named(shell: Shell) -> None:
    shell.environment["HF_HUB_OFFLINE"] = "1"
    assert "HF_HUB_OFFLINE" in shell.refusal()


def test_missing_hub_token_is_explained_without_printing_one(shell: Shell) -> None:
    shell.hub.token = "hf_right"
    shell.environment["HF_TOKEN"] = "hf_wrong"
    message = shell.refusal()
    assert "HTTP 401" in message
    assert "HF_TOKEN" in message
    assert "hf_wrong" not in message
    shell.environment["HF_TOKEN"] = "hf_right"
    assert shell.fetch("--questions-only").returncode == 0


def test_what_does_not_exist_is_named(shell: Shell) -> None:
    assert "has no revision 'v9'" in shell.refusal("--revision", "v9")
    assert "There is no data set me/nothing" in shell.refusal("--repo", "me/nothing")
    assert "Choose vsi-bench" in _error(shell, "data", "fetch", "imagenet")
    assert "builds it on first use" in _error(shell, "data", "fetch", "rooms")


def test_small_disk_is_noticed_before_the_download(shell: Shell) -> None:
    shell.hub.sizes["scannet.zip"] = 10**15
    assert "and 2000000.1 GB are needed" in shell.refusal()  # the zip and its videos
    assert not shell.hub.downloads("arkitscenes.zip")


def test_two_fetches_do_not_write_one_folder(shell: Shell) -> None:
    shell.data.mkdir()
    with FileLock(shell.data / ".fetch.lock"):
        assert "is running. Wait until it has finished" in shell.refusal()


def test_copied_zips_are_unpacked_without_a_hub(shell: Shell, content: Mapping[str, bytes]) -> None:
    toy.write(shell.data, content)
    unpack = ("data", "unpack", "vsi-bench", "--data", shell.data)
    assert "has 5,130 questions, but 6 were read" in _error(shell, *unpack)
    result = toy.vicabench(*unpack, "--repo", toy.REPO, environment=shell.environment)
    assert result.returncode == 0, result.stderr
    assert vsi_bench.load(folder=shell.data).revision.startswith("sha256:")
    assert not shell.hub.log


def test_list_shows_local_data(shell: Shell, tmp_path: Path, fetched: Path) -> None:
    folder = shutil.copytree(fetched, tmp_path / "cache" / "vsi-bench")
    listed = toy.vicabench("data", "list", environment={**shell.environment, "COLUMNS": "300"})
    row = next(line.split() for line in listed.stdout.splitlines() if toy.REPO in line)
    assert row == [toy.REPO, shell.commit, "6", "6", str(folder)]
    assert "built on first use" in listed.stdout


def _error(shell: Shell, *words: object) -> str:
    result = toy.vicabench(*words, environment=shell.environment)
    assert result.returncode == 2
    return result.stderr
