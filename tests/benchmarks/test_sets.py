"""Published benchmarks from a hub on loopback: fetched, loaded, answered, and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from vica.tiny import write_tiny_checkpoint

from tests import hub as hubs
from tests.benchmarks import sister_sets as sets
from tests.benchmarks import toy
from tests.hf_models import write_hf_model
from tests.support import install_package, looking_oracle, refuses
from tests.videos import write_clip

PROGRAM = """
import json, sys
import vicabench as vb
from vicabench.harnesses.protocols import find_protocol
from vicabench.wording import filled

def prompt(benchmark, q):
    task = benchmark.rubric.of_type[q.task]
    values = {"question": q.text, "options": "\\n".join(q.options), "unit": task.unit}
    values |= {"frames": "32", "seconds": "12.35"}
    return filled(benchmark.wording.template(q.task, task.kind), values)

said = {}
for name, variant, frames in json.loads(sys.argv[1]):
    record = vb.data.fetch(name, subset=variant or "full", repo=f"me/toy-{name}", progress=False)
    again = vb.data.fetch(name, subset=variant or "full", progress=False)
    asked = vb.benchmark(f"{name}:{variant}" if variant else name)
    run = vb.run("baseline:oracle", asked, frames=frames, out=f"runs/{name}", progress=False)
    scores = run.scores(find_protocol("official"))
    said[name] = {
        "same": record == again,
        "videos": len(record.videos),
        "name": asked.benchmark.name,
        "subset": asked.benchmark.subset,
        "revision": asked.benchmark.revision,
        "questions": [
            [q.id, q.text, q.answer, q.group, q.scene] for q in asked.benchmark.questions
        ],
        "prompts": [prompt(asked.benchmark, q) for q in asked.benchmark.questions],
        "errata": asked.benchmark.errata,
        "overall": scores.overall.mean,
        "headline": run.rubric.headline.name,
        "further": {name: score.mean for name, score in scores.further.items()},
        "tasks": {name: score.mean for name, score in scores.tasks.items()},
        "missing": scores.missing,
    }
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("clip")
    return write_clip(folder / "clip.mp4", frames=32, size=(64, 48)).read_bytes()


@pytest.fixture(scope="module")
def hub(clip: bytes) -> Iterator[hubs.Hub]:
    files = {f"datasets/me/toy-{name}": known.files(clip) for name, known in sets.TOYS.items()}
    with hubs.serve(files) as hub:
        yield hub


