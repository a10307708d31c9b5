"""Attention to a shared prefix and to own tokens, and the fused kernel that computes it."""

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
"""Scores that are there at a time, about, where no fused kernel is used: 256 MiB in float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attended:
    """Values [..., E] attended over a part of the keys, and that part's log-sum-exp [...]."""

    values: Tensor
    lse: Tensor

    def at(self, *indices: Tensor) -> Attended:
        """The queries at these indices of the leading dimensions."""
        return Attended(values=self.values[indices], lse=self.lse[indices])


def attend_prefix(query_THE: Tensor, keys_JPE: Tensor, values_JPE: Tensor) -> Attended:
    """Every query over the whole prefix: values [T, H, E] and float32 or float64 lse [T, H]."""
    tokens, heads, width = query_THE.shape
    shared = heads // len(keys_JPE)
    rows_JRE = query_THE.unflatten(1, (-1, shared)).transpose(0, 1).flatten(1, 2)
    found = _attend(rows_JRE, keys_JPE, values_JPE)
    values_JTGE = found.values.unflatten(1, (tokens, shared))
    lse_JTG = found.lse.unflatten(1, (tokens, shared))
    return Attended(
        values=values_JTGE.transpose(0, 1).reshape(tokens, heads, width),
        lse=lse_JTG.transpose(0, 1).reshape(tokens, heads),
    )


