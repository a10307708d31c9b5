"""Which parameters are trained, at which rates and by which optimizer: AdamW, Muon, ZeRO."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

import torch
from packaging.version import Version
from torch import Tensor, nn

from vica.errors import TrainingError
from vica.modeling import ViCA
from vica.training.config import Hardware, LearningRates, Optimizer

HIERA = "spatial_encoder"
LANGUAGE_MODEL = "language_model"
PREFIXES = {
    "semantic_encoder": "model.vision_tower.",
    "semantic_projector": "model.mm_projector.",
    HIERA: "model.sam_tower.",
    "spatial_projector": "model.sam_projector.",
}
"""Prefixes of the parameter names of each part; all others are the language model's."""
PARTS = (LANGUAGE_MODEL, *PREFIXES)


def part_of(parameter: str) -> str:
    """The part of the parameter with this name, one of `PARTS`."""
    return next((p for p, start in PREFIXES.items() if parameter.startswith(start)), LANGUAGE_MODEL)


def learning_rate(rates: LearningRates, part: str) -> float | None:
    """The peak learning rate of a part; None if it is frozen, as Hiera always is."""
    rate: float | None = None if part == HIERA else getattr(rates, part)
    return rate


COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(matrices_KNM: Tensor) -> Tensor:
    """Orthogonalise matrices approximately (singular values 0.7 to 1.2), float32 [K, N, M]."""
    tall = matrices_KNM.shape[1] > matrices_KNM.shape[2]
    x = matrices_KNM.float()
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    first, second, third = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = first * x + (second * gram + third * gram @ gram) @ x
    result: Tensor = x.mT if tall else x
    return result


