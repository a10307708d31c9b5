"""Attention over a shared prefix and over a continuation's tokens, with fused kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from vica.config import ViCAConfig
from vica.errors import BudgetError, counted

SCORES_AT_ONCE = 2**26
"""Scores held at a time, about, if no fused kernel is used: 256 MiB in float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attended:
    """Attention output [..., E] over a part of the keys, and that part's log-sum-exp [...]."""

    values: Tensor
    lse: Tensor

    def at(self, *indices: Tensor) -> Attended:
        """The queries at these indices of the leading dimensions."""
        return Attended(values=self.values[indices], lse=self.lse[indices])

    def flat(self) -> Attended:
        """All queries in order, with the first two dimensions as one."""
        return Attended(values=self.values.flatten(0, 1), lse=self.lse.flatten(0, 1))


def attend_prefix(
    query_THE: Tensor, keys_JPE: Tensor, values_JPE: Tensor, scale: float | None = None
) -> Attended:
    """Attend with every query over the whole prefix.

    Scores are multiplied by `scale`; None means 1 / sqrt(E). Returns values [T, H, E] and lse
    [T, H] in float32 or float64.
    """
    tokens, heads, _ = query_THE.shape
    shared = heads // len(keys_JPE)
    rows_JRE = query_THE.unflatten(1, (-1, shared)).transpose(0, 1).flatten(1, 2)
    attended = _attend(rows_JRE, keys_JPE, values_JPE, scale)
    values_JTGE = attended.values.unflatten(1, (tokens, shared))
    lse_JTG = attended.lse.unflatten(1, (tokens, shared))
    return Attended(
        values=values_JTGE.transpose(0, 1).reshape(tokens, heads, -1),
        lse=lse_JTG.transpose(0, 1).reshape(tokens, heads),
    )


