"""Published benchmarks in miniature, each in the exact layout of its repository.

All values are invented. Every video is the same clip of 32 frames.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.toy import parquet, zipped

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A data set: its files, given a clip; the subset and frames of a run; its question types."""

    files: Callable[[bytes], dict[str, bytes]]
    variant: str = ""
    frames: int = 32
    questions: int
    videos: int
    overall: str = "average"


def card(configs: Mapping[str, str]) -> bytes:
    lines = ["---", "configs:"]
    for name, path in configs.items():
        lines += [f"- config_name: {name}", "  data_files:", "  - split: test", f"    path: {path}"]
    return "\n".join([*lines, "---", "A toy.", ""]).encode()


def revsi_row(number: int, budget: str, kind: str, truth: str, *options: str) -> dict[str, Any]:
    return {
        "id": number,
        "dataset": "scannet",
        "scene_id": f"scene000{number % 2}_00",
        "question_type": kind,
        "question": "Which one, or how many?",
        "options": list(options) or None,
        "ground_truth": truth,
        "num_frames": budget,
    }


DIRECTIONS = [f"{way}_{hard}" for way in ("forward", "backward") for hard in ("easy", "hard")]


def revsi_rows(budget: str, *, whole: bool) -> Rows:
    numbers = {
        "object_counting_single": "4",
        "object_counting_multiple": "7",
        "object_abs_distance": "1.4",
        "object_size_estimation": "80",
    }
    choices = [f"object_rel_direction_{way}" for way in DIRECTIONS]
    choices += ["object_rel_distance_closest", "object_rel_distance_farthest"]
    if whole:
        numbers |= {"room_size_estimation_single": "21.5", "room_size_estimation_multiple": "40"}
        choices.append("route_planning")
    rows = [revsi_row(n, budget, *pair) for n, pair in enumerate(numbers.items())]
    start = len(rows)
    return rows + [
        revsi_row(n, budget, kind, "B", "A. left", "B. right")
        for n, kind in enumerate(choices, start=start)
    ]


def revsi(clip: bytes) -> dict[str, bytes]:
    budgets = ("all", "64", "32", "16")
    scenes = ("scene0000_00", "scene0001_00")
    members = {f"{b}_frame/{s}.mp4": clip for b in budgets for s in scenes}
    names = {f"{b}_frame": f"{b}_frame/test-00000-of-00001.parquet" for b in budgets}
    return {
        "README.md": card(names),
        "video.zip": zipped(members),
        "metadata/3d_annotation.json": b"{}",
        **{
            path: parquet(revsi_rows(name.split("_")[0], whole=name != "16_frame"))
            for name, path in names.items()
        },
    }


def vsti_row(number: int, kind: str, truth: Any, letter: str, options: int) -> dict[str, Any]:
    texts = [f"{chr(65 + i)}. {i + 0.4}" for i in range(options)]
    return {
        "id": number,
        "dataset": "scannet",
        "scene_name": "scene0011_00",
        "video_path": "ScanNet/videos/val/scene0011_00.mp4",
        "frame_indices": [3, 9],
        "question_type": kind,
        "question": f"How does it look between frame 3 and frame 9 of {31 if number else 32}?",
        "options": texts,
        "ground_truth": truth,
        "mc_answer": letter,
    }


def vsti_rows() -> Rows:
    numbers = ("camera_obj_abs_dist", "camera_displacement")
    choices = [f"camera_obj_rel_dist_v{i}" for i in (1, 2, 3)] + ["camera_movement_direction"]
    choices += [f"obj_obj_relative_pos_{axis}" for axis in ("nf", "ud", "lr")]
    rows = [vsti_row(n, kind, "1.4", "B", 4) for n, kind in enumerate(numbers)]
    return rows + [vsti_row(n, kind, "1.4", "B", 2) for n, kind in enumerate(choices, start=2)]


def vsti(clip: bytes) -> dict[str, bytes]:
    return {
        "README.md": b"A toy.\n",
        "test.json": json.dumps(vsti_rows()).encode(),
        "videos.zip": zipped({"ScanNet/videos/val/scene0011_00.mp4": clip}),
    }


