"""`vicabench doctor` on this machine, and on this machine with something broken."""

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from vica.sizes import vica2_7b, vica_7b
from vica.training.skeleton import skeleton

from tests.support import Vicabench
from vicabench.doctor.devices import PARAMETERS
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


def test_a_healthy_machine_is_examined_without_a_word_about_secrets(
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
    found = findings(done.stdout)
    assert found["decoders pyav"]["state"] == "ok"
    assert found["hub address"]["facts"] == {"host": hub.removeprefix("http://"), "reached": True}
    assert found["hub token"]["facts"] == {"set": True}
    assert found["caches frames"]["facts"]["bytes"] == 1234
    assert found["caches hub"]["facts"] == {
        "folder": str(tmp_path / "hf" / "hub"), "bytes": 0, "counted_all": True
    }  # fmt: skip
    assert found["devices cpu"]["state"] == "ok"
    assert found["devices torch"]["facts"]["devices"][-1]["dtypes"]["float32"] is None


BREAKS = "import os\nos.write(2, b'driver on fire\\n')\nos.abort()\n"


def test_what_is_broken_is_said_and_takes_nothing_else_down(
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
    assert "torch is installed and does not work: driver on fire" in text
    assert "127.0.0.1:9 cannot be reached" in text
    assert "signal 6" in text
    assert "ok pyav" in text
    assert "Nothing that vicabench needs is broken." in text


def test_without_any_decoder_it_is_ill(vicabench: Vicabench, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    worker = "import os, sys\nif 'decode_worker' in ' '.join(sys.orig_argv): os._exit(3)\n"
    (tmp_path / "broken" / "sitecustomize.py").write_text(worker, encoding="utf-8")
    path = ":".join([str(tmp_path / "broken"), *filter(None, sys.path)])
    done = vicabench("doctor", "--json", PYTHONPATH=path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    found = findings(done.stdout)
    assert found["decoders pyav"]["state"] == "broken"
    assert found["hub address"]["facts"]["reached"] is None


def test_the_sizes_it_tells_are_those_of_the_published_models() -> None:
    counted = {
        name: sum(p.numel() for p in skeleton(build()).parameters())
        for name, build in {"ViCA-7B": vica_7b, "ViCA2-7B": vica2_7b}.items()
    }
    assert counted == PARAMETERS
    assert [size(n) for n in (0, 999, 1000, 99_960, 2 * PARAMETERS["ViCA-7B"])] == [
        "0 B", "999 B", "1.0 kB", "100.0 kB", "16.1 GB"
    ]  # fmt: skip
