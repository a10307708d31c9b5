"""`vicabench train --list` and `--dry-run`: the plan of a run at full size, without its weights."""

import json
from pathlib import Path

from vica.tiny import write_tiny_checkpoint
from vica.training.recipes import recipe

from tests.support import Vicabench, refuses
from vicabench.adapters import SHIPPED
from vicabench.front.train import with_data

TURNS = [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "4"}]


def row_of(output: str, start: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(start))


def test_the_recipes_are_listed(warm: Vicabench) -> None:
    done = warm("train", "--list")
    assert done.returncode == 0, done.stderr
    assert "nkkbr/ViCA2-stage2-onevision-ft" in row_of(done.stdout, "vica2-stage3 ")
    assert row_of(done.stdout, "vica2-stage3-one-rate")


def test_full_size_dry_run_needs_neither_weights_nor_data(warm: Vicabench) -> None:
    done = warm("train", "vica2-stage3", "--pack", "48", "--devices", "8", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert row_of(done.stdout, "all ").split()[1:] == ["8,115,088,032", "8,046,412,320"]
    assert row_of(done.stdout, "spatial encoder").split()[-1] == "frozen"
    assert row_of(done.stdout, "conversations").split()[1] == "322,003"
    assert row_of(done.stdout, "packs an epoch").split()[3] == "6,774"
    assert row_of(done.stdout, "steps").split()[1] == "424"  # 6,774 in steps of 1 x 2 x 8
    assert row_of(done.stdout, "AdamW").split()[2] == "12.07"  # GB: 12 x 8,046,412,320 / 8
    assert "  semantic_encoder: 2.0e-06" in done.stdout
    assert "- the data is not here" in done.stdout


def test_a_dry_run_names_the_smallest_number_of_gpus(warm: Vicabench) -> None:
    done = warm("train", "vica2-stage3", "--dry-run", "--gpu-memory", "141")
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("Smallest number of GPUs with 141 GB")[1]
    alone = "hardware.zero=0 hardware.offload=none optimizer.states="
    # 161 GB of weights, gradients, moments and activations; 141 GB are planned to 85%.
    assert row_of(table, alone + "fp32").split()[3:] == ["none", "up", "to", "64", "161.03", "0.00"]
    assert row_of(table, alone + "8bit").split()[3:] == ["1", "116.26", "0.00"]
    divided = row_of(table, "hardware.zero=3 hardware.offload=none").split()
    # 8,115,088,032 x 2 B / 2 + 8,046,412,320 x 14 B / 2 + 2 GB gathered + 15.92 GB of activations
    assert divided[3:] == ["2", "82.36", "0.00"]
    assert "(as above)" in row_of(table, "hardware.zero=3 hardware.offload=all")
    refuses(warm("train", "vica2-stage3", "--dry-run", "--gpu-memory", "0"), "gpu_memory", "141")


def test_a_dry_run_counts_the_data_and_the_text_that_are_here(
    warm: Vicabench, tmp_path: Path
) -> None:
    write_tiny_checkpoint(tmp_path / "tiny")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").touch()
    records = [{"video": v, "conversations": TURNS} for v in ("a.mp4", "a.mp4", "\x1b[2Jgone.mp4")]
    (tmp_path / "mine.json").write_text(json.dumps(records), encoding="utf-8")
    (tmp_path / "mix.yaml").write_text(
        "datasets: [{json_path: mine.json, sampling_strategy: all}]", encoding="utf-8"
    )
    arguments = ("--data", "mix.yaml", "--media", "videos", "--set", "base=tiny", "--dry-run")
    done = warm("train", "vica2-thinking", *arguments)
    assert done.returncode == 0, done.stderr
    row = row_of(done.stdout, "conversations")
    assert row.split()[1] == "2"
    assert "bad records left out: 1" in row
    assert "gone.mp4' does not exist below videos" in done.stdout
    assert "\x1b" not in done.stdout
    assert "the run would not start" in done.stdout


def test_own_training_file_is_used_completely(tmp_path: Path) -> None:
    stage2 = recipe("vica2-stage2")  # of each folder of its own data a tenth
    assert with_data(stage2, tmp_path).mixture.sources[0].sampling == "random:10%"
    assert with_data(stage2, tmp_path / "mine.json").mixture.sources[0].sampling == "all"


def test_invalid_training_options_are_explained(warm: Vicabench) -> None:
    refuses(warm("train"), "--list")
    stage = ("train", "vica2-stage3", "--dry-run")
    refuses(warm(*stage, "--set", "batch.pak=2"), "batch.pack")
    refuses(warm(*stage, "--save-every", "often"), "--save-every", "5%")
    refuses(warm("train", "vica2-rooms"), "data training-rooms --out rooms-train")


def test_rooms_recipe_is_planned_without_rooms(warm: Vicabench) -> None:
    done = warm("train", "vica2-rooms", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert row_of(done.stdout, "all ").split()[1:] == ["1,770,736", "1,474,368"]
    record = json.loads((SHIPPED["vica2-rooms"] / "training.json").read_text())
    assert row_of(done.stdout, "conversations").split()[1] == f"{record['conversations']:,}"
    assert row_of(done.stdout, "steps").split()[1] == str(record["steps"])
