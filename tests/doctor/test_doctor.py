"""`vicabench doctor` on this machine, and on this machine with something broken."""

import json
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from vica.config import vica2_7b, vica_7b
from vica.training.cost import skeleton

from benchmarks.operations import floor
from tests.support import Vicabench
from vicabench.doctor.devices import OPERATIONS, PARAMETERS, fit, span
from vicabench.doctor.findings import size

SECRET = "hf_aVerySecretToken"


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def findings(text: str) -> dict[str, dict[str, Any]]:
    return {f"{f['section']} {f['name']}": f for f in json.loads(text)["findings"]}


def test_a_healthy_machine_passes_and_no_secret_is_shown(
    vicabench: Vicabench, hub: str, tmp_path: Path
) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "entry").write_bytes(bytes(1234))
    done = vicabench(
        "doctor", "--json", "--frame-cache", "frames", HF_ENDPOINT=hub, HF_TOKEN=SECRET,
        HF_HOME=str(tmp_path / "hf"), VICABENCH_CACHE=str(tmp_path / "none"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout
    assert json.loads(done.stdout)["healthy"] is True
    by_name = findings(done.stdout)
    assert by_name["decoders pyav"]["state"] == "ok"
    assert by_name["hub address"]["facts"] == {"host": hub.removeprefix("http://"), "reached": True}
    assert by_name["hub token"]["facts"] == {"set": True}
    assert by_name["caches frames"]["facts"]["bytes"] == 1234
    assert by_name["caches hub"]["facts"] == {
        "folder": str(tmp_path / "hf" / "hub"), "bytes": 0, "counted_all": True
    }  # fmt: skip
    assert by_name["devices cpu"]["state"] == "ok"
    assert by_name["devices torch"]["facts"]["devices"][-1]["dtypes"]["float32"] is None
    assert by_name["devices torch"]["facts"]["devices"][-1]["operations_per_second"]["float32"] > 0
    assert by_name["extras cluster"]["remedy"] in ("", 'pip install "vicabench[cluster]"')


BREAKS = "import os\nos.write(2, b'driver on fire\\n')\nos.abort()\n"


def test_a_broken_part_is_named_and_does_not_affect_others(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for name in ("torch", "decord"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(BREAKS, encoding="utf-8")
    path = ":".join([str(tmp_path / "broken"), *filter(None, sys.path)])
    address = "http://somebody:password@127.0.0.1:9"  # where nobody listens
    done = vicabench("doctor", PYTHONPATH=path, HF_ENDPOINT=address)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "password" not in done.stdout
    text = " ".join(done.stdout.split())
    assert "torch is installed but does not work: driver on fire" in text
    assert "127.0.0.1:9 cannot be reached" in text
    assert "signal 6" in text
    assert "ok pyav" in text
    assert "Nothing that vicabench needs is broken." in text


def test_outdated_packages_are_named_with_the_command_to_upgrade(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for name, version in (("av", "13.0.0"), ("typer", "0.12.0"), ("safetensors", "0.4.0")):
        info = tmp_path / "old" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    path = ":".join([str(tmp_path / "old"), *filter(None, sys.path)])
    done = vicabench("doctor", "--json", PYTHONPATH=path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    by_name = findings(done.stdout)
    packages, models = by_name["software packages"], by_name["extras models"]
    assert packages["state"] == "broken"
    assert re.match(r"av is 13\.0\.0 \(needs >=.+\), typer is 0\.12\.0 \(", packages["text"])
    assert re.fullmatch(r'pip install "av>=[\d.]+" "typer>=[\d.]+"', packages["remedy"])
    assert models["state"] == "warning"
    assert "safetensors is 0.4.0 (needs >=" in models["text"]


def test_without_any_decoder_vicabench_is_broken(vicabench: Vicabench, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    worker = "import os, sys\nif 'decode_worker' in ' '.join(sys.orig_argv): os._exit(3)\n"
    (tmp_path / "broken" / "sitecustomize.py").write_text(worker, encoding="utf-8")
    path = ":".join([str(tmp_path / "broken"), *filter(None, sys.path)])
    done = vicabench("doctor", "--json", PYTHONPATH=path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    by_name = findings(done.stdout)
    assert by_name["decoders pyav"]["state"] == "broken"
    assert by_name["hub address"]["facts"]["reached"] is None


SIZES = {"ViCA-7B": vica_7b, "ViCA2-7B": vica2_7b}


def test_model_sizes_are_those_of_the_published_models() -> None:
    counted = {
        name: sum(p.numel() for p in skeleton(build()).parameters())
        for name, build in SIZES.items()
    }
    assert counted == PARAMETERS
    assert [size(n) for n in (0, 999, 1000, 99_960, 2 * PARAMETERS["ViCA-7B"])] == [
        "0 B", "999 B", "1.0 kB", "100.0 kB", "16.1 GB"
    ]  # fmt: skip


def test_times_follow_from_operations_and_the_measured_rate() -> None:
    for name, build in SIZES.items():
        took = floor(build(), 64, shared=40, own=[60] * 18, new=4)
        assert OPERATIONS[name] == pytest.approx(took.total, rel=0.01)
    gpu = {"device": "cuda:0", "free_bytes": 20e9}
    fast, _, small = fit({**gpu, "operations_per_second": {"bfloat16": 790e12}})
    # 276.1 TFLOP at 790 TFLOP/s are 0.35 s, 288 times that 101 s.
    assert "fast enough: a video of 64 frames with 18 questions takes 0.3 seconds" in fast.text
    assert "VSI-Bench 1.7 minutes" in fast.text
    assert small.name == "vica2-rooms"
    slow = next(fit({**gpu, "operations_per_second": {"bfloat16": 0.1e12}}))
    assert "slow: " in slow.text
    assert "takes 46 minutes" in slow.text
    assert "VSI-Bench 9.2 days" in slow.text
    tiny = next(fit({**gpu, "free_bytes": 8e9, "operations_per_second": {"bfloat16": 1e14}}))
    assert "do not fit; use a larger device" in tiny.text
    unknown = next(fit({**gpu, "operations_per_second": {"bfloat16": None}}))
    assert "its speed was not measured" in unknown.text
    assert [span(n) for n in (0.04, 89, 90, 5400, 129_600)] == [
        "0.0 seconds", "89 seconds", "1.5 minutes", "1.5 hours", "1.5 days"
    ]  # fmt: skip