class MuonAdamW(torch.optim.Optimizer):
    """Muon for groups with `muon=True`, which hold matrices, and AdamW for all others.

    A Muon group's `lr` is the size of an update, scaled by sqrt(rows / columns) for matrices with
    more rows than columns. `momentum` is Nesterov's; `betas` and `eps` are AdamW's.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "muon": False,
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the parameters by one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            (self._muon if group["muon"] else self._adamw)(group)
        return loss

    def _muon(self, group: dict[str, Any]) -> None:
        shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
        moved: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                shapes[parameter.shape].append(parameter)
                moved[parameter.shape].append(self._momentum(parameter, parameter.grad, group))
        for shape, parameters in shapes.items():
            updates = orthogonal(torch.stack(moved[shape]))
            size = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, update in zip(parameters, updates, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.to(parameter.dtype), alpha=-size)

    def _momentum(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        """Nesterov's momentum: the gradient, moved towards its running mean."""
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        mean: Tensor = state["mean"]
        mean.lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(mean, group["momentum"])

    def _adamw(self, group: dict[str, Any]) -> None:
        first, second = group["betas"]
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
            state["step"] += 1
            mean, square = state["mean"], state["square"]
            mean.lerp_(parameter.grad, 1 - first)
            square.mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
            scale = (square / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(mean, scale, value=-group["lr"] / (1 - first ** state["step"]))


def eight_bit_adamw() -> type[torch.optim.Optimizer]:
    """AdamW of bitsandbytes with moments in 8 bits, and in fp32 for groups with `wide=True`.

    bitsandbytes' own way to name exceptions is kept for the whole process, by position in a group,
    and so would reach the optimizer of a later run.
    """
    from bitsandbytes.optim.adamw import AdamW8bit  # noqa: PLC0415  (an extra)

    class EightBitAdamW(AdamW8bit):
        def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
            config: dict[str, Any] = super().get_config(gindex, pindex, group)  # type: ignore[no-untyped-call]
            return {**config, "optim_bits": 32} if group.get("wide") else config

    return EightBitAdamW


BILLION = 1_000_000_000
OLDEST = "0.19.2"
"""Older versions round buffers, such as rotary frequencies, to the weights' precision."""


def deepspeed_config(hardware: Hardware, *, pinned: bool) -> dict[str, Any] | None:
    """DeepSpeed's configuration for the Trainer, or None. `pinned` memory is for GPUs."""
    if not hardware.zero:
        return None
    in_memory = {"device": "cpu", "pin_memory": pinned}
    zero: dict[str, Any] = {
        "stage": hardware.zero,
        "overlap_comm": pinned,
        "contiguous_gradients": True,
        "sub_group_size": BILLION,
        "reduce_bucket_size": "auto",
    }
    if hardware.zero == 3:
        zero |= {
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_max_live_parameters": BILLION,
            "stage3_max_reuse_distance": BILLION,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    if hardware.offload != "none":
        zero["offload_optimizer"] = in_memory
    if hardware.offload == "all" and hardware.zero == 3:
        zero["offload_param"] = in_memory
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "steps_per_print": 100_000,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def check_version() -> None:
    """Raise TrainingError if the installed DeepSpeed rounds buffers."""
    installed = version("deepspeed")
    if Version(installed) < Version(OLDEST):
        raise TrainingError(
            f"deepspeed {installed} rounds the rotary frequencies to bfloat16, which rotates a "
            f"video's last tokens by 25 rad too far: pip install 'deepspeed>={OLDEST}'"
        )


def check_buffers(model: nn.Module) -> None:
    """Raise TrainingError unless the buffers of a model that is ready to train are float32.

    At a position of 22,000, a rotary frequency rounded to bfloat16 gives a wrong angle.
    """
    rounded = [
        f"{name} is {str(buffer.dtype).removeprefix('torch.')}"
        for name, buffer in model.named_buffers()
        if buffer.is_floating_point() and buffer.dtype.itemsize < torch.float32.itemsize
    ]
    if rounded:
        raise TrainingError(
            f"wrapping the model rounded its buffers ({rounded[0]}), so positions in a long video "
            f"would be wrong. Update deepspeed (>= {OLDEST}) and accelerate"
        )


def init_distributed(hardware: Hardware) -> None:
    """Connect DeepSpeed's processes before the model is loaded, because ZeRO-3 splits it then."""
    if hardware.zero:
        import deepspeed  # noqa: PLC0415  (an extra, and slow)

        # DeepSpeed repeats this warning so often that it would hide the run's progress.
        warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)

        deepspeed.init_distributed()


UNUSED = "model.vision_tower.post_layernorm."
"""Published but never applied: it has no gradient, and waiting for one would block a run."""
WITHOUT_DECAY = ("bias", "norm")
"""Parts of names of parameters without weight decay, as in the published code."""


LAYER = re.compile(r"model\.layers\.(\d+)\.")
TABLES = ("embed", "lm_head")
"""Parts of names of embedding tables and of the head, which Muon does not train."""


def freeze(model: ViCA, rates: LearningRates) -> None:
    """Freeze all parameters except those of parts with a learning rate."""
    for name, parameter in model.named_parameters():
        trained = learning_rate(rates, part_of(name)) is not None
        parameter.requires_grad_(trained and not name.startswith(UNUSED))


def keep_hiera_in_eval(model: ViCA) -> None:
    """Put Hiera, which is never trained, in evaluation mode, where it is deterministic."""
    hiera = getattr(model.model, "sam_tower", None)
    if hiera is not None:
        hiera.train(False)


def parameter_groups(
    model: ViCA, rates: LearningRates, optimizer: Optimizer
) -> list[dict[str, Any]]:
    """The optimizer's groups: for each trained part one with and one without weight decay.

    With `optimizer.muon`, Muon's matrices form separate groups, marked by `muon`; with
    `optimizer.states` of 8 bits, so do embeddings, marked by `wide`; with `optimizer.layer_decay`,
    so do the language model's layers.
    """
    layers = model.config.num_hidden_layers
    groups: dict[tuple[str, bool, str, int], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = not any(word in name for word in WITHOUT_DECAY)
            kind = _kind(name, parameter, optimizer)
            below = layers_above(name, layers) if optimizer.layer_decay != 1 else 0
            groups[part_of(name), decays, kind, below].append(parameter)
    result = []
    for (part, decays, kind, below), parameters in sorted(groups.items()):
        rate = (learning_rate(rates, part) or 0.0) * optimizer.layer_decay**below
        group: dict[str, Any] = {
            "params": parameters,
            "lr": rate * (optimizer.muon or 1.0) if kind == "muon" else rate,
            "weight_decay": optimizer.weight_decay if decays else 0.0,
            "name": part,
        }
        result.append({**group, kind: True} if kind else group)
    return result


def _kind(name: str, parameter: nn.Parameter, optimizer: Optimizer) -> str:
    """The mark of the group that this parameter belongs to, or an empty text."""
    if optimizer.muon is not None and is_inner_matrix(name, parameter):
        return "muon"
    return "wide" if optimizer.states == "8bit" and is_embedding(name) else ""


def is_embedding(name: str) -> bool:
    """Whether the parameter with this name is the table of the tokens' embeddings."""
    return "embed_tokens" in name


def layers_above(name: str, layers: int) -> int:
    """How many of the language model's layers come after the one of this parameter."""
    match = LAYER.match(name)
    if match:
        return layers - 1 - int(match[1])
    return layers if is_embedding(name) or "image_newline" in name else 0


def is_inner_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether this is a matrix between hidden states, not an embedding, head or convolution."""
    return parameter.ndim == 2 and not any(word in name for word in TABLES)


def main_rate(rates: LearningRates) -> float:
    """The logged learning rate: the language model's, or that of the first trained part."""
    parts = ("language_model", "semantic_projector", "spatial_projector", "semantic_encoder")
    return next(rate for part in parts if (rate := learning_rate(rates, part)) is not None)
