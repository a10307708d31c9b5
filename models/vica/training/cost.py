"""What a run needs: parameters by part, device memory, disk space and shared memory."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from vica.checkpoint import configured
from vica.config import SIZES, ViCA2Config, ViCAConfig
from vica.errors import CheckpointError, RecipeError, TrainingError, VicaError, counted
from vica.hub import fetch
from vica.memory import is_memory_error
from vica.modeling import MODELS, ViCA
from vica.processing import FLOAT
from vica.tiny import FAMILY_NAMES
from vica.training.config import Hardware, LearningRates, Saving, States, TrainingConfig
from vica.training.data_estimate import VisualSize
from vica.training.flops import PackShape, head_width
from vica.training.optimizer import PARTS, is_embedding, learning_rate, part_of
from vica.training.sources import HUB_ID


@dataclass(frozen=True, kw_only=True)
class PartCount:
    """The parameters of a part of the model, and its peak learning rate (None if frozen).

    `embeddings` of the parameters are those of tokens.
    """

    part: str
    parameters: int
    rate: float | None
    embeddings: int = 0

    @property
    def trained(self) -> int:
        """The number of trained parameters."""
        return 0 if self.rate is None else self.parameters


def checkpoint_folder(config: TrainingConfig) -> Path | None:
    """The folder of `config.base` if it is on this machine, without asking the hub; else None.

    Raises:
        RecipeError: `config.base` is neither an existing folder nor a hub id.
    """
    if Path(config.base).is_dir():
        return Path(config.base)
    if not HUB_ID.fullmatch(config.base):
        raise RecipeError(f"base={config.base}: is neither a folder nor a hub id (OWNER/NAME)")
    try:
        revision = config.base_revision
        return fetch(config.base, weights=False, revision=revision, local_files_only=True)
    except CheckpointError:
        return None


def architecture(config: TrainingConfig) -> ViCAConfig:
    """The model's configuration: the checkpoint's if it is here, otherwise `config.shape`'s.

    Raises:
        RecipeError: `config.shape` does not exist.
    """
    folder = checkpoint_folder(config)
    if folder is not None:
        return configured(folder)[0]
    family, _, size = config.shape.partition("-")
    if size not in SIZES or family not in FAMILY_NAMES:
        known = [f"{family}-{size}" for size in SIZES for family in FAMILY_NAMES]
        raise RecipeError(f"unknown shape {config.shape!r}: choose {', '.join(known)}")
    return SIZES[size][FAMILY_NAMES.index(family)]()


def skeleton(architecture: ViCAConfig) -> ViCA:
    """The model on the meta device, without memory for its weights."""
    with torch.device("meta"):
        return MODELS[architecture.model_type](architecture)


def counts(model: ViCA, rates: LearningRates) -> list[PartCount]:
    """The parameter counts of the model's parts."""
    sizes, embeddings = Counter[str](), Counter[str]()
    for name, parameter in model.named_parameters():
        # ZeRO-3 replaces a parameter by an empty tensor that holds its size in `ds_numel`.
        size = int(getattr(parameter, "ds_numel", parameter.numel()))
        sizes[part_of(name)] += size
        embeddings[part_of(name)] += size * is_embedding(name)
    return [
        PartCount(
            part=part,
            parameters=sizes[part],
            rate=learning_rate(rates, part),
            embeddings=embeddings[part],
        )
        for part in PARTS
        if sizes[part]
    ]


BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
LIVE = 1_000_000_000
"""Most parameters that ZeRO-3 gathers at a time, from the published DeepSpeed file."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Bytes that `what` takes on a device or its host, computed by `formula`."""

    what: str
    device: float
    host: float
    formula: str


def held(
    config: ViCAConfig,
    parts: Sequence[PartCount],
    hardware: Hardware,
    rates: LearningRates,
    shape: PackShape,
    packs: int,
    states: States = "fp32",
) -> list[Held]:
    """The memory held for one device that computes `packs` packs at a time."""
    activations = [_layers, _projectors]
    if shape.predicted:
        activations.append(_logits)
    if learning_rate(rates, "semantic_encoder") is not None:
        activations.append(_siglip)
    return [
        *_weights(parts, hardware, states),
        *(estimate(config, hardware, shape, packs) for estimate in activations),
    ]


EIGHT_BIT = 2 * (1 + 4 / 256)
"""Bytes of two moments in 8 bits: a number each, and a scale in fp32 for each 256 of them."""


def _narrow(parts: Sequence[PartCount], states: States) -> int:
    """How many trained parameters have moments in 8 bits."""
    return sum(p.trained - p.embeddings for p in parts if p.trained) if states == "8bit" else 0


def _moments(parts: Sequence[PartCount]) -> Held:
    """AdamW's moments in 8 bits, those of the embeddings in fp32."""
    narrow = _narrow(parts, "8bit")
    wide = sum(p.trained for p in parts) - narrow
    return _held(
        "AdamW",
        EIGHT_BIT * narrow + 8 * wide,
        f"{EIGHT_BIT:.2f} B x {narrow:,} trained + 8 B x {wide:,} of embeddings: two moments",
    )


