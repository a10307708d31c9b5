"""`vicabench run --as`: what a preset decides, what a run keeps of it, and what its readers say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.import_utils import is_torchvision_available

from tests import chats
from tests.hf_models import write_hf_model
from tests.support import read_jsonl, refuses, rows_about, write_jsonl
from tests.videos import write_clip
from tests.warm import vicabench
from vicabench.harnesses.presets import LETTER, NUMBER_ALONE, find_preset

ASKED = ("--benchmark", "q.jsonl", "--model", "hf:./internvl", "--max-new-tokens", "4")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny InternVL, a clip and questions, which two harnesses have asked."""
    folder = tmp_path_factory.mktemp("place")
    write_hf_model(folder / "internvl", "internvl")
    write_clip(folder / "clip0.mp4", frames=80)
    write_jsonl(folder / "q.jsonl", rows_about(1))
    for preset in ("official", "vlmevalkit"):
        done = vicabench(folder, "run", *ASKED, "--as", preset)
        assert done.returncode == 0, done.stderr
    return folder


def run_of(place: Path, spec: str) -> Path:
    return place / "runs" / "q.jsonl" / f"hf-.-internvl-as-{spec.replace('@', '-')}"


def config_of(run: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]
    return config


def test_two_presets_ask_one_model_in_two_ways(place: Path) -> None:
    specs = ("official@51e089c", "vlmevalkit@VsiBench")
    official, other = (config_of(run_of(place, spec)) for spec in specs)
    assert (official["frames"], other["frames"]) == (8, 32)
    assert official["sampling"].startswith("seg (by number)")
    assert other["sampling"].startswith("tail (by number)")
    assert official["adapter"]["prompt"] != other["adapter"]["prompt"]
    for spec, config in zip(specs, (official, other), strict=True):
        record = config["adapter"]["asked_as"]
        assert (record["preset"], record["family"]) == (spec, "internvl")
        assert record["fidelity"] == "approximate"
        assert record["overridden"]["max_new_tokens"][1] == 4
        assert record["source"] == find_preset(spec).source
    rows = [read_jsonl(run_of(place, spec) / "predictions.jsonl") for spec in specs]
    tokens = [{row["id"]: row["prompt_tokens"] for row in found} for found in rows]
    assert all(tokens[0][key] < tokens[1][key] for key in tokens[0])
    assert {row["error"] for found in rows for row in found} == {None}


def test_a_run_continues_as_it_was_asked_and_no_other_way(place: Path) -> None:
    run = run_of(place, "official@51e089c")
    again = vicabench(place, "run", "--config", run / "run.yaml")
    assert again.returncode == 0, again.stderr
    assert len(config_of(run)) == len(config_of(run_of(place, "vlmevalkit@VsiBench")))
    assert "as: official@51e089c" in (run / "run.yaml").read_text(encoding="utf-8")
    other = vicabench(place, "run", *ASKED, "--as", "vlmevalkit", "--out", run)
    refuses(other, "adapter.asked_as")


def test_tables_say_how_near_a_run_comes_to_its_harness(place: Path) -> None:
    done = vicabench(place, "score", *(place / "runs" / "q.jsonl").iterdir())
    said = " ".join(done.stdout.split())
    assert "asked as official@51e089c: approximate (" in said
    assert "asked as vlmevalkit@VsiBench: approximate (" in said
    assert "these are questions of q.jsonl" in said


def test_a_dry_run_lists_what_the_preset_decides(place: Path) -> None:
    done = vicabench(
        place, "run", *ASKED, "--as", "official", "--frames", "4", "--dry-run", "--format", "json"
    )
    (plan,) = json.loads(done.stdout)
    record = plan["asked_as"]
    assert plan["frames"] == 4
    assert record["decided"] == {
        "wording": "official-frames",
        "frame_rule": "seg",
        "frames_as": "images",
        "temperature": 0.0,
        "top_p": 1.0,
    }
    assert record["overridden"] == {"frames": [8, 4], "max_new_tokens": [16, 4]}
    shown = " ".join(
        vicabench(place, "run", *ASKED, "--as", "official", "--dry-run").stdout.split()
    )
    assert "asked as official@51e089c: approximate, for internvl" in shown
    assert "--max-new-tokens 4, in place of the preset's 16" in shown
    assert "read by official" in shown


