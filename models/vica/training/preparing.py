"""What is found out before a run begins: once, in its first process, for all of them.

Scanning the 322,003 records of ViCA-322K and planning their packs takes some tens of seconds, more
where texts have to be tokenised or a disk is slow; eight processes would each do it, and each read
every file.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from vica.checkpoint import configured
from vica.hub import fetch
from vica.loading import load_processor
from vica.processing import ViCAProcessor
from vica.training import plain
from vica.training.attention import attention_of
from vica.training.config import TrainingConfig
from vica.training.dataset import Bounds
from vica.training.identity import content_of, pinned
from vica.training.index import Conversations
from vica.training.mixture import conversations
from vica.training.packing import Plan, make_plan
from vica.training.resume import Start, check_same, start_of
from vica.training.states import check_whole
from vica.training.survey import largest
from vica.training.workers import check_shared_memory, pixels

PATIENCE = 2
"""Seconds after which it is shown how far something is."""
BAD = "left-out.txt"
"""Records that were left out when the data was opened, a line each with the reason."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that can begin: `config` with the commits behind its hub ids, its data and plan.

    `found` is what the run is about, as `check_same` takes it; `start` where it goes on from.
    """

    config: TrainingConfig
    data: Conversations
    plan: Plan
    found: dict[str, str]
    start: Start | None


def prepare(config: TrainingConfig, resume: str | None, device: torch.device) -> Prepared:
    """Find out everything; raises a VicaError for what keeps the run from beginning."""
    start = start_of(config, resume)
    config = pinned(config, start.record["recipe"] if start else None)
    folder = fetch(config.base, revision=config.base_revision)
    data = opened(config)
    list_bad(data, Path(config.output))
    plan = plan_of(config, data, load_processor(folder))
    found = {
        "base": content_of(folder),
        "device": device.type,
        "attention": attention_of(config.hardware, config.batch, device),
        "data": data.digest,
        "plan": plan.digest,
    }
    if start:
        check_same(config, found, start.record)
        check_whole(start)
    architecture = configured(folder)[0]
    check_shared_memory(config, pixels(architecture, largest(architecture, data, config.frames)))
    return Prepared(config=config, data=data, plan=plan, found=found, start=start)


def opened(config: TrainingConfig) -> Conversations:
    """The data of a run; how far reading it is, is shown if it takes a while."""
    read = dict[Path, int]()

    def tell(path: Path, count: int) -> None:
        bar.set_postfix_str(path.name, refresh=False)
        bar.update(count - read.get(path, 0))
        read[path] = count

    with tqdm(desc="reading the data", unit=" records", delay=PATIENCE, leave=False) as bar:
        return conversations(config.mixture, progress=tell)


def list_bad(data: Conversations, output: Path) -> None:
    """Name every record that is left out in a file of the output, and say how many there are."""
    if bad := len(data.problems):
        output.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{problem}\n" for problem in data.problems)
        plain.write(output / BAD, lines)
        logging.getLogger(__name__).warning(
            "%d of %d records cannot be trained on and are left out: see %s",
            *(bad, bad + len(data), output / BAD),
        )


def plan_of(config: TrainingConfig, data: Conversations, processor: ViCAProcessor) -> Plan:
    """What is trained on together and in which order; raises BudgetError if nothing would fit."""
    bounds = Bounds(processor, frames=config.frames, timed=config.time_instruction)
    bounds.check()
    total = len(data) * math.ceil(config.epochs)
    with tqdm(
        desc="planning packs", unit=" conversations", total=total, delay=PATIENCE, leave=False
    ) as bar:
        return make_plan(data, config, shared=bounds.shared, own=bounds.own, progress=bar.update)