def _weights(parts: Sequence[PartCount], hardware: Hardware, states: States) -> list[Held]:
    """Weights, gradients and AdamW's state, split over the devices by the stage of ZeRO."""
    every, trained = sum(p.parameters for p in parts), sum(p.trained for p in parts)
    size = BYTES[hardware.precision] if hardware.zero else 4
    master = bool(hardware.zero) and size == 2
    state, shared = 12 if master else 8, hardware.devices if hardware.zero else 1
    away = hardware.offload != "none"
    moments = "two moments and a copy of the weights in fp32" if master else "two moments"
    over = f" / {counted(shared, 'device')}" if shared > 1 else ""
    lines = [
        _held("gradients", size * trained / shared, f"{size} B x {trained:,} trained{over}", away),
        _held(
            "AdamW",
            state * trained / shared,
            f"{state} B x {trained:,} trained{over}: {moments}",
            away,
        ),
    ]
    if states == "8bit":
        lines[1] = _moments(parts)
    if (
        not hardware.zero and BYTES[hardware.precision] == 2
    ):  # autocast caches half-precision copies
        lines.append(_held("weights in half", 2 * trained, f"2 B x {trained:,} trained"))
    if hardware.zero < 3:
        return [_held("weights", size * every, f"{size} B x {every:,}"), *lines]
    weights = _held(
        "weights",
        size * every / shared,
        f"{size} B x {every:,}{over}",
        away=hardware.offload == "all",
    )
    live = min(LIVE, every)
    return [weights, _held("weights gathered", size * live, f"{size} B x {live:,} at most"), *lines]


