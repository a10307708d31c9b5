"""What is misspelt is refused with the name that was likely meant; tasks may have titles."""

from pathlib import Path

import pytest

from tests import hub as hubs
from tests.support import Vicabench, read_jsonl, refuses, rows_about, write_jsonl

MEANT = {
    "rnu": "run",
    "models lst": "list",
    "run --fraems 3": "--frames",
    "run -m vica2-room -b q.jsonl": "vica2-rooms",
    "run -m vica2-50p -b q.jsonl": "nkkbr/ViCA2-50p",
    "run -m basline:random -b q.jsonl": "baseline:random",
    "run -m baseline:randm -b q.jsonl --no-video": "baseline:random",
    "run -m vica2-rooms -b vsibench": "vsi-bench",
    "run -m vica2-rooms --subset pruend": "pruned",
    "run -m baseline:random -b q.jsonl --no-video --tasks route_planing": "route_planning",
    "run -m baseline:random -b q.jsonl --no-video --tasks Rel.Dist.": "Rel. Dist.",
    "run -m vica2-rooms -b q.jsonl --decoder pyva": "pyav",
    "run -m vica2-rooms -b q.jsonl --executor locl": "local",
    "run -m tiny -b q.jsonl --format latx": "latex",
    "score q.jsonl --protocol oficial": "official",
    "published --task room_size": "room_size_estimation",
    "import lmms_eval q.jsonl -o r": "lmms-eval",
}


@pytest.mark.parametrize("typed", MEANT)
def test_a_misspelt_name_is_refused_with_a_similar_one(
    typed: str, vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(1))
    done = vicabench(*typed.split())
    refuses(done, f"Did you mean {MEANT[typed]}?")


def test_a_misspelt_checkpoint_is_missed_on_the_hub_that_was_asked(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    with hubs.serve({}) as hub:
        env = hub.environment(tmp_path)
        done = vicabench("models", "fetch", "nkkbr/ViCA2-51p", **env)
        refuses(done, "Did you mean nkkbr/ViCA2-5", f"{hub.address}/nkkbr/ViCA2-51p")
        data = vicabench("data", "fetch", "vsi-bench", "--repo", "lab/none", **env)
        refuses(data, f"{hub.address}/datasets/lab/none")
    assert "huggingface.co" not in done.stderr + data.stderr


def test_tasks_may_be_named_as_tables_print_them(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(1))
    command = ("run", "-b", "q.jsonl", "-m", "baseline:random", "--no-video", "-o", "r")
    done = vicabench(*command, "--tasks", "obj. count, Rel. Dir.,Route_Planning")
    assert done.returncode == 0, done.stderr
    asked = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    kinds = {row["question_type"].split("_d")[0] for row in asked}
    assert kinds == {"object_counting", "object_rel", "route_planning"}
