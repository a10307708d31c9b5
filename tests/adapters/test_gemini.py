"""`gemini:MODEL`: Google's client against a misbehaving server."""

from __future__ import annotations

import json
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
    GARBAGE,
    GZIP,
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
from tests.support import Vicabench, read_jsonl, write_jsonl
from tests.videos import write_clip
from vicabench.errors import ConfigError

ENVIRONMENT = {**LOOPBACK, "GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": ""}
SOON = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with serve() as api:
        yield api


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "zimmer-ü.mp4")


def shown(hit: Hit) -> list[dict[str, Any]]:
    """The parts of the message in a request."""
    parts: list[dict[str, Any]] = json.loads(hit.body)["contents"][0]["parts"]
    return parts


def test_a_video_is_uploaded_once_deleted_and_accounted_for(
    vicabench: Vicabench, api: Api, tmp_path: Path
) -> None:
    rooms = write_rooms(tmp_path / "rooms")
    api.looks = 3
    api.plan = {
        "upload start": [Refuse(status=500)],
        "upload bytes": [HALF, Refuse(status=503)],  # the file is stored, but not acknowledged
        "get": [Refuse(status=500), RESET],
        "(No. 1.)": [Refuse(status=429, error={"details": [SOON]})],
        "(No. 2.)": [Reply(stop="SAFETY")],
        "(No. 3.)": [GARBAGE],
        "(No. 4.)": [HANG],
        "(No. 5.)": [Reply(whole={"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})],
        "(No. 6.)": [Reply(text="", stop="MAX_TOKENS")],
        "(No. 7.)": [Reply(text="2 or", stop="MAX_TOKENS")],
        "delete": [Refuse(status=500), Refuse(status=403)],
    }
    done = vicabench(
        "run", "--benchmark", rooms / "questions.jsonl", "--model", "gemini:tiny", "--frames", "4",
        "--base-url", api.address, "--retry-wait", "0.01", "--request-timeout", "8",
        "--prices", rooms / "prices.json", "--out", "r",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    ends = ["", "", "filtered", "malformed", "", "filtered", "empty", ""]
    assert [kind(r) for r in records[:8]] == ends
    assert {kind(r) for r in records[8:]} == {""}
    assert (records[0]["stop"], records[7]["stop"]) == ("stop", "length")

    counts, paid = totals(tmp_path / "r"), delivered(api.log)
    generated = [hit for hit in api.log if hit.path.endswith("tiny:generateContent")]
    retries = sum(hit.number > 1 for hit in generated)
    assert sum(r["usage"]["attempts"] for r in records) == len(generated) == len(records) + retries
    assert counts["sent"] == len(api.log)
    # Three failed uploads, the last two with two requests each; two polls; one deletion.
    assert counts["retried"] == retries + 6 + 2 + 1
    assert (counts["answered"], counts["failed"]) == (len(records) - 4, 4)
    assert counts["cost"] == pytest.approx(COST * paid)
    stored = {shown(hit)[0]["fileData"]["file_uri"] for hit in generated}
    assert len(stored) == 2  # one file per video, in spite of the failures
    assert api.files == {}
    assert_no_key(done.stdout + done.stderr, tmp_path / "r")


def test_gemini_gets_the_whole_file_and_a_frame_rate(api: Api, clip: Path) -> None:
    api.plan = {"delete": [Refuse(status=400)]}
    with calling("gemini:tiny", base_url=api.address) as adapter:
        answer = ask(adapter, 1, clip)[0]
        assert "whole file" in adapter.settings["video"]
    start, content, *_ = api.about("upload")
    assert content.body == clip.read_bytes()
    assert "zimmer" not in start.body.decode()  # file names may be private
    (hit,) = api.about("generateContent")
    part, text = shown(hit)
    assert part["fileData"]["mime_type"] == "video/mp4"
    assert part["videoMetadata"]["fps"] == 4 / 2.0
    assert text["text"].startswith("These are frames of a video.\n(No. 0.)")
    config = json.loads(hit.body)["generationConfig"]
    assert (config["temperature"], config["seed"], config["maxOutputTokens"]) == (0.0, 7, 1024)
    # Thoughts are charged like the reply, and counted with it.
    assert (answer.prompt_tokens, answer.new_tokens) == (1000, 10)
    assert answer.response == "2 [key]"


def test_sampling_is_sent_and_what_gemini_lacks_is_refused(api: Api, clip: Path) -> None:
    how = {"temperature": 0.7, "top_p": 0.9, "top_k": 20, "presence_penalty": 1.5}
    with calling("gemini:tiny", base_url=api.address, **how) as adapter:
        assert [a.repeat for a in ask(adapter, 1, clip, repeats=2)] == [0, 1]
    first, second = (json.loads(h.body)["generationConfig"] for h in api.about("generateContent"))
    names = ("temperature", "topP", "topK", "presencePenalty")
    assert [first[name] for name in names] == [*how.values()]
    assert (first["seed"], second["seed"]) == (7, 8)
    with pytest.raises(ConfigError, match="--repetition-penalty"):
        built("gemini:tiny", base_url=api.address, repetition_penalty=1.1)


def test_an_unprocessable_video_fails_and_is_deleted(api: Api, clip: Path) -> None:
    api.state = "FAILED"
    with calling("gemini:tiny", base_url=api.address) as adapter:
        answers = ask(adapter, 3, clip)
    assert [kind(a) for a in answers] == ["upload"] * 3
    assert "not a video, [key]" in str(answers[0].error)
    api.state, api.looks = "ACTIVE", 10**9
    with calling("gemini:tiny", base_url=api.address, request_timeout=0.3) as adapter:
        assert "still being processed" in str(ask(adapter, 1, clip)[0].error)
    assert api.about("generateContent") == []
    assert api.files == {}


def test_a_video_is_not_sent_to_another_host(api: Api, clip: Path) -> None:
    api.upload_host = "localhost"
    with calling("gemini:tiny", base_url=api.address) as adapter:
        (answer,) = ask(adapter, 1, clip)
    assert answer.error == "upload: the server wants it sent to another host (localhost)"
    assert not any(clip.read_bytes()[:99] in hit.body for hit in api.log)


def test_an_endless_body_is_not_read(api: Api, clip: Path) -> None:
    api.plan = {"(No. 0.)": [GZIP], "(No. 1.)": [Reply(whole="x" * (33 << 20))]}
    with calling("gemini:tiny", base_url=api.address) as adapter:
        packed, endless = ask(adapter, 2, clip)
    assert "compressed (gzip)" in str(packed.error)
    assert "longer than 33,554,432 bytes" in str(endless.error)


def test_uploads_are_deleted_when_the_budget_is_spent(api: Api, clip: Path) -> None:
    with calling("gemini:tiny", base_url=api.address, max_requests=5) as adapter:
        answers = ask(adapter, 4, clip)  # two for the upload, one poll, two questions
        assert [kind(a) for a in answers].count("budget") == 2
        assert adapter.calls["sent"] == len(api.log) == 5 + 1
    assert api.files == {}


def test_a_blocked_prompt_costs_tokens_and_stops_nothing(
    api: Api, clip: Path, tmp_path: Path
) -> None:
    counted = {"promptTokenCount": PROMPT_TOKENS, "totalTokenCount": PROMPT_TOKENS}
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": counted}
    api.plan = {"(No. 1.)": [Reply(whole=blocked)]}
    prices = tmp_path / "prices.yaml"
    prices.write_text("tiny: {input: 2.0, output: 10.0}", encoding="utf-8")
    options = {"max_cost": 9.0, "prices": str(prices), "concurrency": 1}
    with calling("gemini:tiny", base_url=api.address, **options) as adapter:
        assert [kind(a) for a in ask(adapter, 4, clip)] == ["", "filtered", "", ""]
        assert adapter.stopped is None
        assert adapter.calls["prompt_tokens"] == 4 * PROMPT_TOKENS
        assert adapter.calls["cost"] == pytest.approx(
            (4 * PROMPT_TOKENS * 2.0 + 3 * NEW_TOKENS * 10.0) / 1e6
        )


def test_an_interrupted_run_deletes_its_uploads(api: Api, clip: Path, tmp_path: Path) -> None:
    row = {"id": 1, "video": clip.name, "question_type": "object_counting"}
    rows = [{**row, "question": "How many?", "options": None, "ground_truth": "2"}]
    write_jsonl(tmp_path / "q.jsonl", rows)
    api.plan = {"How many?": [HANG]}
    command = (
        "run", "--benchmark", "q.jsonl", "--videos", clip.parent, "--model", "gemini:tiny",
        "--base-url", api.address, "--retry-wait", "0.01", "--out", "r",
    )  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "vicabench", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    while process.poll() is None and not api.about("generateContent"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "repeat the same command to continue" in err
    assert api.about("upload")
    assert api.files == {}


def test_frames_can_be_sent_instead(api: Api, clip: Path) -> None:
    with calling("gemini:tiny", base_url=api.address, as_frames=True) as adapter:
        assert [a.error for a in ask(adapter, 3, clip)] == [None] * 3
    assert api.about("upload") == []
    (prefix,) = {h.body[: h.body.index(b'"text"')] for h in api.log}
    assert prefix.count(b"image/jpeg") == 4
    with pytest.raises(ConfigError, match="--image-size"):
        built("gemini:tiny", base_url=api.address, image_size=64)


def test_a_wrong_or_missing_key_is_reported_at_once(
    api: Api, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.plan = {"upload start": [Refuse(status=400, error={"details": [BAD_KEY]})]}
    wrong = pytest.raises(ConfigError, match=r"401: no, \[key\].*Check the key")
    with calling("gemini:tiny", base_url=api.address) as adapter, wrong:
        ask(adapter, 3, clip)
    monkeypatch.setenv("GEMINI_API_KEY", "")
    with pytest.raises(ConfigError, match="GEMINI_API_KEY"):
        built("gemini:tiny")