def osi(clip: bytes) -> dict[str, bytes]:
    numbers = {
        "absolute_distance": 4.2,
        "object_3d_localization": -1.5,
        "depth_aware_counting": 0,
        "absolute_displacement": 0,
        "absolute_speed": 1.5,
        "trajectory_length": 0,
    }
    choices = ("relative_distance", "relative_direction_categorical_ordinal")
    kinds = [*numbers, *choices, "trajectory_description"]
    rows = [
        {
            "index": n,
            "video": f"clip{n % 2}",
            "file_name": f"clip{n % 2}.mp4",
            "question": "How far is [1] from [2], in metres?",
            "question_type": "numerical" if kind in numbers else "mcq",
            "category": kind,
            "options": None if kind in numbers else ["A. near", "B. far"],
            "answer": str(numbers.get(kind, "A")),
            "video_length": None if n else 1.33,
        }
        for n, kind in enumerate(kinds)
    ]
    parts = {f"videos_part{n + 1}.zip": zipped({f"videos/clip{n}.mp4": clip}) for n in range(2)}
    return {"data.parquet": parquet(rows), **parts}


def sti(clip: bytes) -> dict[str, bytes]:
    tasks = (
        *("Dimensional Measurement", "Spatial Relation", "3D Video Grounding"),
        *("Displacement & Path Length", "Speed & Acceleration", "Ego-Centric Orientation"),
        *("Trajectory Description", "Pose Estimation"),
    )
    rows = [
        {
            "Video": "000012.mp4",
            "ID": 0 if n < 2 else n,
            "Task": task,
            "Question": "How fast is it?",
            "Candidates": {letter: f"{i}.5 m/s" for i, letter in enumerate("ABCDE")},
            "Answer": "ABCDE"[n % 5],
            "time_start": 0.5 * n,
            "time_end": 4.0,
            "Source": "desktop",
        }
        for n, task in enumerate(tasks)
    ]
    return {"qa.parquet": parquet(rows), "video.zip": zipped({"videos/000012.mp4": clip})}


def csv_of(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FILMS = ("std", "hflip", "reverse", "reverse_hflip")


def dsi_rows(film: str) -> Rows:
    return [
        {
            "cate": cate,
            "relative_path": "k700/one.mp4",
            "video_type": 0,
            "question": "Where does it go?",
            "options": "A: left; then up; B: right; C: forth; D: back",
            "GT": "ABCD"[(cate + FILMS.index(film)) % 4],
            "others": "",
        }
        for cate in range(6)
    ]


def dsi(clip: bytes) -> dict[str, bytes]:
    tables = {f"metadatas/{film}.csv": csv_of(dsi_rows(film)) for film in FILMS}
    return {**tables, **{f"videos/{film}/k700/one.mp4": clip for film in FILMS}}


def recall(clip: bytes) -> dict[str, bytes]:
    lengths = [f"{minutes}mins" for minutes in (10, 30, 60, 120, 240)]
    rows = [
        {
            "video_path": f"{length}/00000000.mp4",
            "question": "These are frames of a video.\nIn which order was the bear seen?",
            "options": ["A. bed, sofa", "B. sofa, bed"],
            "answer": "B",
            "type": length,
        }
        for length in lengths
    ]
    zips = {f"{name}.zip": zipped({f"{name}/00000000.mp4": clip}) for name in lengths}
    return {"README.md": b"A toy.\n", "data/test-00000-of-00001.parquet": parquet(rows), **zips}


def count(clip: bytes) -> dict[str, bytes]:
    lengths = [f"{minutes}mins" for minutes in (10, 30, 60, 120)]
    rows = [
        {
            "video_path": f"{length}/{n}.mp4",
            "question": "How many beds are there?",
            "answer": float(n * 5),
            "split": f"{length}{end}",
            "query_times": [1.0, 9.0],
            "answers": [1.0, 4.0],
        }
        for length in lengths
        for end in ("", "_streaming")
        for n in range(2)
    ]
    zips = {f"{name}.zip": zipped({f"{name}/{n}.mp4": clip for n in range(2)}) for name in lengths}
    return {"README.md": b"A toy.\n", "data/test-00000-of-00001.parquet": parquet(rows), **zips}


TOYS = {
    "revsi": Toy(files=revsi, variant="32", questions=13, videos=2),
    "vsti-bench": Toy(files=vsti, questions=9, videos=1, overall="nine_types"),
    "osi-bench": Toy(files=osi, questions=9, videos=2, overall="micro"),
    "sti-bench": Toy(files=sti, frames=30, questions=8, videos=1, overall="micro"),
    "dsi-bench": Toy(files=dsi, questions=24, videos=4, overall="micro"),
    "vsi-super-recall": Toy(files=recall, variant="10mins", questions=1, videos=1),
    "vsi-super-count": Toy(files=count, variant="30mins", questions=2, videos=2),
}
