"""One model that answers questions about one video in both ways, each measured."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
import torch
from machine import now, peak_bytes, reset_peak
from vica import Predictor, ViCA, ViCAProcessor
from vica.answering import reply
from vica.chat import prompt, video_question
from vica.config import vica2_7b, vica2_tiny
from vica.modeling import MODELS
from vica.predictor import PREFILL, VISION
from vica.tiny import byte_tokenizer, ids_of
from vica.video import read_frames

from vicabench.adapters.vica import ViCAAdapter
from vicabench.engine.loop import AnswerTimeout, Decoding, answer_videos
from vicabench.engine.timing import Clock, Timing
from vicabench.types import Benchmark, ModelOptions, Question

ENDLESS = AnswerTimeout(seconds=None, overdue=sys.exit)
NEW = 4
"""Tokens of a reply: a number or a letter and the end take two to four."""


def shape(name: str, device: torch.device) -> ViCA:
    """A model with random weights: the published 7B, or a small one with a video's many tokens."""
    tokenizer = ids_of(byte_tokenizer())
    small = {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
    }
    config = vica2_7b(**tokenizer) if name == "7b" else vica2_tiny(**small, **tokenizer)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
    try:
        with torch.device(device):
            model = MODELS[config.model_type](config)
    finally:
        torch.set_default_dtype(before)
    return model.train(False)


def write_video(path: Path, frames: int) -> Path:
    """A 640x480 H.264 film of a picture that moves, which costs what real films do to decode."""
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    picture = picture.repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number in range(frames):
            moved = np.ascontiguousarray(np.roll(picture, (number, 2 * number), (0, 1)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, "rgb24")))
        container.mux(stream.encode())
    return path


def prompts(count: int) -> list[str]:
    """Questions of the usual length, about 70 tokens besides the shared ones."""
    words = ("chairs", "tables", "sofas", "lamps", "doors", "beds")
    return [
        prompt(video_question(f"{n}: How many {words[n % 6]} are in this room, at least?"))
        for n in range(count)
    ]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One time of answering some questions about a video from one prefill.

    `seconds` is all of it; `vision` and `prefill` are what the predictor measured, by the clock,
    of the encoders and of the shared prefix; `peak` is in bytes.
    """

    seconds: float
    vision: float
    prefill: float
    peak: int


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Whole videos through the engine, by the clock.

    `start` is the wait for the first video, with the start of the decoding processes; the rest is
    about the videos after the first: `each` is seconds a video, `waiting` the share of those.
    """

    videos: int
    workers: int
    start: float
    each: float
    waiting: float


class Bench:
    """One model, one video, both ways of answering."""

    def __init__(
        self,
        model: ViCA,
        video: Path,
        frames: int,
        *,
        compile: bool = False,  # noqa: A002  # as torch calls it
    ) -> None:
        self.model, self.video, self.frames = model, video, frames
        self.processor = ViCAProcessor(byte_tokenizer(), model.config)
        self.predictor = Predictor(model, self.processor, compile=compile)

    @torch.no_grad()
    def loop(self, text: str) -> float:
        """Seconds for one question of the per-question loop, preprocessed where ours is."""
        started = now(self.model.device)
        frames = read_frames(self.video, self.frames).pixels_THWC
        block_ND = self.model.encode(self.processor.video(frames, device=self.model.device))
        reply(self.model, self.processor, block_ND, text, max_new_tokens=NEW)
        return now(self.model.device) - started

    def ours(self, texts: list[str]) -> Measured:
        """Decode, encode and prefill once, then answer all."""
        device, predictor = self.model.device, self.predictor
        reset_peak(device)
        before = dict(predictor.spent.seconds)
        started = now(device)
        frames = read_frames(self.video, self.frames).pixels_THWC
        visual = self.processor.video(frames, device=device)
        encoded = predictor.encode(visual, texts)
        spent = dict(predictor.spent.seconds)
        predictor.answer(encoded, texts, max_new_tokens=NEW)
        return Measured(
            seconds=now(device) - started,
            vision=spent[VISION] - before.get(VISION, 0.0),
            prefill=spent[PREFILL] - before.get(PREFILL, 0.0),
            peak=peak_bytes(device),
        )

    def pipeline(self, videos: int, questions: int, workers: int) -> Pipeline:
        """Whole videos through the engine, decoded ahead as in `vicabench run`."""
        benchmark = _benchmark(self.video, videos, questions)
        by_video = {v: [q for q in benchmark.questions if q.video == v] for v in benchmark.files}
        options = ModelOptions(max_new_tokens=NEW)
        adapter = ViCAAdapter(predictor=self.predictor, options=options, settings={})
        decoding = Decoding(
            frames=self.frames,
            workers=workers,
            prefetch=max(2, workers),
            limit_seconds=120,
            decoder="auto",
        )
        clock = Clock(adapter, workers=workers, cache=False, warned=print)
        accounts = []
        for predictions in answer_videos(
            benchmark, by_video, adapter, decoding, timeout=ENDLESS, clock=clock, warned=print
        ):
            clock.count(predictions)
            if failed := next((p.answer.error for p in predictions if p.answer.error), None):
                raise RuntimeError(failed)  # or what was not done would be measured as fast
            accounts.append(cast(Timing, clock.timing()))
        first, last = accounts[0], accounts[-1]
        wall = last.wall - first.wall
        return Pipeline(
            videos=videos,
            workers=workers,
            start=first.waiting,
            each=wall / (videos - 1),
            waiting=(last.waiting - first.waiting) / wall,
        )


def _benchmark(file: Path, videos: int, questions: int) -> Benchmark:
    """So many questions about each of so many videos, which are all the same file."""
    asked = tuple(
        Question(
            id=f"{v}-{q}",
            video=str(v),
            task="object_counting",
            text=f"{q}: How many chairs are there?",
            answer="1",
        )
        for v in range(videos)
        for q in range(questions)
    )
    files = {str(v): file for v in range(videos)}
    return Benchmark(name="b", subset="", revision="", questions=asked, files=files)
