"""`openai:MODEL` through the real command line and the real client, against a bad server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apis import (
    CACHED_TOKENS,
    DRIP,
    GARBAGE,
    HALF,
    HANG,
    KEY,
    NEW_TOKENS,
    PROMPT_TOKENS,
    RESET,
    Api,
    Hit,
    Refuse,
    Reply,
    serve,
)
from tests.support import Vicabench, read_jsonl, refuses, write_jsonl
from vicabench.datasets.rooms.build import build

PRICE = {"input": 2.0, "cached_input": 0.5, "output": 8.0}
COST = (400 * 2.0 + CACHED_TOKENS * 0.5 + NEW_TOKENS * 8.0) / 1e6  # of one reply


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small rooms, and prices in both formats."""
    folder = tmp_path_factory.mktemp("rooms")
    build(folder, scenes=2, seed=5, width=96, height=64, fps=2, workers=1)
    for place, row in enumerate(rows := read_jsonl(folder / "questions.jsonl")):
        row["question"] += f" (No. {place}.)"
    write_jsonl(folder / "questions.jsonl", rows)
    (folder / "prices.json").write_text(json.dumps({"tiny": PRICE}), encoding="utf-8")
    (folder / "prices.yaml").write_text(
        "tiny:\n  input: 2.0\n  cached_input: 0.5\n  output: 8.0\n", encoding="utf-8"
    )
    return folder


@pytest.fixture
def api() -> Iterator[Api]:
    with serve() as api:
        yield api


def command(rooms: Path, api: Api, *more: str | Path) -> tuple[str | Path, ...]:
    return (
        "run", "--benchmark", rooms / "questions.jsonl", "--model", "openai:tiny",
        "--base-url", f"{api.address}/v1", "--frames", "2", "--image-size", "48",
        "--retry-wait", "0.01", "--out", "r", *more,
    )  # fmt: skip


ENVIRONMENT = {"OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def totals(folder: Path) -> dict[str, Any]:
    """The account of the last start."""
    found: dict[str, Any] = read_jsonl(folder / "r" / "timing.jsonl")[-1]["calls"]
    return found


def test_every_request_is_accounted_for_whatever_the_server_does(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    refused = {"refusal": f"I will not. {KEY}", "content": None}
    plans: list[list[Any]] = [
        [],
        [Refuse(status=429, headers={"Retry-After": "0"})] * 3,
        [Refuse(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})],
        [Refuse(status=500), Refuse(status=503)],
        [RESET],
        [HALF],
        [HANG],
        [DRIP],
        [Reply(text="2, no, 3", stop="length")],
        [GARBAGE],
        [Reply(changed=refused)],
        [Reply(text="half a", stop="content_filter")],
        [Reply(text="")],
        [Reply(text=" \n", stop="length")],
        [Reply(whole={"choices": []})],
        [Reply(changed={"content": ["2"]})],
        [Refuse(status=500)] * 4,
        [Refuse(status=400, error={"code": "context_length_exceeded"})],
        [Refuse(status=429, headers={"Retry-After": "86400"})],
    ]
    ends = "malformed refusal filtered empty empty malformed malformed http http http"
        "malformed",
        "refusal",
        "filtered",
        "empty",
        "empty",
        "malformed",
        "malformed",
        "http",
        "http",
        "http",
    ]
    api.plan = {f"(No. {place}.)": plan for place, plan in enumerate(plans)}
    limits = ("--max-retries", "3", "--request-timeout", "2", "--prices", rooms / "prices.json")
    done = vicabench(*command(rooms, api, *limits), **ENVIRONMENT)
    assert done.returncode == 1, done.stderr
    assert "openai:tiny" in done.stdout

    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    errors = {r["id"]: r["error"] for r in records}
    ids = [row["id"] for row in read_jsonl(rooms / "questions.jsonl")]
    assert [str(errors[str(i)]).partition(":")[0] for i in ids[:9]] == ["None"] * 9
    assert [errors[str(i)].partition(":")[0] for i in ids[9:19]] == ends.split()
    assert "(4 attempts)" in errors[str(ids[16])]
    assert all(r["error"] is None for r in records if r["id"] not in map(str, ids[:19]))
    stops = {r["id"]: r["stop"] for r in records}
    assert (stops[str(ids[0])], stops[str(ids[8])]) == ("stop", "length")

    delivered = [hit for hit in api.log if hit.delivered]
    assert totals(tmp_path) == {
        "sent": len(api.log),
        "retried": sum(hit.number > 1 for hit in api.log),
        "answered": len(records) - 10,
        "failed": 10,
        "unsent": 0,
        "prompt_tokens": PROMPT_TOKENS * len(delivered),
        "cached_tokens": CACHED_TOKENS * len(delivered),
        "new_tokens": NEW_TOKENS * len(delivered),
        "cost": pytest.approx(COST * len(delivered)),
    }
    assert sum(r["usage"]["attempts"] for r in records) == len(api.log) == len(records) + 14
    assert sum(r["usage"].get("cost", 0) for r in records) == pytest.approx(COST * len(delivered))
    assert {r["usage"]["served_by"] for r in records if not r["error"]} == {"tiny-2026-11-01"}
    says = f"{len(api.log):,} requests sent, {len(api.log) - len(records)} of them again"
    assert says in done.stderr
    assert f"cost {COST * len(delivered):,.4f}" in done.stderr
    assert_no_key(done.stdout + done.stderr, tmp_path)