def _layers(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """Activations of the layers.

    Norms store input, output and an fp32 copy; attention q, k, v and output; the MLP four maps.
    """
    width = config.hidden_size
    keys = (config.num_key_value_heads or config.num_attention_heads) * head_width(config)
    inside = 11 * width + 2 * keys + 4 * config.intermediate_size
    values, formula = _stored(config.num_hidden_layers, width, inside, hardware)
    count, size = shape.positions * packs, BYTES[hardware.precision]
    return _held(
        "activations: layers",
        size * count * values,
        f"{size} B x {count:,.0f} positions x {formula}",
    )


def _logits(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """Logits, computed at predicted positions only: as computed, in fp32, and their gradients."""
    each, count = BYTES[hardware.precision] + 8, shape.predicted * packs
    formula = f"{each} B x {count:,.0f} predicted positions x {config.vocab_size:,}"
    return _held("logits", each * count * config.vocab_size, formula)


def _siglip(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """Activations of SigLIP, like the language model's layers, but with an MLP of two maps."""
    siglip, size = config.siglip, BYTES[hardware.precision]
    inside = 8 * siglip.hidden_size + 2 * siglip.intermediate_size
    values, formula = _stored(siglip.num_hidden_layers, siglip.hidden_size, inside, hardware)
    count = shape.semantic_inputs * config.siglip_side**2 * packs
    return _held(
        "activations: SigLIP", size * count * values, f"{size} B x {count:,.0f} patches x {formula}"
    )


def _projectors(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """Activations of the projectors: input, both sides of the GELU and output, before pooling."""
    size, width = BYTES[hardware.precision], config.hidden_size
    semantic = shape.semantic_inputs * config.siglip_side**2 * packs
    values = semantic * (config.siglip.hidden_size + 3 * width)
    formula = f"{size} B x ({semantic:,.0f} patches x {config.siglip.hidden_size + 3 * width}"
    if isinstance(config, ViCA2Config):
        spatial = shape.spatial_inputs * config.hiera_side**2 * packs
        values += spatial * (config.hiera_width + 3 * width)
        formula += f" + {spatial:,.0f} x {config.hiera_width + 3 * width}"
    return _held("activations: projectors", size * values, formula + ")")


def _stored(layers: int, width: int, inside: int, hardware: Hardware) -> tuple[float, str]:
    """Values stored per position: all, or with checkpointing every layer's input and one layer."""
    if hardware.gradient_checkpointing:
        return layers * width + inside, f"({layers} x {width} + {inside} in one layer)"
    return layers * inside, f"{layers} x {inside}"


def _held(what: str, size: float, formula: str, away: bool = False) -> Held:
    return Held(what=what, device=0 if away else size, host=size if away else 0, formula=formula)


SMALL = 50_000_000
"""Upper bound on the bytes of a tokenizer, logs and configuration."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes of a checkpoint, and of the state of all processes that resuming needs."""

    checkpoint: int
    state: int

    @property
    def both(self) -> int:
        """A checkpoint with its state."""
        return self.checkpoint + self.state


@dataclass(frozen=True, kw_only=True)
class Load:
    """Bytes that a run has on its disk: `most` at a time, and `last` when it is finished."""

    most: int
    last: int


def sizes(parts: Sequence[PartCount], hardware: Hardware, states: States = "fp32") -> Sizes:
    """The sizes of one checkpoint and its state.

    A state holds the trained weights in fp32 and AdamW's two moments (in fp32, or in 8 bits but for
    embeddings), and with DeepSpeed at most
    the computing weights too (measured with ZeRO-3: a part of those).
    """
    every, trained = sum(p.parameters for p in parts), sum(p.trained for p in parts)
    size = BYTES[hardware.precision]
    saved = int((8 - EIGHT_BIT) * _narrow(parts, states))
    return Sizes(
        checkpoint=size * every,
        state=12 * trained - saved + (size * every if hardware.zero else 0),
    )


def load(size: Sizes, saves: int, saving: Saving) -> Load:
    """The disk space of `saves` checkpoints, the last of which has no state.

    An old checkpoint is removed only after the new one is written, so both count for a moment.
    """
    checkpoints = states = most = 0
    for number in range(saves):
        checkpoints, states = checkpoints + 1, states + (number < saves - 1)
        most = max(most, checkpoints * size.checkpoint + states * size.state)
        if saving.optimizer == "last":
            states = min(states, 1) if number < saves - 1 else 0
        checkpoints = min(checkpoints, saving.keep or checkpoints)
    return Load(most=most, last=checkpoints * size.checkpoint + states * size.state)


def free(folder: Path) -> int:
    """The free bytes on the disk of a folder, which need not exist yet."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(existing).free


def check_room(target: Path, wanted: int) -> None:
    """Raise TrainingError if the disk lacks room for a checkpoint of `wanted` bytes."""
    left = free(target.parent)
    if left < wanted + SMALL:
        raise TrainingError(
            f"{target.name} was not saved: it needs {gigabytes(wanted + SMALL)}, including the "
            f"state to resume from, but the disk of {target.parent} has {gigabytes(left)} free. "
            "The earlier checkpoints are whole: free some space, and continue with --resume last"
        )


def gigabytes(count: float) -> str:
    """The bytes in decimal gigabytes, or megabytes below 1 GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (only its size is read)
AHEAD = 2
"""Most batches that each worker prepares ahead; torch's default."""
ADVICE = (
    "Increase it (docker run --shm-size=..., or `medium: Memory` in a pod), or use fewer workers "
    "(hardware.workers; 0 reads in the training process)"
)
MEMORY = (
    "If it was killed, the machine was probably short of memory: use fewer workers "
    "(hardware.workers)"
)


def pixels(config: ViCAConfig, shown: VisualSize | PackShape) -> int:
    """Most bytes that a visual takes in a batch: SigLIP's grey levels and Hiera's frames."""
    count = 3.0 * shown.semantic_inputs * config.siglip_size**2
    if isinstance(config, ViCA2Config):
        count += 3 * FLOAT * shown.spatial_inputs * config.hiera_size**2
    return int(count)


def shared_bytes(config: TrainingConfig, pack: int) -> int:
    """Most shared memory that all processes of a machine use, with packs of `pack` bytes.

    Each process holds its workers' prepared batches, the batches of a step, and one more, which
    the loader fetches to know whether the previous one was the last.
    """
    hardware, batch = config.hardware, config.batch
    held = hardware.workers * AHEAD + batch.accumulation + 1 if hardware.workers else 0
    return hardware.devices * held * batch.packs_per_device * pack


def check_shared_memory(config: TrainingConfig, pack: int) -> None:
    """Raise TrainingError if shared memory is too small for packs of `pack` bytes."""
    wanted = shared_bytes(config, pack)
    if wanted and SHARED_MEMORY.is_dir():
        left = shutil.disk_usage(SHARED_MEMORY).free
        if left < wanted:
            hardware = config.hardware
            raise TrainingError(
                f"hardware.workers={hardware.workers} on {counted(hardware.devices, 'device')} "
                f"can take up to {gigabytes(wanted)} of shared memory, but {SHARED_MEMORY} has "
                f"{gigabytes(left)} free. {ADVICE}"
            )


@contextmanager
def explained() -> Iterator[None]:
    """Turn a worker's failure into a short error, without the traceback that torch adds."""
    try:
        yield
    except VicaError as error:  # torch prepends the worker's traceback to the message
        message = str(error).rpartition(f"{type(error).__name__}: ")[2]
        raise type(error)(message.strip()) from error
    except (RuntimeError, MemoryError) as error:
        reason = str(error)
        if is_memory_error(error):
            last = (reason.splitlines() or [type(error).__name__])[-1]
            raise TrainingError(
                f"memory ran out while the data was read: {last}. Use fewer workers "
                "(hardware.workers)"
            ) from error
        short = "shared memory" in f"{reason} {error.__cause__}"
        if not short and not reason.startswith("DataLoader worker"):
            raise
        advice = f"Shared memory was probably too small. {ADVICE}" if short else MEMORY
        first = reason.splitlines()[0]
        raise TrainingError(f"a process that reads the data ended: {first}. {advice}") from error
