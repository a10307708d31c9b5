"""Whether training waits for its data: what a pack costs to make ready, and a run that reads it.

Films are real files, H.264 of noise at 640x480, which is harder to decode than most films.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from vica.config import vica2_7b
from vica.processing import ViCAProcessor
from vica.tiny import byte_tokenizer, write_tiny_checkpoint
from vica.training.config import (
    Batch,
    Hardware,
    LearningRates,
    Logging,
    Mixture,
    Saving,
    Source,
    TrainingConfig,
)
from vica.training.dataset import PackDataset, collate
from vica.training.index import conversations
from vica.training.run import train

FILMS, FPS, SECONDS = 4, 1, 70
"""Of ViCA-322K films are stored at one frame a second."""
CONVERSATIONS = 16


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Processor seconds to make a pack of ViCA2-7B ready, and what a run waited for its data.

    `waited` is the share of the time between two logged steps, by step; the first waits for the
    workers to start.
    """

    seconds: float
    waited: Sequence[float]
    workers: int


def reading(folder: Path, frames: int, workers: int) -> Reading:
    """Measure both on films in a new folder."""
    source = _data(folder)
    return Reading(
        seconds=_seconds(source, frames), waited=_waited(folder, source, workers), workers=workers
    )


def _seconds(source: Source, frames: int) -> float:
    """One process, one pack of every film at the published sizes: decoded, resized, tokenised."""
    processor = ViCAProcessor(byte_tokenizer(), vica2_7b())
    data = conversations(Mixture(sources=(source,)))
    packs = [tuple(map(int, group)) for group in data.by_visual]
    dataset = PackDataset(data, packs, processor, frames=frames, timed=True)
    spent = []
    for number in range(len(packs)):
        started = time.process_time()
        collate([dataset[number]], loss_group=1, pad=0)
        spent.append(time.process_time() - started)
    return statistics.median(spent)


def _waited(folder: Path, source: Source, workers: int) -> list[float]:
    """A tiny model trained on the films by the engine itself."""
    base = write_tiny_checkpoint(folder / "base")
    rate = LearningRates(
        language_model=1e-5, semantic_encoder=1e-5, semantic_projector=1e-5, spatial_projector=1e-5
    )
    config = TrainingConfig(
        name="tiny",
        base=str(base),
        shape="vica2-tiny",
        mixture=Mixture(sources=(source,)),
        learning_rates=rate,
        output=str(folder / "out"),
        batch=Batch(pack=CONVERSATIONS),
        hardware=Hardware(device="cpu", precision="fp32", workers=workers),
        saving=Saving(every=1.0),
        logging=Logging(tensorboard=False),
    )
    train(config)
    lines = (folder / "out" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["waiting_for_data"] for line in lines]


def _data(folder: Path) -> Source:
    records = []
    for number in range(FILMS):
        film = f"{number}.mp4"
        _write(folder / film, number)
        for question in range(CONVERSATIONS):
            turns = [
                {"from": "human", "value": f"<image>\nHow many are there in part {question}?"},
                {"from": "gpt", "value": str(question)},
            ]
            records.append({"video": film, "conversations": turns})
    (folder / "data.json").write_text(json.dumps(records), encoding="utf-8")
    return Source(path=str(folder / "data.json"))


def _write(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for _ in range(FPS * SECONDS):
            coarse_HWC = pixels.integers(0, 256, (60, 80, 3), np.uint8)
            frame_HWC = coarse_HWC.repeat(8, axis=0).repeat(8, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        container.mux(stream.encode())
