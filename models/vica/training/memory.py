"""What a device needs to hold while training, estimated; each line says by which formula.

Left out: the context of the GPU, buffers of communication and of kernels, fragmentation, and what
Hiera holds for a moment. Plan for some tens of percent above the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vica.config import ViCA2Config, ViCAConfig
from vica.errors import counted
from vica.training.config import Hardware, LearningRates
from vica.training.operations import PackShape, head_width
from vica.training.parts import learning_rate
from vica.training.skeleton import PartCount

BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
LIVE = 1_000_000_000
"""Parameters that ZeRO-3 holds gathered at most, as the published DeepSpeed file says."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """So many bytes of a device, or of its host, for `what`, by `formula`."""

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
) -> list[Held]:
    """All that is held for one device that computes `packs` packs at a time."""
    activations = [_layers, _projectors]
    if shape.predicted:
        activations.append(_logits)
    if learning_rate(rates, "semantic_encoder") is not None:
        activations.append(_siglip)
    return [
        *_states(parts, hardware),
        *(estimate(config, hardware, shape, packs) for estimate in activations),
    ]


def _states(parts: Sequence[PartCount], hardware: Hardware) -> list[Held]:
    """Weights, gradients and the state of AdamW; each shared by the devices as ZeRO does."""
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
    if not hardware.zero and BYTES[hardware.precision] == 2:  # of autocast
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
    """Norms keep input, output and an fp32 copy; attention q, k, v, output; the MLP four maps."""
    width = config.hidden_size
    keys = (config.num_key_value_heads or config.num_attention_heads) * head_width(config)
    inside = 11 * width + 2 * keys + 4 * config.intermediate_size
    values, formula = _kept(config.num_hidden_layers, width, inside, hardware)
    count, size = shape.positions * packs, BYTES[hardware.precision]
    return _held(
        "activations: layers",
        size * count * values,
        f"{size} B x {count:,.0f} positions x {formula}",
    )


def _logits(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """Logits are computed where something is predicted alone: as they are, in fp32, gradients."""
    each, count = BYTES[hardware.precision] + 8, shape.predicted * packs
    formula = f"{each} B x {count:,.0f} predicted positions x {config.vocab_size:,}"
    return _held("logits", each * count * config.vocab_size, formula)


def _siglip(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """As a layer of the language model, with an MLP of two maps."""
    siglip, size = config.siglip, BYTES[hardware.precision]
    inside = 8 * siglip.hidden_size + 2 * siglip.intermediate_size
    values, formula = _kept(siglip.num_hidden_layers, siglip.hidden_size, inside, hardware)
    count = shape.semantic_inputs * config.siglip_side**2 * packs
    return _held(
        "activations: SigLIP", size * count * values, f"{size} B x {count:,.0f} patches x {formula}"
    )


def _projectors(config: ViCAConfig, hardware: Hardware, shape: PackShape, packs: int) -> Held:
    """Each keeps its input, both sides of its activation and its output, before pooling."""
    size, width = BYTES[hardware.precision], config.hidden_size
    semantic = shape.semantic_inputs * config.siglip_side**2 * packs
    values = semantic * (config.siglip.hidden_size + 3 * width)
    formula = f"{size} B x ({semantic:,.0f} patches x {config.siglip.hidden_size + 3 * width}"
    if isinstance(config, ViCA2Config):
        spatial = shape.spatial_inputs * config.hiera_side**2 * packs
        values += spatial * (config.hiera_width + 3 * width)
        formula += f" + {spatial:,.0f} x {config.hiera_width + 3 * width}"
    return _held("activations: projectors", size * values, formula + ")")


def _kept(layers: int, width: int, inside: int, hardware: Hardware) -> tuple[float, str]:
    """Values kept a position: all, or with checkpointing each layer's input and one layer's all."""
    if hardware.gradient_checkpointing:
        return layers * width + inside, f"({layers} x {width} + {inside} in one layer)"
    return layers * inside, f"{layers} x {inside}"


def _held(what: str, size: float, formula: str, away: bool = False) -> Held:
    return Held(what=what, device=0 if away else size, host=size if away else 0, formula=formula)
