"""What commands say of one video, one question and one run."""

import re
from pathlib import Path

from tests.support import Vicabench, read_jsonl, rows_about, write_jsonl

ONE_OF_MANY = re.compile(r"(?<![\d.,/-])1 (?:[a-z-]+ )?[a-z]{2,}(?<!s)s\b")
BASELINE = ("run", "--benchmark", "q.jsonl", "--no-video", "--model")
COMMANDS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((*BASELINE, "baseline:random", "--out", "random"), "1/1 question"),
    ((*BASELINE, "baseline:oracle", "--out", "oracle"), "for 1 video, 1 question"),
    ((*BASELINE, "baseline:random", "--out", "random"), "1 answer is there already"),
    ((*BASELINE, "baseline:random", "--shard", "1/2", "--out", "part"), "1 video cannot be"),
    (
        (*BASELINE, "baseline:random", "--tasks", "route_planning", "--out", "no"),
        "of 1 in 1 video,",
    ),
    (("compare", "random", "oracle"), ""),
    (("figures", "random", "oracle", "--kind", "differences", "--out", "figures"), ""),
    (("import", "jsonl", "bad.jsonl", "--out", "imported"), "0 of 1 row could be read"),
    (
        ("import", "jsonl", "good.jsonl", "--model", "m", "--out", "imported"),
        "1 answer about 1 video to",
    ),
)


def test_singular_nouns_follow_one(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "q.jsonl", rows_about(1)[:1])
    write_jsonl(tmp_path / "bad.jsonl", [{"id": 1}])
    for command, words in COMMANDS:
        done = vicabench(*command)
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert words in said
        assert not ONE_OF_MANY.findall(said), said
        if command[0] == "run" and (tmp_path / "random").exists():
            write_jsonl(tmp_path / "good.jsonl", read_jsonl(tmp_path / "random/predictions.jsonl"))
    drawing = (tmp_path / "figures" / "differences.svg").read_text(encoding="utf-8")
    assert not ONE_OF_MANY.findall(drawing)
