"""A Rooms folder is built once, completely or not at all, and identically everywhere."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest

from tests.rooms.recheck import answer
from vicabench.benchmarks import rooms
from vicabench.benchmarks.own import read_questions
from vicabench.errors import ConfigError, DataError
from vicabench.rooms.build import build

tiny = partial(build, width=64, height=48, fps=4)

SLOW = """
import sys, time
from pathlib import Path
from vicabench.rooms.build import build
if __name__ == "__main__":
    workers = int(sys.argv[2])
    build(Path(sys.argv[1]), scenes=2, seed=1, width=64, height=48, fps=4, workers=workers,
          progress=lambda done, total: (print(done, flush=True), done and time.sleep(60)))
"""


def contents(folder: Path) -> dict[str, bytes]:
    """The content of every file but the lock; only the names of films, as encoders may differ."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != ".lock"]
    return {
        str(file.relative_to(folder)): b"" if file.suffix == ".mp4" else file.read_bytes()
        for file in files
    }


def frames_in(film: Path) -> int:
    with av.open(str(film)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of seed 1, built in two processes."""
    folder = tmp_path_factory.mktemp("rooms") / "whole"
    tiny(folder, scenes=2, seed=1)
    return folder


def test_a_folder_holds_films_questions_and_ground_truth(whole: Path) -> None:
    scenes = [json.loads(line) for line in (whole / "scenes.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in (whole / "questions.jsonl").read_text().splitlines()]
    assert [scene["name"] for scene in scenes] == ["s1-0000", "s1-0001"]
    for scene in scenes:
        film = whole / "rooms" / f"{scene['name']}.mp4"
        assert frames_in(film) == round(4 * scene["walk"]["seconds"])
        own = [row for row in rows if row["scene_name"] == scene["name"]]
        assert [row["id"] for row in own] == [f"{scene['name']}-{n:02d}" for n in range(len(own))]
        assert 15 <= len(own) <= 18
        for row in own:
            assert row["dataset"] == "rooms"
            assert answer(scene, row) == row["ground_truth"]


def test_questions_are_read_back_with_their_films(whole: Path) -> None:
    questions = read_questions(whole / "questions.jsonl")
    assert {question.video for question in questions} == {"rooms/s1-0000", "rooms/s1-0001"}
    assert len({question.id for question in questions}) == len(questions)
    manifest = json.loads((whole / "rooms.json").read_text())
    assert (manifest["scenes"], manifest["questions"]) == (2, len(questions))


def test_a_killed_build_continues_to_the_same_result(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    kill_after_one_scene(folder, tmp_path, workers=1)
    assert not (folder / "questions.jsonl").exists()
    assert not (folder / "rooms.json").exists()
    steps: list[tuple[int, int]] = []
    tiny(folder, scenes=2, seed=1, workers=1, progress=lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    assert contents(folder) == contents(whole)


def test_questions_are_made_first_and_films_when_needed(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    steps: list[tuple[int, int]] = []
    for _ in range(2):
        tiny(folder, scenes=2, seed=1, films=False, progress=lambda *step: steps.append(step))
        assert not list(folder.rglob("*.mp4"))
    assert steps == [(0, 2), (1, 2), (2, 2)]
    tiny(folder, scenes=2, seed=1)
    assert contents(folder) == contents(whole)


def test_worker_processes_of_a_killed_build_end(tmp_path: Path) -> None:
    kill_after_one_scene(tmp_path / "killed", tmp_path, workers=2)


def kill_after_one_scene(folder: Path, at: Path, workers: int) -> None:
    """Kill a build and wait for its workers: the pipe ends only when nobody can write to it."""
    script = at / "slow.py"
    script.write_text(SLOW)
    command = [sys.executable, str(script), str(folder), str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        process.kill()
        assert process.communicate(timeout=60)[0] == ""


def test_scenes_are_added_and_lost_files_are_rebuilt(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    tiny(folder, scenes=1, seed=1, workers=1)
    film = folder / "rooms" / "s1-0000.mp4"
    made = film.stat().st_mtime_ns
    tiny(folder, scenes=2, seed=1, workers=1)
    assert contents(folder) == contents(whole)
    (folder / "rooms" / "s1-0001.mp4").unlink()
    (folder / "questions.jsonl").write_text("{}\n")
    tiny(folder, scenes=2, seed=1, workers=1)
    assert contents(folder) == contents(whole)
    assert film.stat().st_mtime_ns == made


def test_a_complete_folder_is_not_changed(whole: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*.*")}
    tiny(whole, scenes=2, seed=1, progress=lambda *_: pytest.fail("built again"))
    assert {file: file.stat().st_mtime_ns for file in whole.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "seed is 1, not 2"),
        ({"questions": 5}, "questions_per_scene is 18, not 5"),
        ({"width": 80}, "width is 64, not 80"),
        ({"scenes": 1}, "has 2 scenes, more than 1"),
    ],
)
def test_a_folder_of_other_rooms_is_refused(
    whole: Path, change: dict[str, Any], message: str
) -> None:
    before = contents(whole)
    with pytest.raises(DataError, match=message):
        tiny(whole, **{"scenes": 2, "seed": 1, **change})
    assert contents(whole) == before


def test_a_folder_with_other_content_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(DataError, match="not empty and not a Rooms folder"):
        tiny(tmp_path, scenes=1, seed=0)
    with pytest.raises(DataError, match="is a file"):
        tiny(tmp_path / "thesis.txt", scenes=1, seed=0)
    assert contents(tmp_path) == {"thesis.txt": b"three years of work"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenes": 0}, "scenes must be at least 1; it is 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"questions": 0}, "questions must be at least 1"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"width": 65}, "width must be even"),
    ],
)
def test_numbers_out_of_range_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(tmp_path / "out", **{"scenes": 1, "seed": 0, **change})
    assert not (tmp_path / "out").exists()


def test_two_builds_of_one_folder_wait_for_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    context = multiprocessing.get_context("spawn")
    arguments = {"scenes": 1, "seed": 1, "width": 64, "height": 48, "fps": 4, "workers": 1}
    builds = [context.Process(target=build, args=(folder,), kwargs=arguments) for _ in range(2)]
    for process in builds:
        process.start()
    for process in builds:
        process.join()
    assert [process.exitcode for process in builds] == [0, 0]
    assert {*contents(folder)} == {
        "rooms/s1-0000.mp4",
        "questions.jsonl",
        "scenes.jsonl",
        "rooms.json",
    }


def test_a_script_without_a_main_guard_gets_an_error(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(SLOW.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, str(script), str(tmp_path / "out"), "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert 'Put the call below `if __name__ == "__main__":`' in ended.stderr


def test_loading_rooms_first_builds_them_in_the_cache(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VICABENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(rooms, "build", tiny)  # the same films, but smaller
    first = rooms.load(scenes=2, seed=1)
    second = rooms.load(scenes=2, seed=1, progress=lambda *_: pytest.fail("built again"))
    assert first == second
    assert (first.name, first.subset, len(first.files)) == ("rooms", "full", 2)
    assert first.questions == read_questions(whole / "questions.jsonl")
    assert all(file.is_file() for file in first.files.values())
    assert {question.video for question in first.questions} == {*first.files}
