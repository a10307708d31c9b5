"""A run in parts: each part asks about some of the videos, and all parts together about all.

The split depends on what is asked and on nothing else, so that processes which know nothing of
each other make the same one. `vicabench merge` joins the parts again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from vicabench.engine.plan import by_video
from vicabench.errors import ConfigError, RunFolderError
from vicabench.results.store import digest_of, read_config
from vicabench.text import counted
from vicabench.types import Question

RANKS = (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"))
"""What torchrun and srun tell their processes: rank, number, and rank on the machine, from 0."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Part `index`, counted from 1, of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def suffix(self) -> str:
        """What is added to the name of the whole run's folder; sorts by index."""
        return f"-shard-{self.index:0{len(str(self.count))}}-of-{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Self:
        """`2/8`, or `auto` for the rank that torchrun or srun has told; ConfigError for others."""
        if text == "auto":
            text = _told(environment)
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        index, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= index <= count:
            raise ConfigError(
                f"--shard {text} is no part: write 1/8 for the first of eight, up to 8/8, or auto."
            )
        return cls(index=index, count=count)

    def of(self, selected: Sequence[Question]) -> tuple[Question, ...]:
        """The questions of this part, in order, whole videos at a time.

        The videos with most questions go first, each to the part that has the fewest questions by
        then: parts differ by no more than the questions of one video. ConfigError if there are
        fewer videos than parts.
        """
        grouped = by_video(selected)
        if len(grouped) < self.count:
            raise ConfigError(
                f"--shard {self}: {counted(len(grouped), 'video')} cannot be split into "
                f"{counted(self.count, 'part')}. Split into {len(grouped)} at most."
            )
        sizes, videos = [0] * self.count, set()
        for video in sorted(grouped, key=lambda name: -len(grouped[name])):  # ties in order
            smallest = sizes.index(min(sizes))
            sizes[smallest] += len(grouped[video])
            if smallest == self.index - 1:
                videos.add(video)
        return tuple(question for question in selected if question.video in videos)

    def record(self, selected: Sequence[Question]) -> dict[str, Any]:
        """What the plan keeps: which part of which whole, whose `videos` are in order."""
        return {
            "parts": [self.index],
            "of": self.count,
            "questions": len(selected),
            "question_ids_sha256": digest_of(sorted(q.id for q in selected)),
            "videos": list(by_video(selected)),
        }


def refuse_other_part(folder: Path, part: Mapping[str, Any] | None) -> None:
    """RunFolderError if the folder holds another part than this one, or one of another whole."""
    there = read_config(folder)
    old = there["plan"].get("part") if there else None
    if part is None or old is None or dict(part) == old:
        return
    if (old["parts"], old["of"]) != (part["parts"], part["of"]):
        raise RunFolderError(
            f"{folder} holds part {named(old)} of a run, not {named(part)}. Choose another --out."
        )
    raise RunFolderError(
        f"{folder} holds part {named(old)} of {counted(old['questions'], 'question')}; now it "
        f"would be of {part['questions']}, which are split in another way. Repeat the --limit and "
        "--tasks that the parts were started with, or start all parts anew with another --out."
    )


def named(part: Mapping[str, Any]) -> str:
    """`2/8`, or `1, 3/8` for parts that were merged without the others."""
    return f"{', '.join(map(str, part['parts']))}/{part['of']}"


def own_gpu(environment: Mapping[str, str]) -> str | None:
    """What CUDA_VISIBLE_DEVICES should be for one of several processes on a machine.

    torchrun shows every process all GPUs, and so may srun: each takes the one of its local rank.
    None where it should stay as it is, because only one is shown or there is no such rank.
    """
    local = next((environment[name] for *_, name in RANKS if name in environment), None)
    shown = [name for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    if local is None or not local.isdecimal() or len(shown) == 1:
        return None
    if VISIBLE not in environment:
        return local
    return shown[int(local)] if int(local) < len(shown) else None


def _told(environment: Mapping[str, str]) -> str:
    for rank, count, _ in RANKS:
        if rank in environment and count in environment:
            try:
                return f"{int(environment[rank]) + 1}/{int(environment[count])}"
            except ValueError:
                return f"{environment[rank]}/{environment[count]}"
    names = " nor ".join(f"{rank} and {count}" for rank, count, _ in RANKS)
    raise ConfigError(
        f"--shard auto finds neither {names} in the environment: start it with srun or torchrun, "
        "or write --shard 1/8."
    )
