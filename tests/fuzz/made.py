"""What is fed to readers: good input with something wrong in it, and how much of it is tried.

`FUZZ_EXAMPLES=2000` (`nox -s fuzz`) tries other examples every time, and that many; without it the
same few are tried, so that a failure is never an accident.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

fuzzed = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [
        "",
        " ",
        "\ud800",
        "\x00",
        "\x1b[2J",
        "../../x",
        "/etc/passwd",
        "NaN",
        "1e999",
        "-0",
        "٣",
        "1_0",
    ]
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(10**4000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: Callable[..., Any], good: Any) -> Any:
    """A JSON value with up to three of its members, at any depth, replaced, added or left out."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        place = value
        while True:
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys)) if keys else None
            inner = place[key] if key is not None else None
            if not (isinstance(inner, dict | list) and inner and draw(st.booleans())):
                break
            place = inner
        if key is not None and draw(st.booleans()):
            place[key] = draw(values)
        elif key is not None and draw(st.booleans()):
            del place[key]
        elif isinstance(place, dict):
            place[draw(texts)] = draw(values)
        else:
            place.append(draw(values))
    return value


@st.composite
def torn(draw: Callable[..., Any], good: bytes) -> bytes:
    """Bytes with a part of them cut out, doubled, or replaced by others."""
    start, stop = sorted(draw(st.tuples(*2 * [st.integers(0, len(good))])))
    middle = draw(st.just(b"") | st.just(2 * good[start:stop]) | st.binary(max_size=40) | BLOWS)
    return bytes(good[:start] + middle + good[stop:])


BLOWS = st.sampled_from(
    [b"[" * 100_000, b'{"a":' * 20_000, b"9" * 5000, b"\x00" * 100, b"\xff\xfe", b"\n" * 50, b"NaN"]
)


def line_of(value: Any) -> bytes:
    """A line of JSON as any program may write it; NaN and surrogates included."""
    return json.dumps(value).encode() + b"\n"
