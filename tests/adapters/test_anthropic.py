"""`anthropic:MODEL`: Anthropic's client against a misbehaving server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.calling import (
    LOOPBACK,
    ask,
    assert_no_key,
    built,
    calling,
    kind,
    totals,
    write_rooms,
)
from tests.apis import (
    CACHED_TOKENS,
    GARBAGE,
    GZIP,
    HALF,
    HANG,
    KEY,
    NEW_TOKENS,
    PROMPT_TOKENS,
    RESET,
    Api,
    Refuse,
    Reply,
    serve,
)
from tests.support import Vicabench, read_jsonl
from vicabench.errors import ConfigError

PRICE = {"input": 3.0, "cached_input": 0.3, "cache_write": 3.75, "output": 15.0}
FRESH = PROMPT_TOKENS - CACHED_TOKENS
WRITES = (FRESH * 3.0 + CACHED_TOKENS * 3.75 + NEW_TOKENS * 15.0) / 1e6
READS = (FRESH * 3.0 + CACHED_TOKENS * 0.3 + NEW_TOKENS * 15.0) / 1e6
"""The cost of the reply that puts a video into the cache, and of one that finds it there."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in {**LOOPBACK, "ANTHROPIC_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    with serve() as api:
        yield api


@pytest.fixture
def prices(tmp_path: Path) -> str:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"tiny": PRICE}), encoding="utf-8")
    return str(file)


def bodies(api: Api) -> list[dict[str, Any]]:
    return [json.loads(hit.body) for hit in api.log]


def named(name: str) -> Refuse:
    """A refusal as Anthropic writes it: the parameter is named in the text alone."""
    message = f"`{name}` is not supported by this model."
    return Refuse(status=400, error={"type": "invalid_request_error", "message": message})


