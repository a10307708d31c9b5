"""True maps of VSI-Bench, from scenes in the form of its repository's meta_info."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vicabench as vb
from vicabench.errors import DataError
from vicabench.mapping.asking import categories_of
from vicabench.mapping.truth import true_maps
from vicabench.types import Benchmark

ROW = {
    "id": 1,
    "dataset": "scannet",
    "scene_name": "scene1",
    "question_type": "object_abs_distance",
    "question": "Measuring from the closest point of each object, what is the distance between the "
    "lamp and the table (in meters)?",
    "options": None,
    "ground_truth": "2.0",
}


def box(x: float, y: float) -> dict[str, list[float]]:
    """A box of a metre around a centre."""
    return {
        "min": [x - 0.5, y - 0.5, 0.0],
        "max": [x + 0.5, y + 0.5, 1.0],
        "centroid": [x, y, 0.5],
    }


@pytest.fixture
def benchmark() -> Benchmark:
    return vb.benchmark([ROW], videos_needed=False).benchmark


def test_boxes_become_cells_of_one_scale(benchmark: Benchmark, tmp_path: Path) -> None:
    """The scene is 10 by 5 metres from (2, 3) on: a cell is a metre on both axes."""
    boxes = {"lamp": [box(2.5, 3.5)], "table": [box(11.5, 7.5), box(6.2, 5.7)], "bed": [box(4, 4)]}
    scenes = {"scene1": {"object_bbox": boxes}}
    (tmp_path / "scannet_meta_info_val.json").write_text(json.dumps(scenes), encoding="utf-8")
    found = true_maps(benchmark, categories_of(benchmark), tmp_path)
    assert found == {"scannet/scene1": {"lamp": ((0, 0),), "table": ((9, 4), (4, 2))}}


def test_files_that_describe_no_scenes_are_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file \*_meta_info_"):
        true_maps(benchmark, categories_of(benchmark), tmp_path)
    (tmp_path / "scannet_meta_info_val.json").write_text('{"scene1": 3}', encoding="utf-8")
    with pytest.raises(DataError, match="does not describe scenes"):
        true_maps(benchmark, categories_of(benchmark), tmp_path)
