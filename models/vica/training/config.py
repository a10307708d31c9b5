"""All that a training run needs to know, as one frozen value.

What a published recipe says is in `recipes`; the defaults here are what all of them share.
Values are checked by hand: pydantic's messages would have to be worded again, and it takes longer
to import than all of this.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from vica.errors import RecipeError
from vica.training.onevision import SUBSETS
from vica.training.settings import digest_of, flat, is_harmless

Format = Literal["conversations", "vica", "vica-base", "llava-cc3m", "llava-onevision"]
"""How a source is laid out: see `vica.training.sources`."""
Precision = Literal["bf16", "fp16", "fp32"]
Offload = Literal["none", "optimizer", "all"]
"""What DeepSpeed keeps in CPU memory: nothing, the optimizer's state, or parameters too."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One part of the data.

    `path` is a file or folder, or the hub id of a published set; `sampling` is `all`, `first:N`,
    `end:N` or `random:N`, N a number or a percentage such as `10%`. `media` is the folder that
    videos and images are relative to; None is the data's own folder. `published` are the
    conversations and `visuals` the videos or images that its authors count in what `published_of`
    draws, None where they do not: for plans made before the data is there. `revision` is the
    commit of a hub id, or that a folder was fetched at; a run writes down the one it took.
    `subsets` is the name of a list in `vica.training.onevision`, whose folders alone are drawn
    from; None is every folder.
    """

    path: str
    format: Format = "conversations"
    sampling: str = "all"
    media: str | None = None
    published: int | None = None
    visuals: int | None = None
    published_of: str = "all"
    revision: str | None = None
    subsets: str | None = None

    def __post_init__(self) -> None:
        _require(bool(self.path), "a source of data needs a path")
        _one_of("format", self.format, get_args(Format))
        _one_of("subsets", self.subsets, (None, *SUBSETS))
        _require(
            self.subsets is None or self.format == "llava-onevision",
            f"subsets={self.subsets} is for the format llava-onevision, not {self.format}",
        )


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The data: its sources one after another. `seed` decides what `random:N` draws.

    More than the share `max_bad` of bad records stops the run before it starts; up to that they
    are counted and left out.
    """

    sources: tuple[Source, ...]
    seed: int = 42
    max_bad: float = 0.01

    def __post_init__(self) -> None:
        _require(bool(self.sources), "a mixture needs at least one source of data")
        _require(0 <= self.max_bad <= 1, f"mixture.max_bad={self.max_bad} is no share of 0 to 1")


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """The peak learning rate of each part; None freezes it. Hiera is always frozen.

    As published, the language model's part holds its embeddings, layers, norms and head and
    `image_newline`. A ViCA has no `spatial_projector`: it is ignored there.
    """

    language_model: float | None
    semantic_encoder: float | None
    semantic_projector: float | None
    spatial_projector: float | None

    def __post_init__(self) -> None:
        rates = [rate for rate in asdict(self).values() if rate is not None]
        _require(bool(rates), "every learning rate is null: nothing would be trained")
        _require(all(rate > 0 for rate in rates), "learning rates are above 0, or null to freeze")


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """AdamW under a cosine to zero after a linear warm-up over the share `warmup` of the steps.

    With `muon`, which no published training has, the matrices of layers and projectors are Muon's,
    at so many times the rate of their part; all else is still AdamW's. Each layer of the language
    model learns at `layer_decay` times the rate of the next one, and the embeddings slowest of all.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: float = 0.03
    muon: float | None = None
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2", "warmup"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"optimizer.{name}={value}: give 0 or more and less than 1")
        _require(self.epsilon > 0, f"optimizer.epsilon={self.epsilon}: give more than 0")
        for name in ("weight_decay", "max_gradient_norm"):
            value = getattr(self, name)
            _require(value >= 0, f"optimizer.{name}={value}: give 0 or more")
        _require(
            self.muon is None or self.muon > 0,
            f"optimizer.muon={self.muon}: give more than 0, or null for AdamW alone",
        )
        _require(
            0 < self.layer_decay <= 1,
            f"optimizer.layer_decay={self.layer_decay}: give more than 0 and 1 at most",
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How conversations become optimizer steps.

    A pack is one sequence: a video and up to `pack` of its conversations, at most `max_tokens`
    positions in all. A step is `packs_per_device` x `accumulation` packs on each device. 1 in
    `pack` is as published: a sequence for each conversation.

    A step's loss is the mean over its groups of `loss_group` conversations of the mean over a
    group's tokens: as published, where a group was what a device was given at once (1 in ViCA2's
    stages 2 and 3, 8 in stage 1, 2 for ViCA). 0 is the mean over all tokens of a step.
    """

    packs_per_device: int = 1
    accumulation: int = 1
    pack: int = 1
    max_tokens: int = 32768
    loss_group: int = 1

    def __post_init__(self) -> None:
        for name in ("packs_per_device", "accumulation", "pack", "max_tokens"):
            value = getattr(self, name)
            _require(value >= 1, f"batch.{name}={value}: give 1 or more")
        _require(self.loss_group >= 0, f"batch.loss_group={self.loss_group}: give 0 or more")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Where and in which arithmetic it is computed.

    `devices` are processes with a GPU each, `zero` the stage of DeepSpeed (0 is without
    DeepSpeed), `offload` what is kept in CPU memory. `device` is `auto`, `cuda` or `cpu`.
    """

    device: str = "auto"
    devices: int = 1
    precision: Precision = "bf16"
    tf32: bool = True
    attention: str = "auto"
    gradient_checkpointing: bool = True
    zero: Literal[0, 2, 3] = 0
    offload: Offload = "none"
    workers: int = 2

    def __post_init__(self) -> None:
        _one_of("hardware.device", self.device, ("auto", "cuda", "cpu"))
        _one_of("hardware.precision", self.precision, get_args(Precision))
        _one_of("hardware.offload", self.offload, get_args(Offload))
        _one_of("hardware.zero", self.zero, (0, 2, 3))
        _require(self.devices >= 1, f"hardware.devices={self.devices}: give 1 or more")
        _require(self.workers >= 0, f"hardware.workers={self.workers}: give 0 or more")
        _require(
            self.offload == "none" or self.zero > 0,
            f"hardware.offload={self.offload} needs DeepSpeed: set hardware.zero to 2 or 3, or "
            "hardware.offload to none",
        )


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Checkpoints after every share `every` of the data, the newest `keep` of them (None: all).

    What is needed to go on training from a checkpoint, the optimizer's state above all, is kept
    for the `last` one or for `all`.
    """

    every: float = 0.05
    keep: int | None = None
    optimizer: Literal["last", "all"] = "last"

    def __post_init__(self) -> None:
        _one_of("saving.optimizer", self.optimizer, ("last", "all"))
        _require(0 < self.every <= 1, f"saving.every={self.every} is no share of 0 to 1")
        _require(self.keep is None or self.keep >= 1, f"saving.keep={self.keep}: give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Logging:
    """Loss and learning rate are written every `steps` steps."""

    steps: int = 1
    tensorboard: bool = True
    wandb: bool = False

    def __post_init__(self) -> None:
        _require(self.steps >= 1, f"logging.steps={self.steps}: give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a run stops by itself: a loss that is no number, or that explodes.

    A loss explodes when it is above `explosion` times the running median of the last `window`
    steps, `patience` steps in a row.
    """

    explosion: float = 10.0
    window: int = 100
    patience: int = 5

    def __post_init__(self) -> None:
        _require(self.explosion > 0, f"limits.explosion={self.explosion}: give more than 0")
        for name in ("window", "patience"):
            value = getattr(self, name)
            _require(value >= 1, f"limits.{name}={value}: give 1 or more")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One run: `name` of its checkpoints, what it starts from, its data, and how it is trained.

    `base` is a folder or the hub id of a checkpoint, `base_revision` the commit of a hub id: a run
    writes down the one it took. `shape` is the name of its size in `vica.config` (`vica2-7b`), from
    which a plan is made while the checkpoint is not there.
    Checkpoints go to the folder `output`. `frames` of each video are shown, with the time of
    each in the text if `time_instruction`.
    """

    name: str
    base: str
    shape: str
    mixture: Mixture
    learning_rates: LearningRates
    output: str
    epochs: float = 1.0
    frames: int = 64
    time_instruction: bool = True
    optimizer: Optimizer = field(default_factory=Optimizer)
    batch: Batch = field(default_factory=Batch)
    hardware: Hardware = field(default_factory=Hardware)
    saving: Saving = field(default_factory=Saving)
    logging: Logging = field(default_factory=Logging)
    limits: Limits = field(default_factory=Limits)
    seed: int = 42
    base_revision: str | None = None

    def __post_init__(self) -> None:
        _require(self.epochs > 0, f"epochs={self.epochs}: give more than 0")
        _require(self.frames >= 1, f"frames={self.frames}: give 1 or more")
        _require(self.seed >= 0, f"seed={self.seed}: give 0 or more")
        _require(
            self.optimizer.muon is None or self.hardware.zero == 0,
            "optimizer.muon needs whole matrices, which DeepSpeed takes apart: set hardware.zero=0 "
            "and hardware.offload=none, or optimizer.muon=null",
        )

    def resolved(self) -> dict[str, Any]:
        """Every setting, as values that JSON knows; dotted names are those of `--set`."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    @property
    def digest(self) -> str:
        """`sha256:` and a hash of every setting that can change a weight."""
        return digest_of({k: v for k, v in flat(self.resolved()).items() if not is_harmless(k)})


def _require(good: bool, message: str) -> None:
    if not good:
        raise RecipeError(message)


def _one_of(name: str, value: object, known: tuple[object, ...]) -> None:
    _require(value in known, f"{name}={value!r}: choose one of {', '.join(map(str, known))}")
