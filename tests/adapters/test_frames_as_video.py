"""`openai: --frames-as video`: one video part of all frames, where the server takes it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from tests.adapters.calling import LOOPBACK, ask, built, calling, kind
from tests.apis import KEY, Api, Refuse, serve
from vicabench.errors import ConfigError


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in {**LOOPBACK, "OPENAI_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    with serve() as api:
        yield api


def test_all_frames_are_one_video_with_their_times(api: Api) -> None:
    options = {"base_url": api.address, "frames_as": "video", "top_k": 20}
    with calling("openai:tiny", **options) as adapter:
        assert [a.error for a in ask(adapter, 3)] == [None] * 3
        assert adapter.settings["frames_as"] == "video"
    bodies = [json.loads(hit.body) for hit in api.log]
    assert len({json.dumps(body["messages"][0]["content"][0]) for body in bodies}) == 1
    (video, text), more = bodies[0]["messages"][0]["content"], bodies[0]["media_io_kwargs"]
    assert (video["type"], text["type"]) == ("video_url", "text")
    form, *jpegs = video["video_url"]["url"].split(",")
    assert form == "data:video/jpeg;base64"
    images = [Image.open(BytesIO(b64decode(jpeg))) for jpeg in jpegs]
    assert [(image.format, image.size) for image in images] == [("JPEG", (40, 30))] * 4
    assert more == {
        "video": {
            "num_frames": 4,
            "fps": 1000,
            "frames_indices": [0, 500, 1000, 1500],
            "total_num_frames": 2000,
            "duration": 2.0,
        }
    }
    assert bodies[0]["top_k"] == 20


def test_a_server_that_takes_no_video_ends_the_run(api: Api) -> None:
    unknown = Refuse(status=400, error={"message": "Unknown part type: video_url"})
    options = {"base_url": api.address, "frames_as": "video", "concurrency": 1}
    api.plan = {f"(No. {n}.)": [unknown] for n in range(5)}
    with (
        calling("openai:tiny", **options) as adapter,
        pytest.raises(ConfigError, match=r"Unknown part type.*leave out --frames-as video"),
    ):
        ask(adapter, 5)
    assert len(api.log) == 3
    api.plan = {"(No. 1.)": [unknown]}  # where others are answered, only the question fails
    with calling("openai:tiny", **options) as adapter:
        assert [kind(a) for a in ask(adapter, 3)] == ["", "http", ""]


def test_openai_itself_and_unknown_ways_are_refused(api: Api) -> None:
    with pytest.raises(ConfigError, match="does not accept --frames-as video"):
        built("openai:tiny", frames_as="video")
    with pytest.raises(ConfigError, match="There is no --frames-as film"):
        built("openai:tiny", base_url=api.address, frames_as="film")
    with pytest.raises(ConfigError, match="--frames-as video: the API takes images alone"):
        built("anthropic:tiny", base_url=api.address, frames_as="video")
