"""`vicabench scaling-curve` with checkpoints from a hub: downloaded ahead, deleted again."""

import json
from pathlib import Path

from vica.tiny import write_tiny_checkpoint

from tests import hub as hubs
from tests.hostile import set_traps
from tests.support import Vicabench, rows_about, write_jsonl
from tests.videos import write_clip

ASKED = ("--benchmark", "q.jsonl", "--frames", "2", "--max-new-tokens", "1", "--device", "cpu")


def published(place: Path, seed: int) -> dict[str, bytes]:
    folder = write_tiny_checkpoint(place / f"seed{seed}", seed=seed)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def snapshots(home: Path) -> set[str]:
    return {path.parent.parent.name for path in home.glob("hub/models--*/snapshots/*")}


def test_evict_deletes_only_what_the_command_downloaded(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    home = tmp_path / "hf"
    set_traps(tmp_path, tmp_path / "sprung")  # it downloads ahead in another process
    write_clip(tmp_path / "clip0.mp4", frames=4)
    write_jsonl(tmp_path / "q.jsonl", rows_about(1)[:2])
    repos = {
        f"models/lab/T{end}": published(tmp_path, n) for n, end in enumerate(("-5p", "-50p", ""))
    }
    with hubs.serve(repos) as hub:
        env = hub.environment(home)
        assert vicabench("models", "fetch", "lab/T-5p", **env).returncode == 0
        models = ("--models", "lab/T-5p", "lab/T-50p", "lab/T")
        done = vicabench("scaling-curve", *ASKED, "--evict", "--format", "svg", *models, **env)
        assert done.returncode == 0, done.stderr
        assert snapshots(home) == {"models--lab--T-5p"}
        points = json.loads((tmp_path / "curves" / "curve.json").read_text(encoding="utf-8"))
        assert [p["percent"] for p in points["series"][0]["points"]] == [5, 50, 100]

        # As if the last start had been killed before it deleted one; the other is the reader's.
        for name in ("lab/T-50p", "lab/T"):
            assert vicabench("models", "fetch", name, **env).returncode == 0
        (tmp_path / "curves" / "cache-before.json").write_text('{"lab/T-50p": []}')
        again = vicabench("scaling-curve", *ASKED, "--evict", "--format", "svg", *models, **env)
        assert again.returncode == 0, again.stderr
        assert snapshots(home) == {"models--lab--T-5p", "models--lab--T"}
    assert not (tmp_path / "sprung").exists()