def attend_own(
    query_KSHE: Tensor, keys_KJME: Tensor, values_KJME: Tensor, visible_KSM: Tensor
) -> Attended:
    """Each continuation over its own tokens: values [K, S, H, E] and lse [K, S, H].

    They are few, so the scores are written out, in float32 or wider; keys and values may be so
    wide already, whatever the queries are. A query has to see at least one key.
    """
    rows, _, heads, _ = query_KSHE.shape
    at_once = max(1, SCORES_AT_ONCE // (rows * heads * keys_KJME.shape[2]))
    parts = [
        _attend_own(some_KSHE, keys_KJME, values_KJME, seen_KSM)
        for some_KSHE, seen_KSM in zip(
            query_KSHE.split(at_once, 1), visible_KSM.split(at_once, 1), strict=True
        )
    ]
    return _joined(parts)


def combine(first: Attended, second: Attended) -> Tensor:
    """The values attended over both parts, in the dtype of the first's."""
    share = torch.sigmoid(first.lse - second.lse)[..., None]
    mixed = share * _wide(first.values) + (1 - share) * _wide(second.values)
    return mixed.to(first.values.dtype)


def _attend(query_JRE: Tensor, keys_JPE: Tensor, values_JPE: Tensor) -> Attended:
    """The kernels below scaled_dot_product_attention, as that does not give the log-sum-exp."""
    batch = (query_JRE[None], keys_JPE[None], values_JPE[None])
    kernel = _kernel(*batch)
    if kernel is None:
        return attend_in_parts(query_JRE, keys_JPE, values_JPE)
    values, lse, *_ = kernel(*batch)
    return Attended(values=values[0], lse=lse[0, :, : query_JRE.shape[1]])  # some kernels pad it


def _kernel(query: Tensor, keys: Tensor, values: Tensor) -> Callable[..., Any] | None:
    """The fused kernel that takes these [1, J, ., E] here, chosen as torch itself would."""
    aten, cuda = torch.ops.aten, torch.backends.cuda
    if query.device.type == "cpu":
        return aten._scaled_dot_product_flash_attention_for_cpu
    if query.device.type != "cuda":
        return None
    asked = cuda.SDPAParams(query, keys, values, None, 0.0, False, False)
    if cuda.can_use_flash_attention(asked):
        return aten._scaled_dot_product_flash_attention
    if cuda.can_use_efficient_attention(asked):
        kernel = aten._scaled_dot_product_efficient_attention
        return partial(kernel, attn_bias=None, compute_log_sumexp=True)
    return None


def attend_in_parts(query_JRE: Tensor, keys_JPE: Tensor, values_JPE: Tensor) -> Attended:
    """The same without a fused kernel, for devices that have none: some queries at a time."""
    at_once = max(1, SCORES_AT_ONCE // keys_JPE[..., 0].numel())
    keys_JPE, values_JPE, dtype = _wide(keys_JPE), _wide(values_JPE), values_JPE.dtype
    parts = []
    for rows_JRE in query_JRE.split(at_once, dim=1):
        scores = _wide(rows_JRE) @ keys_JPE.mT * rows_JRE.shape[-1] ** -0.5
        values = (scores.softmax(-1) @ values_JPE).to(dtype)
        parts.append(Attended(values=values, lse=scores.logsumexp(-1)))
    return _joined(parts)


def _attend_own(
    query_KSHE: Tensor, keys_KJME: Tensor, values_KJME: Tensor, visible_KSM: Tensor
) -> Attended:
    """In float32 throughout: a score rounded to half precision would be off by more than SDPA's."""
    slots, groups = query_KSHE.shape[1], keys_KJME.shape[1]
    # Queries of one key head lie along the sequence, lest matmul copy the keys for each of them.
    rows = _wide(query_KSHE).unflatten(2, (groups, -1)).permute(0, 2, 3, 1, 4).flatten(2, 3)
    scores = (rows @ _wide(keys_KJME).mT * rows.shape[-1] ** -0.5).unflatten(2, (-1, slots))
    scores = scores.masked_fill_(~visible_KSM[:, None, None], -torch.inf)
    lse_KJGS = scores.logsumexp(-1)
    values = scores.softmax(-1).flatten(2, 3) @ _wide(values_KJME)
    values_KJGSE = values.unflatten(2, (-1, slots)).to(query_KSHE.dtype)
    return Attended(
        values=values_KJGSE.permute(0, 3, 1, 2, 4).flatten(2, 3),
        lse=lse_KJGS.permute(0, 3, 1, 2).flatten(2, 3),
    )


def _joined(parts: Sequence[Attended]) -> Attended:
    """Parts of the queries, one after another along the second dimension."""
    if len(parts) == 1:
        return parts[0]
    return Attended(
        values=torch.cat([part.values for part in parts], dim=1),
        lse=torch.cat([part.lse for part in parts], dim=1),
    )


def wide(dtype: torch.dtype) -> torch.dtype:
    """float32, or what is wider."""
    return torch.promote_types(dtype, torch.float32)


def _wide(numbers: Tensor) -> Tensor:
    return numbers.to(wide(numbers.dtype))


SDPA, EAGER = "sdpa", "eager"
HALF = (torch.bfloat16, torch.float16)
MOST_SCORES = 2**32
"""Scores of a layer that `eager` may write out: 16 GiB in float32, held twice."""


def sdpa(
    module: nn.Module,
    query_BHLE: Tensor,
    key_BJLE: Tensor,
    value_BJLE: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What `transformers` calls in a layer: values [B, L, H, E]. Other models' are left alone."""
    shared = query_BHLE.shape[1] // key_BJLE.shape[1]
    ours = isinstance(getattr(module, "config", None), ViCAConfig)
    if ours and shared > 1 and _dtype(query_BHLE) not in HALF:
        key_BJLE, value_BJLE = (x.repeat_interleave(shared, 1) for x in (key_BJLE, value_BJLE))
        # Without the number of groups, which asks for a kernel that knows of them.
        module = cast(nn.Module, SimpleNamespace(is_causal=getattr(module, "is_causal", True)))
    values, _ = sdpa_attention_forward(
        module, query_BHLE, key_BJLE, value_BJLE, attention_mask, **options
    )
    return values, None


def check_scores(config: ViCAConfig, samples: int, length: int) -> None:
    """Raise BudgetError where `eager` would write out more scores than there is memory for."""
    scores = samples * config.num_attention_heads * length**2
    if config._attn_implementation == EAGER and scores > MOST_SCORES:
        raise BudgetError(
            f"eager attention writes out the scores of all pairs of {counted(length, 'token')}, "
            f"{4 * scores / 2**30:.0f} GiB a layer: load the model with attention='{SDPA}', or use "
            "fewer frames"
        )


def _dtype(tensor: Tensor) -> torch.dtype:
    """What it is computed in."""
    kind = tensor.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return tensor.dtype  # on the meta device, too
    return torch.get_autocast_dtype(kind)


AttentionInterface.register(SDPA, sdpa)