def attend_own(
    query_KSHE: Tensor,
    keys_KJME: Tensor,
    values_KJME: Tensor,
    visible_KSM: Tensor,
    scale: float | None = None,
) -> Attended:
    """Attend with each continuation over its own tokens: values [K, S, H, E] and lse [K, S, H].

    Continuations are short, so all scores are materialised, in float32 or wider. Keys and values
    may already be wider than the queries. Every query must see at least one key.
    """
    rows, _, heads, _ = query_KSHE.shape
    at_once = max(1, SCORES_AT_ONCE // (rows * heads * keys_KJME.shape[2]))
    if query_KSHE.shape[1] <= at_once:
        return _attend_own(query_KSHE, keys_KJME, values_KJME, visible_KSM, scale)
    parts = [
        _attend_own(some_KSHE, keys_KJME, values_KJME, seen_KSM, scale)
        for some_KSHE, seen_KSM in zip(
            query_KSHE.split(at_once, 1), visible_KSM.split(at_once, 1), strict=True
        )
    ]
    return _joined(parts)


def combine(first: Attended, second: Attended) -> Tensor:
    """The attention output over both parts together, in the dtype of the first's."""
    # The softmax over both parts weights each by its share of the summed exponentials.
    share = torch.sigmoid(first.lse - second.lse)[..., None]
    mixed = share * _wide(first.values) + (1 - share) * _wide(second.values)
    return mixed.to(first.values.dtype)


def _attend(
    query_JRE: Tensor, keys_JPE: Tensor, values_JPE: Tensor, scale: float | None
) -> Attended:
    """Call scaled_dot_product_attention's kernels, since it does not return the log-sum-exp."""
    batch = (query_JRE[None], keys_JPE[None], values_JPE[None])
    kernel = _kernel(*batch)
    if kernel is None:
        return attend_in_parts(query_JRE, keys_JPE, values_JPE, scale)
    values, lse, *_ = kernel(*batch, scale=scale)
    return Attended(values=values[0], lse=lse[0, :, : query_JRE.shape[1]])  # some kernels pad lse


def _kernel(query: Tensor, keys: Tensor, values: Tensor) -> Callable[..., Any] | None:
    """The fused kernel for these tensors [1, J, ., E] on their device, chosen as torch would."""
    aten, cuda = torch.ops.aten, torch.backends.cuda
    if query.shape[-1] != values.shape[-1]:
        return None
    if query.device.type == "cpu":
        # Not public, so a release of torch may lack it.
        return getattr(aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    if query.device.type != "cuda":
        return None
    asked = cuda.SDPAParams(query, keys, values, None, 0.0, False, False)
    if cuda.can_use_flash_attention(asked):
        return aten._scaled_dot_product_flash_attention
    if cuda.can_use_efficient_attention(asked):
        kernel = aten._scaled_dot_product_efficient_attention
        return partial(kernel, attn_bias=None, compute_log_sumexp=True)
    return None


def attend_in_parts(
    query_JRE: Tensor, keys_JPE: Tensor, values_JPE: Tensor, scale: float | None = None
) -> Attended:
    """Attend without a fused kernel, for devices that have none, some queries at a time."""
    at_once = max(1, SCORES_AT_ONCE // keys_JPE[..., 0].numel())
    keys_JPE, values_JPE, dtype = _wide(keys_JPE), _wide(values_JPE), values_JPE.dtype
    parts = []
    for rows_JRE in query_JRE.split(at_once, dim=1):
        scores = _wide(rows_JRE) @ keys_JPE.mT * _scale(rows_JRE, scale)
        values = (scores.softmax(-1) @ values_JPE).to(dtype)
        parts.append(Attended(values=values, lse=scores.logsumexp(-1)))
    return _joined(parts)


def _attend_own(
    query_KSHE: Tensor,
    keys_KJME: Tensor,
    values_KJME: Tensor,
    visible_KSM: Tensor,
    scale: float | None,
) -> Attended:
    """Computed in float32: scores rounded to half precision would be less exact than SDPA's."""
    slots, groups = query_KSHE.shape[1], keys_KJME.shape[1]
    # Queries that share a key head are laid out along the sequence; otherwise matmul would copy
    # the keys for each query head.
    rows = _wide(query_KSHE).unflatten(2, (groups, -1)).permute(0, 2, 3, 1, 4).flatten(2, 3)
    scores = (rows @ _wide(keys_KJME).mT * _scale(rows, scale)).unflatten(2, (-1, slots))
    scores = scores.masked_fill_(~visible_KSM[:, None, None], -torch.inf)
    shares = scores.softmax(-1)
    # The log-sum-exp by the largest score and its share: cheaper than summing once more.
    lse_KJGS = scores.amax(-1) - shares.amax(-1).log()
    values = shares.flatten(2, 3) @ _wide(values_KJME)
    values_KJGSE = values.unflatten(2, (-1, slots)).to(query_KSHE.dtype)
    return Attended(
        values=values_KJGSE.permute(0, 3, 1, 2, 4).flatten(2, 3),
        lse=lse_KJGS.permute(0, 3, 1, 2).flatten(2, 3),
    )


def _joined(parts: Sequence[Attended]) -> Attended:
    """Concatenate parts of the queries along the second dimension."""
    if len(parts) == 1:
        return parts[0]
    return Attended(
        values=torch.cat([part.values for part in parts], dim=1),
        lse=torch.cat([part.lse for part in parts], dim=1),
    )


def _scale(query: Tensor, scale: float | None) -> float:
    return float(query.shape[-1] ** -0.5) if scale is None else scale


def wide(dtype: torch.dtype) -> torch.dtype:
    """float32, or `dtype` if that is wider."""
    return torch.promote_types(dtype, torch.float32)


def _wide(numbers: Tensor) -> Tensor:
    return numbers.to(wide(numbers.dtype))


SDPA, EAGER = "sdpa", "eager"
HALF = (torch.bfloat16, torch.float16)
MOST_SCORES = 2**32
"""How many scores of a layer `eager` may materialise: 16 GiB in float32, held twice."""


def sdpa(
    module: nn.Module,
    query_BHLE: Tensor,
    key_BJLE: Tensor,
    value_BJLE: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers calls in a layer; returns values [B, L, H, E].

    Layers of other models are computed as by transformers' own function.
    """
    shared = query_BHLE.shape[1] // key_BJLE.shape[1]
    ours = isinstance(getattr(module, "config", None), ViCAConfig)
    if ours and shared > 1 and _dtype(query_BHLE) not in HALF:
        key_BJLE, value_BJLE = (x.repeat_interleave(shared, 1) for x in (key_BJLE, value_BJLE))
        # Hides the module's number of groups, which would select a kernel with grouped queries.
        module = cast(nn.Module, SimpleNamespace(is_causal=getattr(module, "is_causal", True)))
    values, _ = sdpa_attention_forward(
        module, query_BHLE, key_BJLE, value_BJLE, attention_mask, **options
    )
    return values, None


def check_scores(config: ViCAConfig, samples: int, length: int) -> None:
    """Raise BudgetError if `eager` would materialise more scores than fit in memory."""
    scores = samples * config.num_attention_heads * length**2
    if config._attn_implementation == EAGER and scores > MOST_SCORES:
        raise BudgetError(
            f"eager attention stores the scores of all pairs of {counted(length, 'token')}, "
            f"{4 * scores / 2**30:.0f} GiB per layer: load the model with attention='{SDPA}', or "
            "use fewer frames"
        )


def _dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which attention on the tensor is computed."""
    kind = tensor.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return tensor.dtype  # the meta device has no autocast
    return torch.get_autocast_dtype(kind)


AttentionInterface.register(SDPA, sdpa)
