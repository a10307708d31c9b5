"""VSI-Bench from a local folder: counts, subsets, and what is said of a folder that lacks some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import toy
from vicabench.benchmarks import Source, load_benchmark, vsi_bench
from vicabench.errors import ConfigError, DataError

PARQUET = "test-00000-of-00001.parquet"
Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def published() -> list[dict[str, Any]]:
    """As many questions as the published data set has, 2,768 of them pruned."""
    return [toy.row(i, toy.VIDEOS[i % 6], pruned=i <= 2768) for i in range(1, 5131)]


def without_column(rows: Rows) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "pruned"} for row in rows]


def count(folder: Path, subset: str) -> int:
    return len(vsi_bench.load(folder=folder, subset=subset, videos_needed=False).questions)


@pytest.mark.parametrize("file", [PARQUET, "test.jsonl"])
def test_subsets_are_read_from_the_column(tmp_path: Path, file: str, published: Rows) -> None:
    content = toy.parquet(published) if file == PARQUET else toy.jsonl(published)
    toy.write(tmp_path, {file: content})
    counts = [count(tmp_path, subset) for subset in ("full", "debiased", "pruned")]
    assert counts == [5130, 2362, 2768]
    source = Source(data=tmp_path, videos_needed=False)
    assert load_benchmark("vsi-bench:debiased", source).subset == "debiased"


@pytest.mark.parametrize("file", ["test_pruned.parquet", "test_debiased.parquet", "pruned_ids.txt"])
def test_subset_files_replace_a_missing_column(tmp_path: Path, file: str, published: Rows) -> None:
    pruned = [row for row in published if row["pruned"]]
    listing = {
        "test_pruned.parquet": toy.parquet(pruned[::-1]),
        "test_debiased.parquet": toy.parquet([row for row in published if not row["pruned"]]),
        "pruned_ids.txt": "\n".join(str(row["id"]) for row in pruned[::-1]).encode(),
    }
    toy.write(tmp_path, {PARQUET: toy.parquet(without_column(published)), file: listing[file]})
    questions = vsi_bench.load(folder=tmp_path, subset="pruned", videos_needed=False).questions
    assert [question.id for question in questions] == [str(row["id"]) for row in pruned]
    assert count(tmp_path, "debiased") == 2362


def test_subset_without_column_or_file_is_refused(tmp_path: Path, published: Rows) -> None:
    toy.write(tmp_path, {PARQUET: toy.parquet(without_column(published))})
    with pytest.raises(DataError, match="no column 'pruned'"):
        vsi_bench.load(folder=tmp_path, subset="pruned", videos_needed=False)
    with pytest.raises(ConfigError, match="Choose full, debiased, pruned"):
        vsi_bench.load(folder=tmp_path, subset="tiny", videos_needed=False)


def test_a_list_with_ids_of_another_revision_is_refused(tmp_path: Path, published: Rows) -> None:
    files = {PARQUET: toy.parquet(without_column(published)), "pruned_ids.txt": b"1\n99999\n"}
    toy.write(tmp_path, files)
    with pytest.raises(DataError, match="for example '99999'"):
        vsi_bench.load(folder=tmp_path, subset="pruned", videos_needed=False)


def test_a_wrong_count_gives_both_numbers(tmp_path: Path, published: Rows) -> None:
    toy.write(tmp_path, {PARQUET: toy.parquet(published[:-1])})
    with pytest.raises(DataError, match="has 5,130 questions, but 5129 were read"):
        vsi_bench.load(folder=tmp_path, videos_needed=False)


def test_rows_of_several_parquet_files_are_not_added_up(tmp_path: Path, published: Rows) -> None:
    names = (PARQUET, "test_debiased.parquet", "test_pruned.parquet", "test.jsonl")
    toy.write(tmp_path, {name: toy.parquet(published) for name in names})
    assert count(tmp_path, "full") == 5130


def test_a_duplicate_id_names_both_rows(tmp_path: Path) -> None:
    toy.write(tmp_path, {PARQUET: toy.parquet([toy.row(1), toy.row(2), toy.row(1)])})
    with pytest.raises(DataError, match="row 3: the id '1' is taken by row 1"):
        vsi_bench.load(folder=tmp_path, videos_needed=False)


def test_invalid_parquet_file_is_refused(tmp_path: Path) -> None:
    toy.write(tmp_path, {PARQUET: b"<html>not found</html>"})
    with pytest.raises(DataError, match="cannot be read as parquet"):
        vsi_bench.load(folder=tmp_path, videos_needed=False)


def test_missing_data_names_the_command_and_what_works_without(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        vsi_bench.load(folder=tmp_path / "nothing")
    assert f"vicabench data fetch vsi-bench --data {tmp_path / 'nothing'}" in str(error.value)
    assert "--benchmark rooms" in str(error.value)


def test_zips_that_are_not_unpacked_name_the_command(tmp_path: Path, published: Rows) -> None:
    zips = {f"{part}.zip": b"" for part in toy.PARTS}
    toy.write(tmp_path, {PARQUET: toy.parquet(published), **zips})
    with pytest.raises(DataError) as error:
        vsi_bench.load(folder=tmp_path)
    assert "still in arkitscenes.zip, scannet.zip, scannetpp.zip" in str(error.value)
    assert f"vicabench data unpack vsi-bench --data {tmp_path}" in str(error.value)


def test_some_missing_videos_are_left_to_their_own_questions(
    tmp_path: Path, published: Rows
) -> None:
    videos = {f"{video}.mp4": b"film" for video in toy.VIDEOS[:4]}
    toy.write(tmp_path, {PARQUET: toy.parquet(published), **videos})
    loaded = vsi_bench.load(folder=tmp_path)
    assert sum(file.is_file() for file in loaded.files.values()) == 4
    assert len(loaded.questions) == len(published)


def test_missing_videos_name_the_fetch_command(tmp_path: Path, published: Rows) -> None:
    toy.write(tmp_path, {PARQUET: toy.parquet(published)})
    with pytest.raises(DataError, match="6 of 6 videos of VSI-Bench are missing") as error:
        vsi_bench.load(folder=tmp_path)
    assert "vicabench data fetch vsi-bench" in str(error.value)