def assert_no_key(output: str, folder: Path) -> None:
    """The server put the key into every text it sent."""
    assert KEY not in output
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"config.json", "predictions.jsonl"} <= {path.name for path in files}
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def test_the_questions_about_a_video_share_their_beginning_and_the_first_goes_alone(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    done = vicabench(*command(rooms, api, "--concurrency", "3"), **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "r" / "config.json").read_text(encoding="utf-8"))
    settings = config["config"]["adapter"]
    assert (settings["image_size"], settings["jpeg_quality"]) == (48, 90)
    assert settings["endpoint"] == f"{api.address}/v1"
    about = by_prefix(api.log)
    assert len(about) == 2
    for prefix, hits in about.items():
        assert prefix.count(b"data:image/jpeg;base64,/9j/") == 2
        assert all(hit.began >= hits[0].ended for hit in hits[1:])
        at_once = [sum(h.began <= hit.began < h.ended for h in hits) for hit in hits]
        assert max(at_once) <= 3
    request = json.loads(api.log[0].body)
    assert (request["temperature"], request["seed"], request["max_tokens"]) == (0.0, 0, 1024)
    numeric = [h for h in api.log if "Options:" not in h.question]
    assert all(h.question.endswith("anything other than a single number!") for h in numeric)


def by_prefix(log: list[Hit]) -> dict[bytes, list[Hit]]:
    """The requests by all bytes before the text of their question."""
    found: dict[bytes, list[Hit]] = {}
    for hit in log:
        end = hit.body.rindex(b'{"type":"text"')
        found.setdefault(hit.body[hit.body.index(b'"messages"') : end], []).append(hit)
    return found


def test_a_spent_budget_keeps_what_was_answered_and_a_larger_one_goes_on(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    done = vicabench(*command(rooms, api, "--max-requests", "5"), **ENVIRONMENT)
    assert done.returncode == 1
    assert len(api.log) == 5
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert sum(r["error"] is None for r in records) == 5
    errors = {r["error"] for r in records if r["error"]}
    assert errors == {"budget: all 5 requests of --max-requests were sent"}
    counts = totals(tmp_path)
    assert (counts["sent"], counts["unsent"], counts["cost"]) == (5, len(records) - 5, None)
    assert "cost unknown" in done.stderr

    # Eight replies' worth: each is paid for before so many are sent that it could be exceeded.
    budget = ("--max-cost", f"{8.5 * COST}", "--prices", str(rooms / "prices.yaml"))
    again = vicabench(*command(rooms, api, *budget, "--retry-errors"), **ENVIRONMENT)
    assert again.returncode == 1
    assert 2 <= len(api.log) - 5 <= 8
    assert totals(tmp_path)["cost"] == pytest.approx(COST * (len(api.log) - 5))
    before = len(api.log)
    assert vicabench(*command(rooms, api, "--retry-errors"), **ENVIRONMENT).returncode == 0
    assert len(api.log) - before == len(records) - before
    assert len({hit.question for hit in api.log}) == len(api.log) == len(records)


def test_what_a_model_refuses_to_be_told_is_left_out_and_said(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    def refused(name: str, code: str) -> Refuse:
        return Refuse(status=400, error={"code": code, "param": name})

    api.plan = {
        "(No. 0.)": [
            refused("temperature", "unsupported_value"),
            refused("max_tokens", "unsupported_parameter"),
        ]
    }
    done = vicabench(*command(rooms, api, "--limit", "1"), **ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert api.log[2].number == 3
    for hit in api.log[2:]:
        request = json.loads(hit.body)
        assert request["max_completion_tokens"] == 1024
        assert not {"temperature", "max_tokens"} & request.keys()
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert {r["usage"]["without"] for r in records} == {"temperature"}


def test_a_key_that_is_refused_stops_the_run_and_a_later_refusal_fails_the_rest(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    wrong = Refuse(status=401, error={"code": "invalid_api_key"})
    api.plan = {"(No. 0.)": [wrong], "(No. 7.)": [wrong]}
    done = vicabench(*command(rooms, api), **ENVIRONMENT)
    refuses(done, "tiny at http://127.0.0.1", "401: no, [key]", "Check the key")
    assert len(api.log) == 1
    later = vicabench(*command(rooms, api, "--concurrency", "1"), **ENVIRONMENT)
    assert later.returncode == 1, later.stderr
    assert len(api.log) == 1 + 8
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert sum("http: 401" in str(r["error"]) for r in records) == len(records) - 7
    assert_no_key(done.stderr + later.stderr, tmp_path)


def test_what_cannot_be_run_is_refused_before_anything_is_sent(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    good = command(rooms, api)
    official = [part for part in good if part not in ("--base-url", f"{api.address}/v1")]
    refuses(vicabench(*official, OPENAI_API_KEY=""), "OPENAI_API_KEY", "--base-url")
    secret = f"http://user:{KEY}@127.0.0.1:1/v1"
    done = vicabench(*good, "--base-url", secret)
    refuses(done, "no user, password")
    assert KEY not in done.stderr
    refuses(vicabench(*good, "--base-url", f"{api.address}/v1?key={KEY}"), "no user, password")
    refuses(vicabench(*good, "--base-url", "localhost:8000"), "such as http://")
    refuses(vicabench(*good, "--max-cost", "1"), "--prices FILE")
    (tmp_path / "other.json").write_text('{"gpt": {"input": 1, "output": 1}}', encoding="utf-8")
    refuses(vicabench(*good, "--prices", "other.json"), "no price for tiny")
    refuses(vicabench(*good, "--as-frames"), "--as-frames")
    refuses(vicabench(*good, "--model", "baseline:random"), "--base-url, --image-size")
    assert api.log == []
    # A server of one's own needs no key.
    assert vicabench(*good, "--limit", "1", OPENAI_API_KEY="").returncode == 0
    assert len(api.log) > 1
