"""`openai:MODEL`: the real client against a misbehaving server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.calling import (
    COST,
    LOOPBACK,
    PRICE,
    ask,
    assert_no_key,
    built,
    calling,
    delivered,
    kind,
    totals,
    write_rooms,
)
from tests.apis import (
    CACHED_TOKENS,
    DRIP,
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
from tests.support import Vicabench, read_jsonl, refuses
from vicabench.errors import ConfigError

ENVIRONMENT = {**LOOPBACK, "OPENAI_API_KEY": KEY}
WRONG_KEY = Refuse(status=401, error={"code": "invalid_api_key"})


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rooms(tmp_path_factory.mktemp("rooms"))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with serve() as api:
        yield api


def command(rooms: Path, api: Api, *more: str | Path) -> tuple[str | Path, ...]:
    return (
        "run", "--benchmark", rooms / "questions.jsonl", "--model", "openai:tiny",
        "--base-url", f"{api.address}/v1", "--frames", "2", "--image-size", "48",
        "--retry-wait", "0.01", "--out", "r", *more,
    )  # fmt: skip


def test_every_request_is_accounted_for_whatever_the_server_does(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
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
        [Reply(changed={"refusal": f"I will not. {KEY}", "content": None})],
        [Reply(text="half a", stop="content_filter")],
        [Reply(text="")],
        [Reply(text=" \n", stop="length")],
        [Reply(whole={"choices": []})],
        [Reply(changed={"content": ["2"]})],
        [Refuse(status=500)] * 4,
        [Refuse(status=400, error={"code": "context_length_exceeded"})],
    ]
    bad = ["malformed", "refusal", "filtered", "empty", "empty", *["malformed"] * 2, *["http"] * 2]
    api.plan = {f"(No. {place}.)": plan for place, plan in enumerate(plans)}
    limits = ("--max-retries", "3", "--request-timeout", "8", "--prices", rooms / "prices.json")
    done = vicabench(*command(rooms, api, *limits))
    assert done.returncode == 1, done.stderr
    assert "openai:tiny" in done.stdout

    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert [kind(r) for r in records[:18]] == [""] * 9 + bad
    assert [r["stop"] for r in records[:9]] == ["stop"] * 8 + ["length"]
    assert {kind(r) for r in records[18:]} == {""}
    assert "(4 attempts)" in records[16]["error"]

    sent, paid = len(api.log), delivered(api.log)
    assert sent == len(records) + 13
    assert totals(tmp_path / "r") == {
        "sent": sent,
        "retried": sum(hit.number > 1 for hit in api.log),
        "answered": len(records) - len(bad),
        "failed": len(bad),
        "unsent": 0,
        "prompt_tokens": PROMPT_TOKENS * paid,
        "cached_tokens": CACHED_TOKENS * paid,
        "cache_write_tokens": 0,
        "new_tokens": NEW_TOKENS * paid,
        "cost": pytest.approx(COST * paid),
        **{f"price_{name}": price for name, price in PRICE.items()},
    }
    assert sum(r["usage"]["attempts"] for r in records) == sent
    assert sum(r["usage"].get("cost", 0) for r in records) == pytest.approx(COST * paid)
    assert {r["usage"]["served_by"] for r in records if not r["error"]} == {"tiny-2026-11-01"}
    assert f"{sent} requests sent, 13 of them again; 9 calls failed" in done.stderr
    assert f"cost {COST * paid:,.4f}" in done.stderr
    assert_no_key(done.stdout + done.stderr, tmp_path)


def test_a_spent_budget_keeps_answers_and_a_larger_one_continues(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    done = vicabench(*command(rooms, api, "--max-requests", "5"))
    assert done.returncode == 1
    assert "incomplete, so without a score: 5 of" in done.stdout
    assert not re.search(r"\d\.\d", done.stdout)
    assert len(api.log) == 5
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    errors = [r["error"] for r in records if r["error"]]
    assert set(errors) == {"budget: --max-requests allows 5 requests"}
    assert len(errors) == len(records) - 5
    counts = totals(tmp_path / "r")
    assert (counts["sent"], counts["unsent"], counts["cost"]) == (5, len(errors), None)
    assert "cost unknown" in done.stderr

    assert vicabench(*command(rooms, api, "--retry-errors")).returncode == 0
    assert len({hit.question for hit in api.log}) == len(api.log) == len(records)


def test_ctrl_c_keeps_the_paid_answers_of_the_current_video(
    vicabench: Vicabench, rooms: Path, api: Api, tmp_path: Path
) -> None:
    words = "(No. 1.)"  # asked after the first reply, and never answered
    api.plan = {f"(No. {n}.)": [HANG] for n in range(1, 20)}
    process = subprocess.Popen(
        [sys.executable, "-m", "vicabench", *map(str, command(rooms, api))],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    while process.poll() is None and not any(words in hit.question for hit in api.log):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (record,) = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert (record["response"], record["usage"]["attempts"]) == ("2 [key]", 1)
    assert "r keeps 1 of" in err
    api.plan, asked = {}, len(api.log)
    assert vicabench(*command(rooms, api)).returncode == 0
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    assert records[0] == record
    assert len({record["id"] for record in records}) == len(records)
    assert len(api.log) - asked == len(records) - 1


def test_spending_stays_within_the_budget(api: Api, rooms: Path) -> None:
    prices = {"max_cost": 8.5 * COST, "prices": str(rooms / "prices.yaml")}
    with calling("openai:tiny", base_url=api.address, **prices) as adapter:
        answers = ask(adapter, 12)
        assert adapter.stopped
        assert adapter.calls["cost"] == pytest.approx(COST * len(api.log))
    # Calls under way count as spent but are waited for, so the whole budget is used.
    assert len(api.log) == 8
    assert [kind(a) for a in answers].count("budget") == 12 - len(api.log)
    api.log.clear()
    api.plan = {"(No. 0.)": [Refuse(status=400)]}  # does not show what the others will cost
    with calling("openai:tiny", base_url=api.address, **prices | {"max_cost": COST}) as adapter:
        assert [kind(a) for a in ask(adapter, 5)].count("budget") == 3
    assert len(api.log) == 2


def test_questions_share_a_prefix_and_the_first_is_sent_alone(api: Api) -> None:
    with calling("openai:tiny", base_url=api.address, concurrency=3, image_size=24) as adapter:
        assert all(a.error is None for a in ask(adapter, 9))
        settings = adapter.settings
    assert (settings["image_size"], settings["jpeg_quality"]) == (24, 90)
    assert settings["endpoint"] == api.address
    (prefix,) = {h.body[h.body.index(b'"messages"') : h.body.rindex(b'{"type')] for h in api.log}
    assert prefix.count(b"data:image/jpeg;base64,/9j/") == 4
    first, *rest = api.log
    assert all(hit.began >= first.replied for hit in rest)
    assert max(sum(h.began <= hit.began < h.ended for h in rest) for hit in rest) <= 3
    request = json.loads(first.body)
    assert (request["temperature"], request["seed"], request["max_tokens"]) == (0.0, 7, 1024)
    assert first.question.endswith("Do not response anything other than a single number!")


def test_refused_parameters_are_left_out_and_recorded(api: Api) -> None:
    def refused(name: str, code: str) -> Refuse:
        return Refuse(status=400, error={"code": code, "param": name})

    unsupported = refused("max_tokens", "unsupported_parameter")
    api.plan = {"(No. 0.)": [refused("temperature", "unsupported_value"), unsupported]}
    with calling("openai:o", base_url=api.address, max_retries=0) as adapter:
        answers = ask(adapter, 3)
    assert [a.usage and a.usage["without"] for a in answers] == ["temperature"] * 3
    assert len(api.log) == 5
    for hit in api.log[2:]:
        request = json.loads(hit.body)
        assert request["max_completion_tokens"] == 1024
        assert not {"temperature", "max_tokens"} & request.keys()


def test_sampling_is_sent_as_servers_document_it(api: Api) -> None:
    how = {"temperature": 0.7, "top_p": 0.9, "presence_penalty": 1.5}
    more = {"top_k": 20, "repetition_penalty": 1.05}
    with calling("openai:tiny", base_url=api.address, **how, **more) as adapter:
        ask(adapter, 1)
        assert adapter.settings["sampling"] == {
            **how, **more, "seed": 7, "if refused": "left out",
        }  # fmt: skip
    request = json.loads(api.log[0].body)
    assert {name: request[name] for name in (*how, *more)} == {**how, **more}


def test_sampling_that_was_asked_for_is_never_left_out(api: Api) -> None:
    error = {"code": "unsupported_value", "param": "temperature", "message": "Only 1."}
    api.plan = {"(No. 0.)": [Refuse(status=400, error=error)]}
    with (
        calling("openai:o", base_url=api.address, temperature=0.7) as adapter,
        pytest.raises(ConfigError, match=r"does not accept --temperature: Only 1\."),
    ):
        ask(adapter, 2)
    assert len(api.log) == 1


def test_each_repeat_has_its_own_seed(api: Api) -> None:
    with calling("openai:tiny", base_url=api.address, temperature=1.0) as adapter:
        answers = ask(adapter, 2, repeats=3)
    assert [a.repeat for a in answers] == [0, 1, 2] * 2
    assert sorted(json.loads(hit.body)["seed"] for hit in api.log) == [7, 7, 8, 8, 9, 9]


def test_a_shortened_message_contains_no_part_of_a_key(api: Api) -> None:
    for place in (480, 496):
        api.plan = {"(No. 0.)": [Refuse(status=400, error={"message": "x" * place + KEY})]}
        with calling("openai:tiny", base_url=api.address) as adapter:
            (answer,) = ask(adapter, 1)
        assert kind(answer) == "http"
        assert KEY[:3] not in str(answer.error)


def test_an_endless_body_is_not_read(api: Api) -> None:
    long = Reply(whole={"choices": "x" * (33 << 20)})
    api.plan = {"(No. 0.)": [GZIP], "(No. 1.)": [long]}
    with calling("openai:tiny", base_url=api.address) as adapter:
        packed, endless, good = ask(adapter, 3)
    assert packed.error == "malformed: the reply is compressed (gzip), which was not requested"
    assert endless.error == "malformed: the reply is longer than 33,554,432 bytes"
    assert good.response
    assert len(api.log) == 3


def test_a_refused_key_stops_the_run_or_fails_the_rest(api: Api) -> None:
    api.plan = {"(No. 0.)": [WRONG_KEY], "(No. 2.)": [WRONG_KEY]}
    with calling("openai:tiny", base_url=api.address, concurrency=1) as adapter:
        with pytest.raises(ConfigError, match=r"401: no, \[key\].*Check the key"):
            ask(adapter, 4)
        assert len(api.log) == 1
    with calling("openai:tiny", base_url=api.address, concurrency=1) as adapter:
        answers = ask(adapter, 5)  # the later ones are not sent
    assert [kind(a) for a in answers] == ["", "", "http", "http", "http"]
    assert len(api.log) == 1 + 3


def test_three_forbidden_prompts_end_the_run(api: Api) -> None:
    forbidden = Refuse(status=403, error={"message": "flagged"})
    api.plan = {f"(No. {n}.)": [forbidden] for n in (0, 1)}
    with calling("openai:tiny", base_url=api.address, concurrency=1) as adapter:
        assert [kind(a) for a in ask(adapter, 4)] == ["http", "http", "", ""]
    api.plan = {f"(No. {n}.)": [forbidden] for n in range(4)}
    with (
        calling("openai:tiny", base_url=api.address, concurrency=1) as adapter,
        pytest.raises(ConfigError, match=r"403: flagged.*Check the key"),
    ):
        ask(adapter, 4)
    assert len(api.log) == 4 + 3


def test_all_calls_pause_when_a_server_asks_for_it(api: Api) -> None:
    pause = Refuse(status=429, headers={"retry-after-ms": "300"})
    api.plan = {"(No. 1.)": [pause]}
    with calling("openai:tiny", base_url=api.address, concurrency=1) as adapter:
        ask(adapter, 4)
    refused = next(hit for hit in api.log if "(No. 1.)" in hit.question)
    later = api.log[api.log.index(refused) + 1 :]
    assert len(later) == 3
    assert all(hit.began >= refused.replied + 0.29 for hit in later)


def test_a_too_long_pause_ends_the_run(api: Api) -> None:
    api.plan = {"(No. 1.)": [Refuse(status=429, headers={"Retry-After": "86400"})]}
    with calling("openai:tiny", base_url=api.address, concurrency=1) as adapter:
        answers = ask(adapter, 4)
        assert "86,400 seconds" in str(adapter.stopped)
    assert [kind(a) for a in answers] == ["", "http", "http", "http"]
    assert len(api.log) == 2
    api.plan = {"(No. 0.)": [Refuse(status=429, headers={"Retry-After": "601"})]}
    with calling("openai:tiny", base_url=api.address) as adapter, pytest.raises(ConfigError) as no:
        ask(adapter, 1)
    assert "in 601 seconds" in str(no.value)
    assert str(no.value).endswith("Repeat the same command after that time.")


def test_a_cost_limit_needs_a_server_that_counts_tokens(api: Api, rooms: Path) -> None:
    choice = {"message": {"content": "2"}, "finish_reason": "stop"}
    api.plan = {"(No. 0.)": [Reply(whole={"choices": [choice], "usage": {"prompt_tokens": -1}})]}
    options = {"max_cost": 1.0, "prices": str(rooms / "prices.json")}
    with calling("openai:tiny", base_url=api.address, **options) as adapter:
        assert [kind(a) for a in ask(adapter, 3)] == ["", "budget", "budget"]
        assert adapter.calls["cost"] is None


def test_invalid_options_are_refused_before_anything_is_sent(
    vicabench: Vicabench, rooms: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = api.address.replace("http://", f"http://user:{KEY}@")
    done = vicabench(*command(rooms, api, "--base-url", secret))
    refuses(done, "must not contain a user, password")
    assert KEY not in done.stderr
    prices, bad = str(rooms / "prices.json"), rooms / "bad.yaml"
    bad.write_text("tiny: [", encoding="utf-8")
    for words, spec, options in (
        (
            "must not contain a user, password",
            "openai:tiny",
            {"base_url": f"{api.address}?key={KEY}"},
        ),
        ("such as http://", "openai:tiny", {"base_url": "localhost:8000"}),
        ("--prices FILE", "openai:tiny", {"max_cost": 1.0}),
        ("no price for huge", "openai:huge", {"prices": prices}),
        ("cannot be read", "openai:tiny", {"prices": prices + "x"}),
        ("is not YAML", "openai:tiny", {"prices": str(bad)}),
        ("--as-frames", "openai:tiny", {"as_frames": True}),
        ("--attention", "openai:tiny", {"attention": "eager"}),
        ("--base-url", "baseline:random", {"base_url": api.address}),
        ("which model", "openai:", {}),
    ):
        with pytest.raises(ConfigError, match=words):
            built(spec, **options)
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY.*--base-url"):
        built("openai:tiny")
    assert api.log == []
    with calling("openai:tiny", base_url=api.address) as adapter:  # your own server needs no key
        assert ask(adapter, 1)[0].response == "2 EMPTY"
