"""Muon for matrices and AdamW for the rest, as one optimizer.

Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon) replaces the momentum of a matrix by
the orthogonal matrix nearest to it, found by a quintic Newton-Schulz iteration. Matrices of one
shape are computed together, in float32: in bfloat16, as torch's own has it, a CPU takes many times
as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(matrices_KNM: Tensor) -> Tensor:
    """Near each matrix one with singular values of about 1 (0.7 to 1.2), float32 [K, N, M]."""
    tall = matrices_KNM.shape[1] > matrices_KNM.shape[2]
    x = matrices_KNM.float()
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    first, second, third = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = first * x + (second * gram + third * gram @ gram) @ x
    found: Tensor = x.mT if tall else x
    return found


class MuonAdamW(torch.optim.Optimizer):
    """Groups with `muon=True` hold matrices; all others are AdamW's.

    A Muon group's `lr` is the size of an update, which is scaled by the square root of rows over
    columns where there are more rows. `momentum` is Nesterov's; `betas` and `eps` are AdamW's.
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
        """Change the parameters by one step."""
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
        """Nesterov's: the gradient, moved towards its running mean."""
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
