"""Files from anywhere: whatever is in them, a reader reads it or says what is wrong with it."""

import csv
import io
import json
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from tests.fuzz.made import damaged, fuzzed, line_of, torn
from tests.runs import write_run
from tests.support import rows_about
from vicabench.adapters.replay import build
from vicabench.benchmarks import own
from vicabench.errors import UserError
from vicabench.files import digest_of
from vicabench.harnesses import jsonl, lmms_eval, official, vlmevalkit
from vicabench.harnesses.protocols import PROTOCOLS, find_protocol
from vicabench.harnesses.rows import Source
from vicabench.reporting.scores import FORMATS
from vicabench.results import importing
from vicabench.results.run import load_run
from vicabench.types import AdapterContext, Benchmark

FIXTURE = Path(__file__).parent.parent / "fixtures" / "lmms_eval"
ROWS: list[dict[str, Any]] = [
    {**row, "response": "2", "error": None, "stop": "eos", "new_tokens": 3, "seconds": 0.5}
    for row in rows_about(1)[:3]
]
NOTHING = Benchmark(name="b", subset="full", revision="1", questions=(), files={})


def tables(path: Path) -> None:
    """All that a run folder or a predictions file is read for, in every protocol and format."""
    run = load_run(path)
    rows = [run.scores(find_protocol(name)) for name in PROTOCOLS]
    for write in FORMATS.values():
        write(rows, (), ()).encode()


@fuzzed
@given(lines=st.lists(damaged(ROWS[0]).map(line_of) | torn(line_of(ROWS[0])), max_size=3))
def test_a_predictions_file(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "p.jsonl"
    file.write_bytes(b"".join(map(line_of, ROWS)) + b"".join(lines))
    with suppress(UserError):
        tables(file)
    with suppress(UserError):
        build(str(file), AdapterContext(benchmark=NOTHING, seed=0))


def good_config() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        written = write_run(Path(folder, "run"), "m", ROWS) / "config.json"
        config: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    origin = {"from": "x", "file": "f", "rows": 3, "unreadable": 1, "problems": []}
    return {**config, "starts": [{"started": "2026-01-01", "imported": origin}]}


CONFIG = good_config()


@fuzzed
@given(config=damaged(CONFIG), signed=st.booleans(), cut=st.integers(0, 99))
def test_a_configuration(tmp_path: Path, config: Any, signed: bool, cut: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    (folder / "predictions.jsonl").write_bytes(b"".join(map(line_of, ROWS)))
    if signed:  # by one who knows how digests are made
        with suppress(KeyError, TypeError):
            config["digest"] = digest_of(config["config"])
    content = json.dumps(config)
    (folder / "config.json").write_text(content[:-1] if cut == 0 else content, encoding="utf-8")
    with suppress(UserError):
        tables(folder)


@fuzzed
@given(line=damaged(rows_about(1)[4]).map(line_of) | torn(line_of(rows_about(1)[4])))
def test_a_questions_file(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_bytes(line)
    with suppress(UserError):
        own.load(file, videos_needed=False)


def imported(tmp_path: Path, source: Source) -> None:
    """Read all rows and write the run, as `vicabench import` does."""
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    found = importing.collect(source, None)
    importing.write_run(out, source, found, model="m", benchmark=None)
    tables(out)


@fuzzed
@given(lines=st.lists(damaged(ROWS[0]).map(line_of) | torn(line_of(ROWS[0])), max_size=2))
def test_json_lines_of_any_program(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "theirs.jsonl"
    file.write_bytes(line_of(ROWS[1]) + b"".join(lines))
    with suppress(UserError):
        imported(tmp_path, jsonl.read(file, {"response": "response"}))


SAMPLE = json.loads(next(FIXTURE.glob("*samples*")).read_text(encoding="utf-8").splitlines()[0])
RESULTS = json.loads(next(FIXTURE.glob("*results*")).read_text(encoding="utf-8"))


@fuzzed
@given(sample=damaged(SAMPLE).map(line_of) | torn(line_of(SAMPLE)), results=damaged(RESULTS))
def test_the_files_of_lmms_eval(tmp_path: Path, sample: bytes, results: Any) -> None:
    (tmp_path / "d_samples_vsibench.jsonl").write_bytes(sample)
    (tmp_path / "d_results.json").write_bytes(line_of(results))
    with suppress(UserError):
        imported(tmp_path, lmms_eval.read(tmp_path / "d_samples_vsibench.jsonl"))


LOG = json.loads((FIXTURE.parent / "official" / "run" / "vsibench.json").read_text("utf-8"))


@fuzzed
@given(log=damaged(LOG).map(line_of) | torn(line_of(LOG)), results=damaged(RESULTS))
def test_the_files_of_the_official_harness(tmp_path: Path, log: bytes, results: Any) -> None:
    (tmp_path / "vsibench.json").write_bytes(log)
    (tmp_path / "results.json").write_bytes(line_of(results))
    with suppress(UserError):
        imported(tmp_path, official.read(tmp_path))


CELLS = {
    "index": 1, "video": "scannet/a.mp4", "question_type": "object_rel_distance", "question": "Q?",
    "candidates": "['A. left', 'B. right']", "answer": "A", "prediction": "A",
}  # fmt: skip
cells = damaged(CELLS).filter(lambda row: isinstance(row, dict))


def spreadsheet() -> bytes:
    book, out = Workbook(), io.BytesIO()
    book.worksheets[0].append(list(CELLS))
    book.worksheets[0].append(list(CELLS.values()))
    book.save(out)
    return out.getvalue()


@fuzzed
@given(content=torn(spreadsheet()))
def test_a_workbook(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "m_VSI-Bench.xlsx"
    file.write_bytes(content)
    with suppress(UserError):
        imported(tmp_path, vlmevalkit.read(file))


@fuzzed
@given(row=cells, content=torn("\t".join(map(str, CELLS.values())).encode()))
def test_a_table_with_tabs(tmp_path: Path, row: dict[str, Any], content: bytes) -> None:
    file = tmp_path / "m_VSI-Bench.tsv"
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t")
    table.writerow(row)
    table.writerow(row.values())
    file.write_bytes(text.getvalue().encode("utf-8", "surrogatepass") + content)
    with suppress(UserError):
        imported(tmp_path, vlmevalkit.read(file))
