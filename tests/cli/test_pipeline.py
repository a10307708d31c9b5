"""What `vicabench run` does while the adapter answers, and what it says about it at the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from vica.video import available_decoders

from tests.support import (
    Vicabench,
    install_adapter,
    looking_oracle,
    read_jsonl,
    refuses,
    rows_about,
    write_jsonl,
)
from tests.videos import write_clip

# `ahead` answers a video only after the next one has been prepared, `ahead:alone` at once; the
# replies say what was prepared, and how many videos were held in memory at most.
AHEAD = """
import threading, weakref
from vicabench.types import Answer

class Pixels:
    def __init__(self, video): self.name, self.mean = video.name, video.frames_THWC.mean()

class Ahead:
    settings, needs_video = {}, True
    def __init__(self, argument, context):
        self.names = list(dict.fromkeys(q.video for q in context.benchmark.questions))
        self.prepared = {name: threading.Event() for name in self.names}
        self.alone = argument == "alone"
        self.alive, self.most = weakref.WeakSet(), 0
    def prepare(self, video):
        try:
            if video.name == "clip1":
                raise ValueError("no such pixels")
            pixels = Pixels(video)
            self.alive.add(pixels)
            self.most = max(self.most, len(self.alive))
            return pixels
        finally:
            self.prepared[video.name].set()
    def answer(self, video, questions):
        later = [] if self.alone else self.names[self.names.index(video.name) + 1 :][:1]
        assert all(self.prepared[name].wait(60) for name in later), "not prepared meanwhile"
        assert video.prepared.mean == video.frames_THWC.mean()
        reply = f"{video.prepared.name} {self.most}"
        return [Answer(question_id=q.id, response=reply) for q in questions]
"""

# Reads every pixel, and measures itself, if in its own way.
MEASURED = """
from vicabench.types import Answer, Spent

class Measured:
    settings, needs_video, device_name = {}, True, "Abacus 3"
    accepts_options = ("group_size",)
    def __init__(self, argument, context):
        self.spent = Spent(seconds={"vision": 7.0}, tokens={})  # spent before the first video
        if argument: self.spent = argument
    def answer(self, video, questions):
        if isinstance(self.spent, Spent):
            done = self.spent.tokens.get("answers", 0) + 30
            self.spent = Spent(seconds={"vision": 8.0, "answers": 2.0}, tokens={"answers": done})
        reply = str(int(video.frames_THWC.astype(int).sum()))
        return [Answer(question_id=q.id, response=reply) for q in questions]
"""


def asked(clips: Path, model: str, *more: str | Path) -> tuple[str | Path, ...]:
    questions = clips / "questions.jsonl"
    return ("run", "--benchmark", questions, "--model", model, "--frames", "4", *more)


@pytest.mark.parametrize(("model", "prefetch"), [("ahead", 1), ("ahead:alone", 0)])
def test_videos_are_prepared_ahead_up_to_prefetch(
    vicabench: Vicabench, clips: Path, tmp_path: Path, model: str, prefetch: int
) -> None:
    extra = install_adapter(tmp_path / "site", "ahead", AHEAD, "Ahead")
    done = vicabench(*asked(clips, model, "--out", "r", "--prefetch", str(prefetch)), **extra)
    records = read_jsonl(tmp_path / "r" / "predictions.jsonl")
    failed = {r["video"]: r["error"] for r in records if r["error"]}
    assert failed == {"clip1": "adapter: prepare: ValueError: no such pixels"}
    assert done.returncode == 1
    replies = [r["response"].split() for r in records if r["response"]]
    assert {name for name, _ in replies} == {f"clip{n}" for n in (0, 2, 3, 4, 5)}
    assert max(int(most) for _, most in replies) == 1 + prefetch  # the one in use, those ahead


def test_the_time_is_accounted_for_and_kept_beside_the_results(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "measured", MEASURED, "Measured")
    command = asked(clips, "measured", "--out", "r", "--group-size", "9", "--workers", "2")
    done = vicabench(*command, **extra)
    assert done.returncode == 0, done.stderr
    assert " s for 6 videos, 60 questions: waiting for video " in done.stderr
    assert "vision 1.0 s, answers 2.0 s (90 tokens/s)" in done.stderr
    assert "in 2 workers" in done.stderr

    start = json.loads((tmp_path / "r" / "config.json").read_text())["starts"][0]
    execution = {"group_size": 9, "device": "Abacus 3", "workers": 2, "prefetch": 2}
    assert start["execution"] == {**execution, "frame_cache": False, "decoder": "auto"}
    (line,) = read_jsonl(tmp_path / "r" / "timing.jsonl")
    assert (line["started"], line["videos"], line["questions"]) == (start["started"], 6, 60)
    assert line["spent"] == {"seconds": {"vision": 1.0, "answers": 2.0}, "tokens": {"answers": 180}}

    again = vicabench(*asked(clips, "measured", "--out", "r"), **extra)
    assert again.returncode == 0, again.stderr  # another group size is the same run
    assert "waiting for video" not in again.stderr  # nothing was asked
    assert len(read_jsonl(tmp_path / "r" / "timing.jsonl")) == 1
    assert "60" in vicabench("score", "r").stdout


def test_what_an_adapter_measures_wrongly_costs_no_answer(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "measured", MEASURED, "Measured")
    done = vicabench(*asked(clips, "measured:nonsense", "--out", "r"), **extra)
    assert done.returncode == 0, done.stderr
    assert "answering " in done.stderr
    assert done.stderr.count("the adapter's `spent` is not a Spent: 'str' object") == 1
    assert "Traceback" not in done.stderr


WARNS = """
import logging
from vicabench.types import Answer

