"""`--model vllm:...` beside `hf:`, with a real vLLM: `nox -s vllm`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.test_hf_video import FOLDER, OPERATORS, SCRIPT
from tests.adapters.vllm_models import CONFIGS, write_vllm_model
from tests.support import read_jsonl
from tests.videos import write_clip
from vicabench.rooms.build import build as build_rooms

pytestmark = pytest.mark.vllm
BOTH = f"{OPERATORS}\nfrom tests.adapters.vllm_both import main\n\nmain(*sys.argv[1:])"
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([FOLDER, str(Path(__file__).parents[2])]),
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "COLUMNS": "200",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    for name in CONFIGS:
        write_vllm_model(folder / name, name)
    write_clip(folder / "clip.mp4", frames=40, size=(448, 336))
    build_rooms(folder / "rooms", scenes=2, seed=7, width=448, height=336, fps=1, workers=1)
    return folder


def python(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CONFIGS)
def test_prompts_and_log_probabilities_are_those_of_hf(place: Path, name: str) -> None:
    found = json.loads(python(place, "-c", BOTH, name, "clip.mp4").splitlines()[-1])
    for each in ("prompts", "ids", "texts", "stops"):
        assert all(found[each]), each
    assert found["difference"] < 1e-3
    assert found["cached"][0] == 0
    assert min(found["cached"][1:]) >= 128  # a block
    assert set(found["errors"]) == {"long", "odd"}
    assert "maximum context length" in found["errors"]["long"]
    assert "placeholder" in found["errors"]["odd"]
    assert found["settings"]["frames_as"] == found["frames_as"] == "video"
    assert {"torch", "transformers"} < set(found["settings"]["versions"])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_ends_in_the_table_of_hf(place: Path, name: str) -> None:
    where = ["--benchmark=rooms/questions.jsonl", "--frames=4", "--max-new-tokens=4"]
    where += ["--dtype=float32", "--format=json"]
    commands = [
        ["run", *where, f"--model=hf:./{name}", f"--out={name}-hf"],
        ["run", *where, f"--model=vllm:./{name}", f"--out={name}-vllm", "--gpu-memory=0.1"],
    ]
    done = python(place, "-c", SCRIPT, json.dumps(commands)).splitlines()
    (code, theirs), (other, ours) = map(json.loads, done[-2:])
    assert code == other == 0
    assert ours.replace(f"vllm:./{name}", "M") == theirs.replace(f"hf:./{name}", "M")
    replies = [
        {line["id"]: line["response"] for line in read_jsonl(place / run / "predictions.jsonl")}
        for run in (f"{name}-hf", f"{name}-vllm")
    ]
    assert replies[0] == replies[1]
    (timing,) = read_jsonl(place / f"{name}-vllm" / "timing.jsonl")
    assert timing["spent"]["tokens"]["cached"] > timing["spent"]["tokens"]["prefill"]