@pytest.fixture(scope="module")
def environment(hub: hubs.Hub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return {**hub.environment(home), "VICABENCH_CACHE": str(home / "cache"), "COLUMNS": "300"}


@pytest.fixture(scope="module")
def said(environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process says of every benchmark that it has fetched and answered."""
    asked = [(name, known.variant, known.frames) for name, known in sets.TOYS.items()]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(asked)],
        env=environment,
        cwd=tmp_path_factory.mktemp("work"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sets.TOYS)
def test_the_oracle_is_right_on_a_fetched_benchmark(name: str, said: Any, hub: hubs.Hub) -> None:
    known, found = sets.TOYS[name], said[name]
    assert (found["name"], found["same"]) == (f"me/toy-{name}", True)
    assert found["revision"] == hub.repositories[f"datasets/me/toy-{name}"][0].commit
    assert (len(found["questions"]), found["videos"]) == (known.questions, known.videos)
    assert (found["headline"], found["overall"]) == (known.overall, 100.0)
    assert set(found["further"].values()) <= {100.0}
    assert set(found["tasks"].values()) == {100.0}
    assert not found["missing"]


def test_rows_become_questions_as_each_benchmark_means_them(said: Any) -> None:
    assert said["vsti-bench"]["further"].keys() == {"five_tasks"}
    assert "frames of 31" in said["vsti-bench"]["errata"][-1]
    assert [q[2] for q in said["vsti-bench"]["questions"]][:3] == ["1.4", "1.4", "B"]
    assert [q[2] for q in said["osi-bench"]["questions"]][1:4] == ["-1.5", "0", "0"]
    key, text = said["sti-bench"]["questions"][1][:2]
    assert key == "000012.mp4|0|0.5|4.0"
    assert text.startswith("From 0.5 seconds to 4.0 seconds. How fast is it?\nA 0.5 m/s\nB 1.5")
    first, *_, last = said["dsi-bench"]["questions"]
    assert (first[0], first[3], first[4]) == ("hflip-0", "0", "k700/one.mp4")
    assert (last[0], last[3], last[4]) == ("std-5", "5", "k700/one.mp4")
    assert [q[2] for q in said["vsi-super-count"]["questions"]] == ["0.0", "5.0"]


@pytest.mark.parametrize("name", sets.TOYS)
def test_prompts_are_those_of_the_official_code(name: str, said: Any) -> None:
    """The fixture has what the code named in each module makes of the same rows."""
    text = (Path(__file__).parent.parent / "fixtures/official_prompts.json").read_text("utf-8")
    assert list(dict.fromkeys(said[name]["prompts"])) == json.loads(text)[name]


def test_only_what_a_subset_needs_is_downloaded(said: Any, hub: hubs.Hub) -> None:
    assert said["vsi-super-recall"]["subset"] == "10mins"
    got = {request.path.rpartition("/")[2] for request in hub.log if request.sent}
    assert {"10mins.zip", "30mins.zip", "video.zip"} <= got
    assert not got & {"60mins.zip", "120mins.zip", "240mins.zip", "3d_annotation.json"}


def test_a_broken_video_comes_again_from_its_zip_alone(
    said: Any, hub: hubs.Hub, environment: Mapping[str, str], tmp_path: Path
) -> None:
    assert said["osi-bench"]["videos"] == 2
    folder = Path(environment["VICABENCH_CACHE"]) / "osi-bench"
    broken = next(folder.rglob("clip1.mp4"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    run = ("run", "--benchmark", "osi-bench", "--model", looking_oracle(tmp_path), "--out", "out")
    refuses(toy.vicabench(*run, environment=environment), "were changed after the download")
    assert toy.vicabench("data", "fetch", "osi-bench", environment=environment).returncode == 0
    assert broken.read_bytes() == whole
    assert [len(hub.downloads(f"videos_part{part}.zip")) for part in (1, 2)] == [1, 2]


def test_a_second_subset_joins_the_first_from_the_command_line(
    said: Any, environment: Mapping[str, str], tmp_path: Path
) -> None:
    assert said["revsi"]["subset"] == "32_frame"
    want = ("run", "--benchmark", "revsi:16", "--model", looking_oracle(tmp_path), "--frames", 16)
    out = ("--out", tmp_path / "run")
    refuses(toy.vicabench(*want, *out, environment=environment), "fetch revsi --subset 16_frame")
    fetch = ("data", "fetch", "revsi", "--subset", "16_frame")
    assert toy.vicabench(*fetch, environment=environment).returncode == 0
    done = toy.vicabench(*want, *out, environment=environment)
    assert done.returncode == 0, done.stderr
    score = toy.vicabench("score", tmp_path / "run", environment=environment)
    assert "100.0" in score.stdout
    listed = toy.vicabench("data", "list", environment=environment).stdout
    row = next(line.split() for line in listed.splitlines() if "me/toy-revsi" in line)
    assert row[2:4] == ["23", "4"]
    assert row[-2:] == ["32_frame,", "16_frame"]


def test_copied_files_are_unpacked_without_a_hub(
    clip: bytes, environment: Mapping[str, str], tmp_path: Path
) -> None:
    toy.write(tmp_path, sets.count(clip))
    offline = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    unpack = ("data", "unpack", "vsi-super-count:10mins", "--data", tmp_path, "--keep-zips")
    done = toy.vicabench(*unpack, "--repo", "me/mine", environment=offline)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*.mp4")) == ["0.mp4", "1.mp4"]
    (tmp_path / "30mins.zip").unlink()
    lacking = ("data", "unpack", "vsi-super-count:30mins", "--data", tmp_path)
    refuses(toy.vicabench(*lacking, environment=offline), "lack 2 of 2 videos", "Assumed is")


STREAMED = """
def lists(video, questions):  # the true list of a toy is [1.0, 4.0]
    return ["[1, 2.4]" if video.name.endswith("0.mp4") else "about 1" for q in questions]
"""


def test_streaming_questions_are_answered_by_a_list(
    said: Any, environment: Mapping[str, str], tmp_path: Path
) -> None:
    assert said["vsi-super-count"]["subset"] == "30mins"
    fetch = ("data", "fetch", "vsi-super-count", "--subset", "10mins_streaming")
    done = toy.vicabench(*fetch, environment=environment)
    assert done.returncode == 0, done.stderr
    (tmp_path / "lists.py").write_text(STREAMED, encoding="utf-8")
    run = ("run", "--benchmark", "vsi-super-count:10mins_streaming")
    models = ("--model", "baseline:oracle", "--model", f"{tmp_path / 'lists.py'}:lists")
    done = toy.vicabench(*run, *models, "--out", tmp_path / "runs", environment=environment)
    assert done.returncode == 0, done.stderr
    scored = toy.vicabench("score", tmp_path / "runs", "--format", "json", environment=environment)
    means = {row["model"]: row["overall"]["mean"] for row in json.loads(scored.stdout)["runs"]}
    # |2.4 - 4| / 4 = 0.4 passes 3 of the ten thresholds; the other reply is not a list.
    assert sorted(means.values()) == pytest.approx([100 * (1 + 0.3) / 2 / 2, 100.0])


def test_small_models_answer_every_benchmark(
    said: Any, environment: Mapping[str, str], tmp_path: Path
) -> None:
    assert said.keys() == sets.TOYS.keys()
    vica = write_tiny_checkpoint(tmp_path / "vica2")
    qwen = write_hf_model(tmp_path / "qwen", "qwen2_5_vl")
    asked = [f"--benchmark={name}:{t.variant}".rstrip(":") for name, t in sets.TOYS.items()]
    models = (f"--model={vica}", f"--model=hf:{qwen}", "--max-new-tokens=4", "--device=cpu")
    done = toy.vicabench("run", *asked, *models, "--out", tmp_path / "o", environment=environment)
    assert done.returncode == 0, done.stderr
    scored = toy.vicabench("score", tmp_path / "o", "--format", "json", environment=environment)
    runs = json.loads(scored.stdout)["runs"]
    counts = [(run["overall"]["count"], run["overall"]["failed"]) for run in runs]
    assert sorted(counts) == sorted((toy.questions, 0) for toy in sets.TOYS.values() for _ in "12")


def older_vsti() -> dict[str, bytes]:
    rows = [sets.vsti_row(n, "camera_displacement", "1.4", "B", 4) for n in range(6042)]
    return {"test.json": json.dumps(rows).encode()}


def renamed(rows: sets.Rows, old: str, new: str) -> list[dict[str, Any]]:
    return [{new if key == old else key: value for key, value in row.items()} for row in rows]


def shuffled_dsi() -> dict[str, bytes]:
    films = {f"metadatas/{film}.csv": sets.csv_of(sets.dsi_rows(film)) for film in sets.FILMS}
    return {**films, "metadatas/hflip.csv": sets.csv_of(sets.dsi_rows("hflip")[::-1])}


def test_data_sets_that_differ_are_refused_with_what_was_assumed(
    clip: bytes, hub: hubs.Hub, environment: Mapping[str, str], tmp_path: Path
) -> None:
    osi = [{"index": 1, "category": "smell", "question": "?", "options": None, "answer": "1"}]
    osi = [row | {"video": "a", "file_name": "a.mp4"} for row in osi]
    cases = {
        "vsti-bench": (older_vsti(), ("has 6,042 questions", "2026-07-13", "--revision")),
        "revsi": (
            sets.revsi(clip)
            | {
                "64_frame/test-00000-of-00001.parquet": toy.parquet(
                    renamed(sets.revsi_rows("64", whole=True), "scene_id", "scene")
                )
            },
            ("no column 'scene_id'", "Assumed is: configurations all_frame"),
        ),
        "osi-bench": ({"data.parquet": toy.parquet(osi)}, ("row 1", "'smell' is unknown")),
        "dsi-bench": (shuffled_dsi(), ("must be variants of one question", "Assumed is")),
        "vsi-super-recall": ({"README.md": b"-"}, ("has no file", "*.parquet")),
    }
    for name, (files, words) in cases.items():
        hub.publish(f"datasets/me/other-{name}", files)
        fetch = ("data", "fetch", name, "--repo", f"me/other-{name}", "--questions-only")
        done = toy.vicabench(*fetch, "--data", tmp_path / name, environment=environment)
        refuses(done, *words)


def test_another_number_of_questions_is_refused_or_said(
    clip: bytes, hub: hubs.Hub, environment: Mapping[str, str], tmp_path: Path
) -> None:
    hub.publish("datasets/MINT-SJTU/STI-Bench", sets.sti(clip))
    fetch = ("data", "fetch", "sti-bench", "--data", tmp_path / "sti")
    refuses(toy.vicabench(*fetch, environment=environment), "8 questions, and 2,064 are published")
    hub.publish("datasets/HarmlessSR07/OSI-Bench", sets.osi(clip))
    more = ("data", "fetch", "osi-bench", "--data", tmp_path / "osi", "--questions-only")
    assert toy.vicabench(*more, environment=environment).returncode == 0
    program = (
        "import sys, vicabench as vb; b = vb.benchmark('osi-bench', data=sys.argv[1], "
        "videos_needed=False).benchmark; print(b.name, *b.errata)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "osi"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("osi-bench ")
    assert "has 9 questions here; 8,766 are stated elsewhere" in done.stdout


def test_benchmarks_of_other_packages_are_found_by_name(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    code = """
from pathlib import Path
from vicabench.types import Benchmark, Question
def load(source):
    asked = Question(id="1", video="v", task="object_counting", text="?", answer=source.subset)
    return Benchmark(name="mine", subset="1", revision="r", questions=(asked,), files={"v": Path()})
"""
    group = "vicabench.benchmarks"
    added = install_package(tmp_path, "mine", code, "load", group)
    broken = install_package(tmp_path, "broken", "import nowhere", "load", group)
    here = {**environment, **added, **broken}
    run = ("--model", "baseline:oracle", "--no-video", "--out", tmp_path / "out")
    done = toy.vicabench("run", "--benchmark", "mine:7", *run, environment=here)
    assert done.returncode == 0, done.stderr
    assert "100.0" in done.stdout
    refuses(
        toy.vicabench("run", "--benchmark", "broken", *run, environment=here),
        "The benchmark 'broken' (broken:load) could not be loaded: ModuleNotFoundError",
    )
    refuses(
        toy.vicabench("run", "--benchmark", "resvi", *run, environment=here),
        "There is no benchmark 'resvi'.",
        "Did you mean revsi?",
        "mine",
    )
    refuses(
        toy.vicabench("run", "--benchmark", "revsi:8", *run, environment=here),
        "revsi has no subset '8'. Choose 64_frame, 32_frame, 16_frame, all_frame.",
    )
