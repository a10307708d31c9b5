"""The configuration of a training run, as one frozen value.

The published recipes are in `recipes`; the defaults here are what all of them share.

Values are checked by hand: messages from pydantic would have to be reworded, and importing it
takes longer than importing all of this.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from vica.errors import RecipeError
from vica.training.onevision import SUBSETS
from vica.training.settings import digest_of, flat, is_harmless

Format = Literal["conversations", "vica", "vica-base", "llava-cc3m", "llava-onevision"]
"""The layout of a source: see `vica.training.sources`."""
Precision = Literal["bf16", "fp16", "fp32"]
States = Literal["fp32", "8bit"]
"""How AdamW's two moments are kept."""
Offload = Literal["none", "optimizer", "all"]
"""What DeepSpeed keeps in CPU memory: nothing, the optimizer's state, or also the parameters."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One part of the data.

    Attributes:
        path: A file or folder, or the hub id of a published data set.
        format: Its layout.
        sampling: `all`, `first:N`, `end:N` or `random:N`, with N a number or a percentage (`10%`).
        media: The folder that videos and images are relative to; None is the data's folder.
        published: How many conversations its authors count in the sample `published_of`, or None;
            used to plan a run without the data.
        visuals: How many videos or images they count in it, or None.
        published_of: The `sampling` that `published` and `visuals` refer to.
        revision: The commit of a hub id, or at which a folder was fetched; a run records it.
        subsets: The name of a list of folders in `vica.training.onevision`; None is every folder.
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
    """The data: its sources, concatenated. `seed` determines what `random:N` draws.

    Bad records are counted and left out; if their share exceeds `max_bad`, the run does not start.
    """

    sources: tuple[Source, ...]
    seed: int = 42
    max_bad: float = 0.01

    def __post_init__(self) -> None:
        _require(bool(self.sources), "a mixture needs at least one source of data")
        _require(0 <= self.max_bad <= 1, f"mixture.max_bad={self.max_bad}: give 0 to 1")


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """The peak learning rate of each part; None freezes it. Hiera is always frozen.

    As published, the language model's part includes its embeddings, layers, norms, head and
    `image_newline`. For ViCA, which has no spatial projector, `spatial_projector` is ignored.
    """

    language_model: float | None
    semantic_encoder: float | None
    semantic_projector: float | None
    spatial_projector: float | None

    def __post_init__(self) -> None:
        rates = [rate for rate in asdict(self).values() if rate is not None]
        _require(bool(rates), "every learning rate is null: set at least one to train anything")
        _require(
            all(rate > 0 for rate in rates),
            "learning rates must be above 0, or null to freeze a part",
        )


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """AdamW with a linear warm-up over the share `warmup` of the steps, then a cosine to zero.

    With `muon`, which no published training uses, Muon optimizes the matrices of layers and
    projectors at `muon` times the rate of their part, and AdamW everything else. Each layer of the
    language model learns at `layer_decay` times the rate of the next, the embeddings slowest.

    With `states=8bit`, AdamW's moments are kept in blocks of 256 numbers of 8 bits with a scale
    (Dettmers et al., arXiv 2110.02861), those of the embeddings in fp32, as there.
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
    states: States = "fp32"

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2", "warmup"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"optimizer.{name}={value}: give 0 or more and less than 1")
        _one_of("optimizer.states", self.states, get_args(States))
        _require(
            self.states == "fp32" or self.muon is None,
            "optimizer.states=8bit is for AdamW alone: set optimizer.muon=null",
        )
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
            f"optimizer.layer_decay={self.layer_decay}: give more than 0 and at most 1",
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How conversations become optimizer steps.

    A pack is one sequence: a video and up to `pack` of its conversations, at most `max_tokens`
    positions in all. `pack` 1 is as published: a sequence per conversation. A step is
    `packs_per_device` x `accumulation` packs on each device.

    A step's loss is the mean over groups of `loss_group` conversations of the mean over each
    group's tokens. As published, a group is a device's batch (1 in ViCA2's stages 2 and 3, 8 in
    stage 1, 2 for ViCA). 0 is the mean over all tokens of a step.
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
    """The devices, precision and memory options of a run.

    `device` is `auto`, `cuda` or `cpu`; `devices` is the number of processes, with a GPU each.
    `zero` is the stage of DeepSpeed (0 is without DeepSpeed), and `offload` what DeepSpeed keeps in
    CPU memory. `workers` is the number of processes per device that read the data.
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
    """Checkpoints after every share `every` of the data; the newest `keep` stay (None: all).

    The state that resuming needs, mainly the optimizer's, is kept for the `last` checkpoint or for
    `all`.
    """

    every: float = 0.05
    keep: int | None = None
    optimizer: Literal["last", "all"] = "last"

    def __post_init__(self) -> None:
        _one_of("saving.optimizer", self.optimizer, ("last", "all"))
        _require(0 < self.every <= 1, f"saving.every={self.every}: give more than 0 and at most 1")
        _require(self.keep is None or self.keep >= 1, f"saving.keep={self.keep}: give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Logging:
    """Loss and learning rate are logged every `steps` steps."""

    steps: int = 1
    tensorboard: bool = True
    wandb: bool = False

    def __post_init__(self) -> None:
        _require(self.steps >= 1, f"logging.steps={self.steps}: give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a run stops by itself because its loss explodes.

    A loss explodes if it exceeds `explosion` times the median of the last `window` steps in
    `patience` consecutive steps. A loss that is NaN or infinite always stops the run.
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
    """One training run.

    Attributes:
        name: The name of its checkpoints.
        base: The checkpoint it starts from, a folder or hub id.
        base_revision: The commit of a hub id; a run records the one it used.
        shape: The name of the model's size in `vica.config` (`vica2-7b`), used to plan a run
            without the checkpoint.
        mixture: The data.
        output: The folder of its checkpoints.
        frames: How many frames of each video the model sees.
        time_instruction: Whether the text states the time of each frame.
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
            "optimizer.muon needs whole matrices, but DeepSpeed splits them: set hardware.zero=0 "
            "and hardware.offload=none, or optimizer.muon=null",
        )
        _require(
            self.optimizer.states == "fp32" or self.hardware.zero == 0,
            "optimizer.states=8bit needs whole moments, but DeepSpeed splits them: set "
            "hardware.zero=0 and hardware.offload=none, or optimizer.states=fp32",
        )

    def resolved(self) -> dict[str, Any]:
        """Every setting as JSON values; `--set` uses their dotted names."""
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