def test_every_request_is_accounted_for_whatever_the_server_does(
    vicabench: Vicabench, api: Api, prices: str, tmp_path: Path
) -> None:
    rooms = write_rooms(tmp_path / "rooms")
    declined = {"stop_details": {"type": "refusal", "explanation": f"Not this. {KEY}"}}
    api.plan = {
        "(No. 1.)": [Refuse(status=429, headers={"Retry-After": "0"})],
        "(No. 2.)": [Refuse(status=529), RESET, HALF],
        "(No. 3.)": [HANG],
        "(No. 4.)": [Reply(stop="refusal", changed=declined)],
        "(No. 5.)": [Reply(text="", stop="max_tokens")],
        "(No. 6.)": [Reply(text="2 or", stop="max_tokens")],
        "(No. 7.)": [GARBAGE],
        "(No. 8.)": [Reply(whole={"content": "2"})],
        "(No. 9.)": [Refuse(status=413)],
    }
    done = vicabench(
        "run", "--benchmark", rooms / "questions.jsonl", "--model", "anthropic:tiny",
        "--frames", "2", "--base-url", api.address, "--retry-wait", "0.01",
        "--request-timeout", "8", "--prices", prices, "--out", "r",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    ends = [*[""] * 4, "refusal", "empty", "", "malformed", "malformed", "http"]
    assert [kind(r) for r in records[:10]] == ends
    assert {kind(r) for r in records[10:]} == {""}
    assert (records[0]["stop"], records[6]["stop"]) == ("stop", "length")
    assert records[0]["response"] == "2 [key]"  # without the thoughts
    assert records[4]["error"] == "refusal: Not this. [key]"

    counts, videos = totals(tmp_path / "r"), len({r["video"] for r in records})
    paid = len(records) - 3
    assert (counts["sent"], counts["retried"]) == (len(api.log), 1 + 3 + 1)
    assert counts["cache_write_tokens"] == videos * CACHED_TOKENS
    assert counts["cached_tokens"] == (paid - videos) * CACHED_TOKENS
    assert counts["prompt_tokens"] == paid * PROMPT_TOKENS
    assert counts["cost"] == pytest.approx(videos * WRITES + (paid - videos) * READS)
    assert sum(r["usage"].get("cost", 0) for r in records) == pytest.approx(counts["cost"])
    assert records[0]["usage"]["cache_write_tokens"] == CACHED_TOKENS
    assert_no_key(done.stdout + done.stderr, tmp_path / "r")


def test_questions_share_the_frames_by_the_servers_cache(api: Api) -> None:
    with calling("anthropic:tiny", base_url=api.address) as adapter:
        answers = ask(adapter, 4)
        assert adapter.settings["api_version"] == "2023-06-01"
    assert [a.usage and a.usage["cached_tokens"] for a in answers] == [0, *[CACHED_TOKENS] * 3]
    first, *rest = api.log
    assert all(hit.began >= first.replied for hit in rest)
    for body in bodies(api):
        *frames, text = body["messages"][0]["content"]
        assert [part["source"]["media_type"] for part in frames] == ["image/jpeg"] * 4
        assert ["cache_control" in part for part in frames] == [False, False, False, True]
        assert text == {"type": "text", "text": text["text"]}
        assert (body["temperature"], body["max_tokens"]) == (0.0, 1024)


def test_one_question_alone_is_not_written_to_the_cache(api: Api) -> None:
    with calling("anthropic:tiny", base_url=api.address) as adapter:
        ask(adapter, 1)
    assert b"cache_control" not in api.log[0].body


def test_sampling_is_sent_and_what_the_api_lacks_is_refused(api: Api) -> None:
    how = {"temperature": 0.7, "top_p": 0.9, "top_k": 20}
    with calling("anthropic:tiny", base_url=api.address, **how) as adapter:
        assert [a.repeat for a in ask(adapter, 1, repeats=2)] == [0, 1]
    assert {name: bodies(api)[0][name] for name in how} == how
    for name in ("presence_penalty", "repetition_penalty"):
        with pytest.raises(ConfigError, match="--" + name.replace("_", "-")):
            built("anthropic:tiny", base_url=api.address, **{name: 1.1})


def test_only_a_refused_default_is_left_out_and_recorded(api: Api) -> None:
    api.plan = {"(No. 0.)": [named("temperature")]}
    with calling("anthropic:tiny", base_url=api.address, max_retries=0) as adapter:
        answers = ask(adapter, 3)
    assert [a.usage and a.usage["without"] for a in answers] == ["temperature"] * 3
    assert ["temperature" in body for body in bodies(api)] == [True, False, False, False]
    both = named("temperature` and `top_p")  # of two, the one that was asked for is kept
    api.plan = {"(No. 0.)": [both]}
    with calling("anthropic:tiny", base_url=api.address, top_p=0.9) as adapter:
        (answer,) = ask(adapter, 1)
    assert answer.usage
    assert answer.usage["without"] == "temperature"
    assert bodies(api)[-1]["top_p"] == 0.9
    api.plan = {"(No. 0.)": [named("top_k")]}
    with (
        calling("anthropic:tiny", base_url=api.address, top_k=20) as adapter,
        pytest.raises(ConfigError, match="does not accept --top-k: `top_k` is not supported"),
    ):
        ask(adapter, 2)


def test_a_budget_needs_the_price_of_writing_to_the_cache(
    api: Api, prices: str, tmp_path: Path
) -> None:
    with calling("anthropic:tiny", base_url=api.address, prices=prices, max_cost=0.01) as adapter:
        answers = ask(adapter, 5)
        assert adapter.calls["cost"] <= 0.01
    assert [kind(a) for a in answers] == ["", "", "", "budget", "budget"]
    with calling("anthropic:tiny", base_url=api.address, max_requests=2) as adapter:
        assert [kind(a) for a in ask(adapter, 4)].count("budget") == 2
    (tmp_path / "old.json").write_text('{"tiny": {"input": 3, "output": 15}}', encoding="utf-8")
    with pytest.raises(ConfigError, match="tiny needs cache_write"):
        built("anthropic:tiny", base_url=api.address, prices=str(tmp_path / "old.json"))


def test_an_endless_body_is_not_read(api: Api) -> None:
    api.plan = {"(No. 0.)": [GZIP], "(No. 1.)": [Reply(whole="x" * (33 << 20))]}
    with calling("anthropic:tiny", base_url=api.address) as adapter:
        packed, endless = ask(adapter, 2)
    assert "compressed (gzip)" in str(packed.error)
    assert "longer than 33,554,432 bytes" in str(endless.error)


def test_a_wrong_or_missing_key_is_reported_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_money = Refuse(status=402, error={"type": "billing_error"})
    for refused in (Refuse(status=401, error={"type": "authentication_error"}), no_money):
        api.plan = {"(No. 0.)": [refused]}
        wrong = pytest.raises(ConfigError, match=r"no, \[key\].*Check the key")
        with calling("anthropic:tiny", base_url=api.address) as adapter, wrong:
            ask(adapter, 3)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    with pytest.raises(ConfigError, match=r"ANTHROPIC_API_KEY.*--base-url"):
        built("anthropic:tiny")
    with calling("anthropic:tiny", base_url=api.address) as adapter:  # your own server needs none
        assert ask(adapter, 1)[0].response == "2 EMPTY"


def test_texts_are_judged_without_frames(api: Api, tmp_path: Path, vicabench: Vicabench) -> None:
    rooms = write_rooms(tmp_path / "rooms")
    done = vicabench(
        "run", "--benchmark", rooms / "questions.jsonl", "--model", "anthropic:tiny",
        "--base-url", api.address, "--text-only", "--limit", "1", "--out", "t",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {len(body["messages"][0]["content"]) for body in bodies(api)} == {1}
