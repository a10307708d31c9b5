"""What is small on the way here and may be anything once it is unpacked: tables, replies."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.adapters.calling import LOOPBACK, ask, built
from tests.apis import KEY, Api, Raw, serve
from tests.benchmarks.toy import choice, parquet
from tests.fuzz.made import damaged, fuzzed, line_of, texts, torn
from tests.fuzz.test_files import imported, spreadsheet
from vicabench.adapters.api.adapter import ApiAdapter
from vicabench.benchmarks.loading import read_records, read_rows
from vicabench.errors import UserError
from vicabench.harnesses import vlmevalkit


def pow2(exponent: int) -> int:
    return 1 << exponent


def questions(file: Path) -> None:
    with suppress(UserError):
        read_records(file.name, read_rows(file))


@fuzzed
@given(content=torn(parquet([choice(1), choice(2)])))
def test_a_parquet_file_that_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "q.parquet").write_bytes(content)
    questions(tmp_path / "q.parquet")


@fuzzed
@given(row=damaged(choice(1)))
def test_a_parquet_file_of_other_columns(tmp_path: Path, row: Any) -> None:
    try:
        table = pyarrow.Table.from_pylist([row])
        pyarrow.parquet.write_table(table, tmp_path / "q.parquet")
    except (pyarrow.ArrowException, ValueError, TypeError, AttributeError, OverflowError):
        return  # there is no such file
    questions(tmp_path / "q.parquet")


@fuzzed
@given(
    name=st.sampled_from(["question", "id", "options", "ground_truth"]),
    text=st.builds(str.__mul__, st.sampled_from(["", "a", "A. x"]), st.integers(0, 20).map(pow2)),
    rows=st.integers(0, 20).map(pow2),
    inside=st.sampled_from(["text", "bytes", "list", "struct"]),
)
def test_a_parquet_file_of_one_text_many_times(
    tmp_path: Path, name: str, text: str, rows: int, inside: str
) -> None:
    words = [text.encode() if inside == "bytes" else text]
    column: Any = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, "int32"), words)
    if inside == "list":
        column = pyarrow.ListArray.from_arrays([0, rows // 2, rows], column)
    if inside == "struct":
        column = pyarrow.StructArray.from_arrays([column], ["a"])
    pyarrow.parquet.write_table(pyarrow.table({name: column}), tmp_path / "q.parquet")
    questions(tmp_path / "q.parquet")


BOOK = zipfile.ZipFile(io.BytesIO(spreadsheet()))
PARTS = {name: BOOK.read(name) for name in BOOK.namelist()}
SHEET = "xl/worksheets/sheet1.xml"
PLACES = st.sampled_from([b"A1", b"XFD1", b"A1048576", b"XFD1048576", b"ZZZ9", b"A0", b"1", b""])


@fuzzed
@given(
    part=st.sampled_from(sorted(PARTS)).flatmap(
        lambda name: st.tuples(st.just(name), torn(PARTS[name]))
    ),
    place=PLACES,
    size=PLACES,
    times=st.integers(1, 4000),
)
def test_a_workbook_with_other_parts(
    tmp_path: Path, part: tuple[str, bytes], place: bytes, size: bytes, times: int
) -> None:
    sheet = PARTS[SHEET].replace(b'r="B2"', b'r="%s"' % place).replace(b"A1:", size + b":")
    row = b"<row" + sheet.split(b"<row")[-1].partition(b"</row>")[0] + b"</row>"
    sheet = sheet.replace(b"</sheetData>", row * times + b"</sheetData>")
    file = tmp_path / "m_VSI-Bench.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in {**PARTS, SHEET: sheet, part[0]: part[1]}.items():
            book.writestr(name, sheet if name == SHEET != part[0] else content)
    with suppress(UserError):
        imported(tmp_path, vlmevalkit.read(file))


CHAT = {
    "choices": [{"message": {"content": "2", "refusal": None}, "finish_reason": "stop"}],
    "model": "tiny",
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}
CANDIDATE = {
    "candidates": [{"content": {"parts": [{"text": "2"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1},
}
MESSAGE = {
    "content": [{"type": "text", "text": "2"}],
    "stop_reason": "end_turn",
    "model": "tiny",
    "usage": {"input_tokens": 1, "cache_read_input_tokens": 0, "output_tokens": 1},
}
GOOD = {"ChatAdapter": CHAT, "GeminiAdapter": CANDIDATE, "MessagesAdapter": MESSAGE}
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Encoding", "Content-Type", "Retry-After", "X-Other"]),
    st.sampled_from(["gzip", "br", "identity", "text/html", "application/json", "-1", "9" * 400]),
    max_size=2,
)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with pytest.MonkeyPatch.context() as patch, serve() as api:
        for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
            patch.setenv(name, KEY)
        for name, value in LOOPBACK.items():
            patch.setenv(name, value)
        yield api


@pytest.fixture(scope="module", params=["openai:tiny", "gemini:tiny", "anthropic:tiny"])
def adapter(request: pytest.FixtureRequest, api: Api) -> Iterator[ApiAdapter]:
    frames = {"as_frames": True} if request.param.startswith("gemini") else {}
    made = built(request.param, base_url=api.address, max_retries=0, **frames)
    yield made
    made.close()


def body(good: dict[str, Any]) -> st.SearchStrategy[bytes]:
    whole = damaged(good).map(line_of) | torn(line_of(good)) | texts.map(line_of)
    return whole | whole.map(gzip.compress) | st.just(gzip.compress(bytes(64 << 20), 1))


@fuzzed
@given(data=st.data(), headers=HEADERS)
def test_the_body_of_a_reply(
    api: Api, adapter: ApiAdapter, data: st.DataObject, headers: dict[str, str]
) -> None:
    content = data.draw(body(GOOD[type(adapter).__name__]))
    api.plan = {"": [Raw(body=content, headers=headers)]}
    (answer,) = ask(adapter, 1)
    assert (answer.response is None) == (answer.error is not None)
    api.log.clear()
