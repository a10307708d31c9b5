"""The checkpoints that a name, a pattern or a list of specs denotes."""

from pathlib import Path

import pytest

from vicabench.curves.series import checkpoint, expanded, grouped, named_series
from vicabench.errors import ConfigError


def test_a_published_series_consists_of_zoo_checkpoints() -> None:
    points = named_series("vica2-7b")
    assert [p.percent for p in points] == list(range(5, 101, 5))
    assert [points[0].spec, points[-1].spec] == ["nkkbr/ViCA2-5p", "nkkbr/ViCA2"]
    assert checkpoint("nkkbr/ViCA-thinking-5p").series == "ViCA2-7B-Thinking"
    with pytest.raises(ConfigError, match="It has ViCA2-7B, ViCA2-7B-Thinking, ViCA-7B"):
        named_series("ViCA3")


def test_a_pattern_matches_folders_and_the_final_checkpoint(
    tmp_path: Path,
) -> None:
    for name in ("tiny-7p", "tiny-40p", "tiny", "other-50p"):
        (tmp_path / name).mkdir()
    points = expanded(f"{tmp_path}/tiny-{{p}}p")
    assert [(p.percent, Path(p.spec).name) for p in points] == [
        (7, "tiny-7p"),
        (40, "tiny-40p"),
        (100, "tiny"),
    ]
    assert {p.series for p in points} == {"tiny"}
    with pytest.raises(ConfigError, match="No folder matches"):
        expanded(f"{tmp_path}/none-{{p}}p")


def test_shares_need_not_be_whole_percents(tmp_path: Path) -> None:
    assert (checkpoint("a-7.5p").series, checkpoint("a-7.5p").percent) == ("a", 7.5)
    for name in ("tiny-2.5p", "tiny-5p", "tiny-x5p", "tiny"):
        (tmp_path / name).mkdir()
    points = expanded(f"{tmp_path}/tiny-{{p}}p")
    assert [f"{p.percent}" for p in points] == ["2.5", "5", "100"]
    for spelt in (f"{tmp_path}//tiny-{{p}}p", f"{tmp_path}/tiny-{{p}}p/"):
        assert [p.percent for p in expanded(spelt)] == [2.5, 5, 100]
    (tmp_path / "tiny-05p").mkdir()
    with pytest.raises(ConfigError, match=r"tiny-05p and .*tiny-5p have the same share"):
        expanded(f"{tmp_path}/tiny-{{p}}p")


def test_a_pattern_without_a_name_has_no_final_checkpoint(tmp_path: Path) -> None:
    for name in ("5p", "10p"):
        (tmp_path / name).mkdir()
    points = expanded(f"{tmp_path}/{{p}}p")
    assert [p.percent for p in points] == [5, 10]


def test_a_hub_pattern_gives_every_fifth_percent() -> None:
    points = expanded("lab/Model-{p}p")
    assert [points[0].spec, points[-1].spec, len(points)] == ["lab/Model-5p", "lab/Model", 20]


def test_two_checkpoints_with_one_share_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"a/m-5p and b/m-5p are both m at 5%"):
        grouped([checkpoint("a/m-5p"), checkpoint("b/m-5p")])
