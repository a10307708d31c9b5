"""Files written by VLMEvalKit's functions: their exact replies and their scores."""

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.support import Vicabench, read_jsonl
from vicabench.harnesses.protocols import find_protocol
from vicabench.harnesses.rows import is_cut, rows_of

FIXTURES = Path(__file__).parent.parent / "fixtures" / "vlmevalkit"
NAME = "Tiny-VL_VSI-Bench_32frame"
# As given to the writer; the last word of the long reply does not fit in a cell.
REPLIES = (
    "3", "N/A", "about 2.2 m", "None", "B\r\n", "N/A", "nan", "The answer is B.", "(C)",
    "A_x000D_", "=2+2", "4 m", "", "12", "<answer>B</answer>", "x" * 32760 + " Answer B ", "B",
    "_x005F_B", "I think\u200b C", "A or B",
)  # fmt: skip


@pytest.mark.parametrize("ending", [".xlsx", ".json"])
def test_replies_are_imported_as_the_model_wrote_them(
    vicabench: Vicabench, tmp_path: Path, ending: str
) -> None:
    done = vicabench("import", "vlmevalkit", FIXTURES / f"{NAME}{ending}", "--out", "run")
    assert done.returncode == 0, done.stderr
    longest = 32_767 if ending == ".xlsx" else None
    lines = read_jsonl(tmp_path / "run" / "predictions.jsonl")
    assert [line["response"] for line in lines] == [reply[:longest] for reply in REPLIES]
    assert [line["stop"] for line in lines].count("cell") == (ending == ".xlsx")
    assert lines[4]["options"] == ["A. left", "B. right", "C. back"]
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["config"]
    assert (config["model"], config["frames"]) == ("Tiny-VL", 32)
    words = "cut off at the 32,767 characters"
    assert (words in " ".join(vicabench("score", "run").stdout.split())) == (ending == ".xlsx")


def test_scores_beside_the_replies_are_compared_with_ours(vicabench: Vicabench) -> None:
    # VLMEvalKit reads the D of `B_x000D_` as the answer; all else agrees.
    scored = FIXTURES / f"{NAME}_extract_matching.xlsx"
    done = vicabench("import", "vlmevalkit", scored, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "no protocol reproduces its own scores (20)" in done.stderr
    assert "vlmevalkit@VsiBench differs in 1," in done.stderr


def test_values_that_pandas_reads_as_missing_are_not_answers() -> None:
    rule = find_protocol("vlmevalkit")
    for reply in ("N/A", "NA", "nan", "None", "null", "<NA>", "#N/A", "1.#IND", "-1.#QNAN", "NULL"):
        assert rule.read_choice(reply, ()) is None
        assert rule.read_number(reply, "m") is None
    assert rule.read_choice(" N/A", ()) == "A"  # as pandas and VLMEvalKit do


def test_escapes_of_a_workbook_are_decoded(tmp_path: Path) -> None:
    cells = {
        "B_x000D_\n": "B\r\n",
        "_x005F_x000D_": "_x000D_",
        "max005F_": "max005F_",
        "_x0007_": "\x07",
        "_xd83d__xDE00_": "\U0001f600",
        "_xD83D_": "\ud83d",
        "_x12_": "_x12_",
    }
    book = Workbook()
    assert book.active is not None
    for cell in ("text", *cells):
        book.active.append([cell])
    book.save(tmp_path / "p.xlsx")
    read = [row["text"] for _, row in rows_of(tmp_path / "p.xlsx") if isinstance(row, dict)]
    assert read == list(cells.values())


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("x" * 32_767, True),
        ("x" * 32_766, False),
        ("\U0001f600" * 16_383, True),
        ("\U0001f600" * 32_767, True),
        ("x" + "\U0001f600" * 16_383, True),
        ("x" * 40_000, False),
    ],
)
def test_a_full_cell_is_a_cut_reply(text: str, cut: bool) -> None:
    assert is_cut(text) is cut