class Warns:
    settings, needs_video = {}, True
    def __init__(self, argument, context): pass
    def answer(self, video, questions):
        logging.getLogger("vica.predictor").warning("Memory is short of %d questions", 10)
        return [Answer(question_id=q.id, response="1") for q in questions]
"""


def test_what_a_model_warns_of_is_shown_once_and_kept(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "warns", WARNS, "Warns")
    done = vicabench(*asked(clips, "warns", "--out", "r"), **extra)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Memory is short of 10 questions") == 1
    kept = (tmp_path / "r" / "errors.log").read_text(encoding="utf-8")
    assert kept == "Memory is short of 10 questions\n" * 6


@pytest.mark.skipif(len(available_decoders()) < 2, reason="decord has no build here")
def test_other_frames_of_decord_are_told_and_kept_with_the_run(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_clip(tmp_path / "clip0.mp4", frames=60, codec="libx265", gop=20, b_frames=4)
    write_jsonl(tmp_path / "questions.jsonl", rows_about(1))
    oracle = looking_oracle(tmp_path)
    command = asked(tmp_path, oracle, "--out", "r", "--frame-cache", "frames")
    for folder in ("r", "again"):  # decoded, and from the cache
        done = vicabench(*command, "--out", folder, "--decoder", "decord")
        assert done.returncode == 0, done.stderr
        assert "clip0: decord's pixels differ in " in done.stderr
        kept = (tmp_path / folder / "errors.log").read_text(encoding="utf-8")
        assert kept.startswith("clip0: decord's pixels differ in ")
    record = json.loads((tmp_path / "r" / "config.json").read_text(encoding="utf-8"))
    assert record["starts"][0]["execution"]["decoder"] == "decord"
    refuses(vicabench(*command), "sampling", "as decord reads them")


def test_every_start_records_its_questions(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    command = asked(clips, "baseline:oracle", "--out", "r")
    for more in (("--tasks", "route_planning"), ()):
        assert vicabench(*command, *more).returncode == 0
    starts = json.loads((tmp_path / "r" / "config.json").read_text())["starts"]
    assert starts[0]["asked"] == {"types": ["route_planning"], "questions": 6, "owed": 6}
    assert (starts[1]["asked"]["questions"], starts[1]["asked"]["owed"]) == (60, 54)


def test_frame_cache_does_not_change_answers(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    extra = install_adapter(tmp_path / "site", "measured", MEASURED, "Measured")
    without = vicabench(*asked(clips, "measured", "--out", "r0"), **extra)
    assert "frame cache" not in without.stderr
    for out, found in (("r1", 0), ("r2", 6)):
        done = vicabench(*asked(clips, "measured", "--out", out, "--frame-cache", "fc"), **extra)
        assert f"{found} of 6 videos from the frame cache" in done.stderr
    answers = [(tmp_path / out / "predictions.jsonl").read_text() for out in ("r0", "r1", "r2")]
    assert answers[0] == answers[1] == answers[2]


def test_full_frame_cache_disk_is_reported_once_and_harmless(clips: Path, tmp_path: Path) -> None:
    # Files may grow to 128 KiB, which the frames exceed and the predictions do not.
    oracle = looking_oracle(tmp_path)
    arguments = [*map(str, asked(clips, oracle, "--out", "r", "--frame-cache", "fc"))]
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, 1 << 17));"
        f"sys.argv[1:] = {arguments!r}; from vicabench.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written: File too large") == 1
    assert len(read_jsonl(tmp_path / "r" / "predictions.jsonl")) == 60
    assert {file.name for file in (tmp_path / "fc").iterdir()} <= {".lock"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--no-video", "--prefetch", "3"), ("leave out --frames, --prefetch",)),
        (("--workers", "4", "--prefetch", "2"), ("--workers 4", "--prefetch 2")),
        (("--frame-cache-size", "5GB"), ("--frame-cache DIR",)),
        (("--frame-cache", "fc", "--frame-cache-size", "much"), ("'much'", "50GB")),
        (("--frame-cache", "/dev/null/fc"), ("/dev/null/fc", "cannot be written")),
        (("--group-size", "4"), ("does not accept --group-size",)),
    ],
)
def test_contradictory_pipeline_options_are_explained(
    vicabench: Vicabench, clips: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refuses(vicabench(*asked(clips, "baseline:oracle", *arguments)), *words)
