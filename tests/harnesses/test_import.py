"""`vicabench import`: results of other harnesses become runs like ours."""

import csv
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from openpyxl import Workbook

from tests.support import Row, Vicabench, read_jsonl, refuses, rows_about, write_jsonl
from vicabench.rubric import VSI

# Written by lmms-eval 0.7.3, task vsibench over 30 questions of ours, a model of fixed replies.
LMMS_EVAL = Path(__file__).parent.parent / "fixtures" / "lmms_eval"
SAMPLES = LMMS_EVAL / "20261123_131031_samples_vsibench.jsonl"
RESULTS = LMMS_EVAL / "20261123_131031_results.json"


def scored(vicabench: Vicabench, run: str, protocol: str) -> dict[str, str]:
    done = vicabench("score", run, "--protocol", protocol, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return next(csv.DictReader(io.StringIO(done.stdout)))


def test_imported_lmms_eval_scores_equal_the_printed_ones(vicabench: Vicabench) -> None:
    done = vicabench("import", "lmms-eval", LMMS_EVAL, "--out", "run")
    assert done.returncode == 0, done.stderr
    row = scored(vicabench, "run", "lmms-eval")
    theirs = json.loads(RESULTS.read_text(encoding="utf-8"))["results"]["vsibench"]
    assert row["model"] == "example/Tiny-VL-1B"
    # Both print rounded numbers: lmms-eval 6 decimals of a share, we 4 of a percentage.
    assert float(row["average"]) == pytest.approx(100 * theirs["vsibench_overall,none"], abs=2e-4)
    for task in VSI.tasks:
        measure = "mra" if task.unit else "accuracy"
        theirs_too = 100 * theirs[f"{task.name}_{measure},none"]
        assert float(row[task.name]) == pytest.approx(theirs_too, abs=2e-4)


def test_an_imported_run_keeps_raw_replies_and_their_origin(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    vicabench("import", "lmms-eval", SAMPLES, "--out", "run")
    line = read_jsonl(tmp_path / "run" / "predictions.jsonl")[3]
    assert line["response"] == "<think>3 or A</think>\n1"
    assert line["video"] == "scannet/scene0"
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["config"]
    assert (config["benchmark"], config["subset"]) == ("vsi-bench", "full")
    assert config["adapter"]["model_args"] == "pretrained=example/Tiny-VL-1B,max_frames_num=32"
    assert len(config["adapter"]["file_sha256"]) == 64
    assert "imported from lmms-eval" in vicabench("score", "run").stdout


def test_a_missing_lmms_eval_reply_counts_as_wrong(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = read_jsonl(SAMPLES)
    rows[0]["resps"], rows[1]["resps"] = [[None]], []
    write_jsonl(tmp_path / SAMPLES.name, rows)
    done = vicabench("import", "lmms-eval", SAMPLES.name, "--out", "run", "--model", "m")
    assert done.returncode == 0, done.stderr
    row = scored(vicabench, "run", "lmms-eval")
    assert (row["unanswered"], row["average_questions"]) == ("2", str(len(rows)))


def test_a_workbook_that_expands_without_bound_is_refused(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    book = Workbook()
    for row in range(1, 700):
        book.worksheets[0].cell(row, 16_384, "x")
    book.save(tmp_path / "m_VSI-Bench.xlsx")
    done = vicabench("import", "vlmevalkit", "m_VSI-Bench.xlsx", "--out", "run")
    refuses(done, "m_VSI-Bench.xlsx is refused", "more than 5,000,000 cells")


def test_imported_runs_are_points_of_a_curve(vicabench: Vicabench, tmp_path: Path) -> None:
    for percent in (50, 100):
        out = f"runs/{percent}"
        vicabench("import", "lmms-eval", SAMPLES, "--out", out, "--model", f"lab/m-{percent}p")
    done = vicabench("scaling-curve", "--runs", "runs", "--out", "c", "--format", "svg")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "c" / "curve.csv").open(encoding="utf-8", newline="") as lines:
        averages = [row for row in csv.DictReader(lines) if row["task"] == "average"]
    assert [row["percent"] for row in averages] == ["50", "100"]


def in_vlmevalkit(rows: list[Row]) -> list[list[object]]:
    """The columns that VLMEvalKit documents for VSI-Bench, with its header."""
    header = ["index", "video", "candidates", "question", "answer", "question_type", "prediction"]
    lines = [
        [
            place,
            f"scannet/{row['video']}.mp4",
            str(row["options"] or []),
            row["question"],
            row["ground_truth"],
            row["question_type"],
            row["response"],
        ]
        for place, row in enumerate(rows)
    ]
    return [header, *lines]


@pytest.mark.parametrize("ending", ["xlsx", "tsv"])
def test_vlmevalkit_predictions_are_graded(
    vicabench: Vicabench, tmp_path: Path, ending: str
) -> None:
    rows = [{**row, "response": row["ground_truth"]} for row in rows_about(2)]
    rows[0]["response"] = '=SUM(1) "quoted"\n\tso 1'
    rows[1]["response"] = "Failed to obtain answer via API."
    rows[2]["response"] = None
    file = tmp_path / f"Tiny-VL_VSI-Bench_origin_32frame.{ending}"
    write_sheet(file, in_vlmevalkit(rows))
    done = vicabench("import", "vlmevalkit", file, "--out", "run")
    assert done.returncode == 0, done.stderr
    lines = read_jsonl(tmp_path / "run" / "predictions.jsonl")
    assert [line["response"] for line in lines[:4]] == [rows[0]["response"], None, "", "1"]
    assert lines[1]["error"] == "vlmevalkit: Failed to obtain answer via API."
    assert lines[4]["options"] == ["A. left", "B. right", "C. back"]
    row = scored(vicabench, "run", "vlmevalkit")
    assert (row["model"], row["unanswered"], row["empty"]) == ("Tiny-VL", "1", "1")
    assert float(row["object_counting"]) == 100


def test_malformed_vlmevalkit_rows_do_not_affect_others(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    lines = in_vlmevalkit([{**row, "response": "1"} for row in rows_about(1)])
    options = lines[0].index("candidates")
    lines[1][options], lines[2][options] = f"[0x{'f' * 4000}]", "[{[]}]"
    file = tmp_path / "Tiny-VL_VSI-Bench-Debiased_32frame.tsv"
    write_sheet(file, lines)
    done = vicabench("import", "vlmevalkit", file, "--out", "run")
    assert done.returncode == 1
    assert done.stderr.count("option") == 2
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == 8
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["config"]
    assert (config["benchmark"], config["subset"]) == ("vsi-bench", "debiased")


def test_a_workbook_with_malformed_parts_is_refused(vicabench: Vicabench, tmp_path: Path) -> None:
    write_sheet(tmp_path / "good.xlsx", [["id"], [1]])
    with ZipFile(tmp_path / "good.xlsx") as good, ZipFile(tmp_path / "odd.xlsx", "w") as odd:
        for name in good.namelist():
            odd.writestr(name, good.read(name).replace(b"<fill>", b"<fill/><fill>", 1))
    refuses(vicabench("import", "vlmevalkit", "odd.xlsx", "--out", "run"), "odd.xlsx", "workbook")


def write_sheet(file: Path, lines: list[list[object]]) -> None:
    if file.suffix == ".tsv":
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, delimiter="\t").writerows(lines)
        return
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for line in lines:
        sheet.append(line)
    book.save(file)


def test_any_jsonl_is_read_by_columns_and_joined(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = rows_about(2)
    write_jsonl(tmp_path / "questions.jsonl", rows)
    theirs = [{"qid": row["id"], "output": {"text": row["ground_truth"]}} for row in rows[:15]]
    write_jsonl(tmp_path / "theirs.jsonl", theirs)
    done = vicabench(
        "import", "jsonl", "theirs.jsonl", "--out", "run", "--model", "theirs",
        "--benchmark", "questions.jsonl", "--column", "id=qid", "--column", "response=output.text",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "Questions of questions.jsonl missing from the file and from this run: 5 of 20"
        in done.stderr
    )
    assert float(scored(vicabench, "run", "official")["average"]) == 100


def test_bad_rows_are_named_and_counted_others_kept(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": "1"} for row in rows_about(1)]
    rows[1]["ground_truth"] = "0"
    rows[2]["id"] = rows[0]["id"]
    rows[3] |= {"response": None, "error": "lost"}  # a failure is an answer to be counted
    rows[4]["usage"] = {"cost": float("nan")}
    file = write_jsonl(tmp_path / "p.jsonl", rows)
    file.write_text(file.read_text(encoding="utf-8") + "{torn", encoding="utf-8")
    done = vicabench("import", "jsonl", "p.jsonl", "--out", "run", "--model", "m")
    assert done.returncode == 1
    for words in (
        "p.jsonl, line 2",
        "line 3: id 0-0 was already in",
        "line 5: usage must be",
        "line 11: it is not JSON",
    ):
        assert words in done.stderr
    words = " ".join(vicabench("score", "run").stdout.split())
    assert "left out what could not be read: 4 of 11 rows" in words
    assert "1 of 7 questions unanswered" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lmms", "p.jsonl"), ("lmms-eval", "vlmevalkit", "jsonl")),
        (("jsonl", "none.jsonl"), ("none.jsonl", "cannot be read")),
        (("jsonl", "p.jsonl"), ("0 of 10 rows", "line 1", "response", "--benchmark")),
        (("jsonl", "p.jsonl", "--column", "reply=x"), ("--column", "response")),
        (("jsonl", "p.jsonl", "--column", "response=question"), ("--model NAME",)),
        (("lmms-eval", "p.jsonl", "--column", "id=x"), ("--column", "jsonl")),
        (("lmms-eval", "p.jsonl"), ("0 of 10 rows", "vsibench")),
        (("lmms-eval", "."), ("found: none",)),
        (("vlmevalkit", "p.jsonl"), (".xlsx", ".tsv")),
        (("vlmevalkit", "p.xlsx"), ("p.xlsx", "workbook")),
        (("jsonl", "p.jsonl", "--subset", "pruned"), ("--benchmark",)),
    ],
)
def test_files_that_cannot_be_imported_are_explained(
    vicabench: Vicabench, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    write_jsonl(tmp_path / "p.jsonl", rows_about(1))
    (tmp_path / "p.xlsx").write_bytes(b"not a workbook")
    refuses(vicabench("import", *arguments, "--out", "run"), *words)


def test_a_row_that_contradicts_the_benchmark_is_not_graded(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = rows_about(1)
    write_jsonl(tmp_path / "questions.jsonl", rows)
    other = [{**row, "response": "1", "ground_truth": "9"} for row in rows[:1]]
    write_jsonl(tmp_path / "p.jsonl", other)
    done = vicabench("import", "jsonl", "p.jsonl", "--out", "run", "--benchmark", "questions.jsonl")
    refuses(done, "ground_truth", "'9'", "'1'", "0-0")


def test_an_import_never_overwrites_a_run(vicabench: Vicabench, tmp_path: Path) -> None:
    vicabench("import", "lmms-eval", SAMPLES, "--out", "run")
    before = (tmp_path / "run" / "predictions.jsonl").read_bytes()
    refuses(vicabench("import", "lmms-eval", SAMPLES, "--out", "run"), "--out")
    assert (tmp_path / "run" / "predictions.jsonl").read_bytes() == before


def test_options_in_another_order_are_not_joined(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [row for row in rows_about(1) if row["options"]]
    write_jsonl(tmp_path / "questions.jsonl", rows)
    bare = [{**row, "options": ["Left", "right", "back"], "response": "A"} for row in rows]
    bare[0]["options"] = ["right", "left", "back"]
    write_jsonl(tmp_path / "p.jsonl", bare)
    done = vicabench(
        "import", "jsonl", "p.jsonl", "--out", "run", "--model", "m", "--benchmark",
        "questions.jsonl",
    )  # fmt: skip
    assert done.returncode == 1
    assert "line 1: its options are A. right, B. left" in done.stderr
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == len(rows) - 1


def test_rows_name_their_model(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": "1", "model": "lab/m"} for row in rows_about(1)]
    write_jsonl(tmp_path / "p.jsonl", rows)
    assert vicabench("import", "jsonl", "p.jsonl", "--out", "run").returncode == 0
    assert scored(vicabench, "run", "official")["model"] == "lab/m"
    assert vicabench("import", "jsonl", "p.jsonl", "--out", "x", "--model", "y").returncode == 0
    assert scored(vicabench, "x", "official")["model"] == "y"
    rows[1]["model"] = "lab/other"
    write_jsonl(tmp_path / "p.jsonl", rows)
    done = vicabench("import", "jsonl", "p.jsonl", "--out", "r", "--model", "y")
    refuses(done, "2 models", "lab/m, lab/other")


def test_a_direction_type_without_questions_is_noted(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": "A"} for row in rows_about(4)]
    others = [row for row in rows if row["question_type"] != "object_rel_direction_medium"]
    write_jsonl(tmp_path / "p.jsonl", others)
    words = " ".join(vicabench("score", "p.jsonl").stdout.split())
    assert "no questions of object_rel_direction_medium: Rel. Dir. is the mean of its" in words
    write_jsonl(tmp_path / "p.jsonl", rows)
    assert "no questions of" not in vicabench("score", "p.jsonl").stdout
