"""Qwen2's decoder layers in a short form: fewer and larger operators than transformers' own.

Every operator is a kernel to launch on a GPU, and while single tokens are decoded launching takes
longer than computing. So the projections of queries, keys and values are one product, as are those
of an MLP's gate and its input; norms are torch's fused ones, and queries and keys are rotated
together, in place. In exact arithmetic nothing changes, and in float32 only last bits do.

Shapes: T tokens, H query heads, J key heads, E their width, D the model's width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer, Qwen2RMSNorm

from vica.attention import combine, fastest, preferring, sdpa
from vica.prefix import Prefix, Shared

Attend = Callable[[int, Tensor, Tensor], Tensor]
"""Gives the attention output [T, H, E] of a layer for its queries [T, H, E] and its new keys and
values [T, 2 x J, E]."""
QKV, GATE_UP = ("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")
"""Linear modules whose outputs are computed as one product."""

ENGINES = ("ds_id", "_hp_mapping")
"""What DeepSpeed puts on parameters that are parts of its own buffers."""


def why_not(model: Any) -> str | None:
    """Why a model's layers cannot run in the short form; None if they can."""
    layers, weights = list(model.model.layers), list(model.model.layers.parameters())
    parts = [part for layer in layers for part in layer.modules()]
    linear = [part for part in parts if not list(part.children()) and _weights(part) > 0]
    activation = type(ACT2FN["silu"])
    reasons = {
        "its layers are not Qwen2's": any(type(layer) is not Qwen2DecoderLayer for layer in layers),
        "its layers have hooks": any(
            p._forward_hooks or p._forward_pre_hooks or hasattr(p, "_hf_hook") for p in parts
        ),
        "its layers have been replaced": any(
            type(part) not in (nn.Linear, Qwen2RMSNorm) for part in linear
        ),
        "its weights belong to a training engine": any(
            not p.numel() or any(hasattr(p, mark) for mark in ENGINES) for p in weights
        ),
        "its MLP's activation is not SiLU": any(
            type(layer.mlp.act_fn) is not activation for layer in layers
        ),
        "its dtypes differ": len({p.dtype for p in weights}) > 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _weights(part: nn.Module) -> int:
    return len(list(part.parameters(recurse=False)))


class Layers:
    """A model's decoder layers and final norm, in the short form.

    The weights are laid out anew, once: those of a product become parts of one tensor, of which
    the model's own parameters are views from then on. So they are not held twice, and whoever
    changes a parameter in place changes both. A parameter that was replaced is laid out again.

    Attributes:
        backend: The kernel of SDPA that was fastest here for a prefill; None where torch chooses.
    """

    def __init__(self, model: Any, *, compile: bool = False) -> None:  # noqa: A002  # as torch's
        self._model = model.model
        self._rotate, self._added, self._gated, self.combine = _rotate, _added, _gated, combine
        if compile:  # with dynamic lengths
            self._rotate = torch.compile(_rotate, dynamic=True)
            self._added = torch.compile(_added, dynamic=True)
            self._gated = torch.compile(_gated, dynamic=True)
            self.combine = torch.compile(combine, dynamic=True)
        self._layers = cast(Sequence[Any], list(model.model.layers))
        self._joined: list[dict[str, Tensor]] = [{} for _ in self._layers]
        config, weight = model.config, next(model.model.layers.parameters())
        heads = config.num_attention_heads, config.num_key_value_heads
        width = self._layers[0].self_attn.head_dim
        self.backend = fastest(*heads, width, weight.dtype, weight.device)
        for index, layer in enumerate(self._layers):  # now, rather than while a video is timed
            self._product(index, layer.self_attn, QKV)
            self._product(index, layer.mlp, GATE_UP)

    @torch.no_grad()
    def __call__(self, embeds_TD: Tensor, places_T: Tensor, attend: Attend) -> Tensor:
        """The normalised hidden states [T, D] of tokens at these positions."""
        cos_TE, sin_TE = (x[0] for x in self._model.rotary_emb(embeds_TD[None], places_T[None]))
        half = sin_TE.shape[-1] // 2
        # Halves are swapped and the first is negated: here once, in the sines.
        sin_TE = torch.cat([-sin_TE[:, :half], sin_TE[:, half:]], dim=-1)
        turn = cos_TE[:, None], sin_TE[:, None]
        norms = [layer.input_layernorm for layer in self._layers[1:]]
        hidden_TD = embeds_TD
        normed_TD = _norm(self._layers[0].input_layernorm, hidden_TD)
        for index, (layer, after) in enumerate(
            zip(self._layers, [*norms, self._model.norm], strict=True)
        ):
            mixed_TD = self._attention(index, layer.self_attn, normed_TD, turn, attend)
            after_own = layer.post_attention_layernorm
            hidden_TD, normed_TD = self._added(hidden_TD, mixed_TD, *_facts(after_own))
            inner_TD = self._mlp(index, layer.mlp, normed_TD)
            hidden_TD, normed_TD = self._added(hidden_TD, inner_TD, *_facts(after))
        return normed_TD

    def _attention(
        self,
        index: int,
        attention: Any,
        normed_TD: Tensor,
        turn: tuple[Tensor, Tensor],
        attend: Attend,
    ) -> Tensor:
        qkv, bias = self._product(index, attention, QKV)
        qkv_TXE = functional.linear(normed_TD, qkv, bias).unflatten(-1, (-1, attention.head_dim))
        queries = attention.q_proj.out_features // attention.head_dim
        keys = attention.k_proj.out_features // attention.head_dim
        self._rotate(qkv_TXE[:, : queries + keys], *turn)
        mixed_THE = attend(index, qkv_TXE[:, :queries], qkv_TXE[:, queries:])
        return cast(Tensor, attention.o_proj(mixed_THE.flatten(1)))

    def _mlp(self, index: int, mlp: Any, normed_TD: Tensor) -> Tensor:
        weight, bias = self._product(index, mlp, GATE_UP)
        both_TI = functional.linear(normed_TD, weight, bias)
        return cast(Tensor, mlp.down_proj(self._gated(both_TI)))

    def _product(
        self, index: int, part: Any, names: tuple[str, ...]
    ) -> tuple[Tensor, Tensor | None]:
        """The weight and bias of several linear modules as one, whose outputs follow each other."""
        modules = [getattr(part, name) for name in names]
        weight = self._whole(index, names[0], [module.weight for module in modules])
        if modules[0].bias is None:
            return weight, None
        return weight, self._whole(index, f"{names[0]}.bias", [m.bias for m in modules])

    def _whole(self, index: int, name: str, parts: list[nn.Parameter]) -> Tensor:
        """The parameters as one tensor, which they are views of."""
        whole = self._joined[index].get(name)
        if whole is None or not all(_within(part, whole) for part in parts):
            whole = self._joined[index][name] = _joined(parts)
        return whole

    def prefill(self, embeds_LD: Tensor) -> Prefix:
        """What a prompt's tokens leave in each layer, of causal attention by SDPA."""
        kept: list[Shared] = []

        def attend(index: int, query_THE: Tensor, new_TXE: Tensor) -> Tensor:
            store_XTE = new_TXE.transpose(0, 1).contiguous()
            keys_JTE, values_JTE = store_XTE.chunk(2)
            kept.append(Shared(keys_JPE=keys_JTE, values_JPE=values_JTE))
            return _causal(self._layers[index].self_attn, query_THE, keys_JTE, values_JTE)

        places_L = torch.arange(len(embeds_LD), device=embeds_LD.device)
        with preferring(self.backend):
            self(embeds_LD, places_L, attend)
        return Prefix(layers=tuple(kept))


def _facts(norm: Any) -> tuple[Tensor, float]:
    return norm.weight, norm.variance_epsilon


def _norm(norm: Any, hidden_TD: Tensor) -> Tensor:
    weight, epsilon = _facts(norm)
    return functional.rms_norm(hidden_TD, weight.shape, weight, epsilon)


def _added(
    hidden_TD: Tensor, more_TD: Tensor, weight_D: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """The sum, and that normalised."""
    sum_TD = hidden_TD + more_TD
    return sum_TD, functional.rms_norm(sum_TD, weight_D.shape, weight_D, epsilon)


def _gated(both_TI: Tensor) -> Tensor:
    """SwiGLU of gates and inputs that follow each other."""
    gate_TI, up_TI = both_TI.chunk(2, dim=-1)
    return functional.silu(gate_TI).mul_(up_TI)


def _rotate(states_TXE: Tensor, cos_T1E: Tensor, sin_T1E: Tensor) -> None:
    """Turn each pair of a state's halves by its token's angle, in place."""
    swapped_TXE = states_TXE.roll(states_TXE.shape[-1] // 2, -1)
    states_TXE.mul_(cos_T1E).addcmul_(swapped_TXE, sin_T1E)


def _within(part: Tensor, whole: Tensor) -> bool:
    """Whether a parameter is still a view of the tensor that it was made a part of."""
    one, other = part.untyped_storage(), whole.untyped_storage()
    return bool(one._cdata == other._cdata)


def _joined(parts: Sequence[nn.Parameter]) -> Tensor:
    """One tensor of the parameters' rows, which they become views of, unless they are already."""
    lengths = [len(part) for part in parts]
    shape, first = (sum(lengths), *parts[0].shape[1:]), parts[0].detach()
    if all(_within(part, first) for part in parts):
        sizes = [part.numel() for part in parts]
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        alone = first.untyped_storage().nbytes() == sum(sizes) * first.itemsize
        if alone and [part.storage_offset() for part in parts] == starts:
            return first.as_strided(shape, first.stride())
    whole = torch.cat([part.detach() for part in parts])
    for part, view in zip(parts, whole.split(lengths), strict=True):
        part.data = view
    return whole


def _causal(module: nn.Module, query_THE: Tensor, keys_JTE: Tensor, values_JTE: Tensor) -> Tensor:
    query_BHTE = query_THE.transpose(0, 1)[None]
    scale = cast(float, module.scaling)
    mixed_BTHE, _ = sdpa(
        module, query_BHTE, keys_JTE[None], values_JTE[None], None, scaling=scale, dropout=0.0
    )
    return mixed_BTHE[0]
