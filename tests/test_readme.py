"""The Python in the READMEs runs as it stands, with a tiny checkpoint and a clip of ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from vica.tiny import write_tiny_checkpoint

from tests.videos import write_clip

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands in for the names in the READMEs; replies end after three tokens."""
    folder = tmp_path_factory.mktemp("readme")
    tiny, clip = write_tiny_checkpoint(folder / "tiny"), write_clip(folder / "clip.mp4")
    settings = tiny / "generation_config.json"
    stated = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({**stated, "max_new_tokens": 3}), encoding="utf-8")
    return {"nkkbr/ViCA2": str(tiny), "room.mp4": str(clip), '"cuda"': '"cpu"'}


@pytest.mark.parametrize("readme", ["README.md", "models/README.md"])
def test_the_python_of_a_readme_prints_a_reply_to_every_question(
    names: dict[str, str], capsys: pytest.CaptureFixture[str], readme: str
) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    # Training needs the published data; tests/vica/training has its own.
    code = "\n".join(block for block in blocks if "vica.training" not in block)
    for name, here in names.items():
        assert name in code
        code = code.replace(name, here)
    found: dict[str, object] = {}
    exec(code, found)
    prompts, predictor, video = (found[name] for name in ("prompts", "predictor", "video"))
    first, *_ = replies = predictor.answer(video, prompts)  # type: ignore[attr-defined]
    # What the second way in models/README.md says is what the first says to the same prompt.
    again = [first] if "batch_decode" in code else []
    assert capsys.readouterr().out == "".join(f"{reply.text}\n" for reply in [*replies, *again])