def test_a_model_behind_an_api_is_asked_as_the_harness_asks_it(place: Path) -> None:
    with chats.serve(lambda _: "2") as server:
        how = ("--benchmark", "q.jsonl", "--model", "openai:any", "--base-url", server.url)
        asked = (*how, "--as", "official", "--out", "api")
        done = vicabench(place, "run", *asked, OPENAI_API_KEY="key")
        assert done.returncode == 0, done.stderr
        bodies = [json.loads(body) for body in server.bodies]
    for body in bodies:
        (turn,) = body["messages"]
        kinds = [part["type"] for part in turn["content"]]
        assert kinds == ["text", *["image_url"] * 16]
    endings = {body["messages"][0]["content"][0]["text"].rpartition("\n")[2] for body in bodies}
    assert endings == {NUMBER_ALONE, LETTER}
    assert config_of(place / "api")["adapter"]["max_new_tokens"] == 16


def test_without_frames_the_wording_is_left_of_a_preset(place: Path) -> None:
    how = ("--benchmark", "q.jsonl", "--model", "hf:./internvl", "--as", "vlmevalkit")
    done = vicabench(place, "run", *how, "--text-only", "--dry-run", "--format", "json")
    (plan,) = json.loads(done.stdout)
    record = plan["asked_as"]
    assert set(record["decided"]) == {"wording", "max_new_tokens", "temperature"}
    assert "no preset has --text-only" in record["why"]


def test_settings_of_generation_come_from_a_file(place: Path) -> None:
    (place / "g.yaml").write_text("max_new_tokens: 3\ntemperature: 0.5\n", encoding="utf-8")
    how = ("--benchmark", "q.jsonl", "--model", "hf:./internvl", "--frames", "2", "--out", "g")
    done = vicabench(place, "run", *how, "--generation", "g.yaml")
    assert done.returncode == 0, done.stderr
    settings = config_of(place / "g")["adapter"]
    assert settings["generation"]["max_new_tokens"] == 3
    assert settings["sampling"] == {"temperature": 0.5}
    (place / "bad.json").write_text('{"temprature": 1}', encoding="utf-8")
    refuses(vicabench(place, "run", *how, "--generation", "bad.json"), "Did you mean temperature?")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--frame-rule", "sag"), "Did you mean seg?"),
        (("--frame-rule", "seg", "--fps", "2"), "goes by --frames, not --fps"),
        pytest.param(
            ("--frames-as", "video"),
            "A processor of videos needs torchvision",
            marks=pytest.mark.skipif(is_torchvision_available(), reason="it is installed"),
        ),
        (("--min-pixels", "99"), "The size of frames is fixed by InternVLProcessor"),
        (("--wording", "none"), "there is no --wording none"),
        (("--wording", "none.yaml"), "none.yaml cannot be read"),
    ],
)
def test_a_part_that_cannot_be_is_refused(place: Path, typed: tuple[str, ...], said: str) -> None:
    refuses(vicabench(place, "run", *ASKED, "--out", "no", *typed), said)


def test_a_wording_may_be_a_file(place: Path) -> None:
    wording = {"numeric": '{question} Such as <map>{"bed": [1, 2]}</map>.', "choice": "{question}"}
    (place / "mine.json").write_text(json.dumps({"templates": wording}), encoding="utf-8")
    how = ("--frames", "2", "--out", "mine", "--wording", "mine.json")
    assert vicabench(place, "run", *ASKED, *how).returncode == 0
    assert config_of(place / "mine")["adapter"]["prompt"]["wording"].startswith("mine: ")
