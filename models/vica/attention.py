"""Attention over a shared prefix and over a continuation's tokens, with fused kernels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from warnings import catch_warnings

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from vica.config import ViCAConfig
from vica.errors import BudgetError, counted

LOG = logging.getLogger(__name__)
SCORES_AT_ONCE = 2**26
"""Scores held at a time, about, if no fused kernel is used: 256 MiB in float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attended:
    """Attention output [..., E] over a part of the keys, and that part's log-sum-exp [...].

    The last dimensions of queries are J key heads, and G query heads that share each.
    """

    values: Tensor
    lse: Tensor

    def at(self, *indices: Tensor) -> Attended:
        """The queries at these indices of the leading dimensions."""
        return Attended(values=self.values[indices], lse=self.lse[indices])

    def flat(self) -> Attended:
        """All queries in order, with the first two dimensions as one."""
        return Attended(values=self.values.flatten(0, 1), lse=self.lse.flatten(0, 1))


class Visible:
    """Which of its continuation's M tokens each query sees: bool [K, S, M]; each sees at least one.

    What layers ask for is computed once for all of them.
    """

    def __init__(self, visible_KSM: Tensor) -> None:
        self.visible_KSM = visible_KSM
        self._added: dict[tuple[int, torch.dtype], Tensor] = {}

    def added(self, groups: int, dtype: torch.dtype) -> Tensor | None:
        """What is added to scores, 0 or minus infinity, [K, 1, S x G, M]; None if it is too large.

        A query's rows for the heads that share a key head follow each other.
        """
        rows, slots, places = self.visible_KSM.shape
        if rows * slots * groups * places > SCORES_AT_ONCE:
            return None
        if (groups, dtype) not in self._added:
            added_KSM = torch.zeros_like(self.visible_KSM, dtype=dtype)
            added_KSM.masked_fill_(~self.visible_KSM, -torch.inf)
            if slots > 1:
                added_KSM = added_KSM.repeat_interleave(groups, 1)
            self._added[groups, dtype] = added_KSM[:, None]
        return self._added[groups, dtype]


def attend_prefix(
    query_THE: Tensor, keys_JPE: Tensor, values_JPE: Tensor, scale: float | None = None
) -> Attended:
    """Attend with every query over the whole prefix.

    Scores are multiplied by `scale`; None means 1 / sqrt(E). Returns values [T, J, G, E] and lse
    [T, J, G] in float32 or float64.
    """
    query_TJGE = query_THE.unflatten(1, (len(keys_JPE), -1))
    rows_JRE = query_TJGE.transpose(0, 1).flatten(1, 2)
    attended = _attend(rows_JRE, keys_JPE, values_JPE, scale)
    shape = query_TJGE.shape[0], query_TJGE.shape[2]
    return Attended(
        values=attended.values.unflatten(1, shape).transpose(0, 1),
        lse=attended.lse.unflatten(1, shape).transpose(0, 1),
    )


def attend_own(
    query_KSHE: Tensor,
    keys_KJME: Tensor,
    values_KJME: Tensor,
    seen: Visible,
    scale: float | None = None,
) -> Attended:
    """Attend with each continuation over its own tokens: values [K, S, J, G, E], lse [K, S, J, G].

    By a fused kernel, which sums in float32 or wider; without one, all scores are materialised.
    """
    query_KSJGE = query_KSHE.unflatten(2, (keys_KJME.shape[1], -1))
    slots, groups = query_KSJGE.shape[1], query_KSJGE.shape[3]
    rows_KJRE = query_KSJGE.transpose(1, 2).flatten(2, 3)
    added = seen.added(groups, rows_KJRE.dtype)
    kernel = None if added is None else _kernel(rows_KJRE, keys_KJME, values_KJME, added)
    if kernel is None:
        attended = _own_in_parts(rows_KJRE, keys_KJME, values_KJME, seen.visible_KSM, scale)
    else:
        values, lse, *_ = kernel(rows_KJRE, keys_KJME, values_KJME, scale=scale)
        attended = Attended(values=values, lse=lse[..., : rows_KJRE.shape[2]])
    return Attended(
        values=attended.values.unflatten(2, (slots, groups)).transpose(1, 2),
        lse=attended.lse.unflatten(2, (slots, groups)).transpose(1, 2),
    )


def combine(first: Attended, second: Attended) -> Tensor:
    """The attention output over both parts together, contiguous, in their values' dtype."""
    # The softmax over both parts weights each by its share of the summed exponentials.
    share = torch.sigmoid(first.lse - second.lse)[..., None].to(first.values.dtype)
    mixed = torch.empty(first.values.shape, dtype=share.dtype, device=share.device)
    return torch.lerp(second.values, first.values, share, out=mixed)


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


def _kernel(
    query: Tensor, keys: Tensor, values: Tensor, added: Tensor | None = None
) -> Callable[..., Any] | None:
    """The fused kernel for these tensors [K, J, ., E] on their device, chosen as torch would.

    `added` [K, 1, ., M] is added to the scores.
    """
    aten, cuda = torch.ops.aten, torch.backends.cuda
    if query.shape[-1] != values.shape[-1]:
        return None
    if added is not None:  # kernels want a mask of the scores' shape
        added = added.expand(*query.shape[:3], keys.shape[2])
    if query.device.type == "cpu":
        # Not public, so a release of torch may lack it.
        kernel = getattr(aten, "_scaled_dot_product_flash_attention_for_cpu", None)
        return kernel and partial(kernel, attn_mask=added)
    if query.device.type != "cuda":
        return None
    asked = cuda.SDPAParams(query, keys, values, added, 0.0, False, False)
    if added is None and cuda.can_use_flash_attention(asked):
        return aten._scaled_dot_product_flash_attention
    if cuda.can_use_efficient_attention(asked):
        kernel = aten._scaled_dot_product_efficient_attention
        return partial(kernel, attn_bias=added, compute_log_sumexp=True)
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


def _own_in_parts(
    query_KJRE: Tensor,
    keys_KJME: Tensor,
    values_KJME: Tensor,
    visible_KSM: Tensor,
    scale: float | None,
) -> Attended:
    """Attend without a fused kernel, in float32 or wider, some slots at a time."""
    rows, heads, _, _ = query_KJRE.shape
    groups = query_KJRE.shape[2] // visible_KSM.shape[1]
    at_once = max(1, SCORES_AT_ONCE // (rows * heads * groups * keys_KJME.shape[2]))
    parts = [
        _own_part(some_KJRE, keys_KJME, values_KJME, seen_KSM, scale)
        for some_KJRE, seen_KSM in zip(
            query_KJRE.split(at_once * groups, 2), visible_KSM.split(at_once, 1), strict=True
        )
    ]
    return _joined(parts, dim=2)


def _own_part(
    query_KJRE: Tensor,
    keys_KJME: Tensor,
    values_KJME: Tensor,
    visible_KSM: Tensor,
    scale: float | None,
) -> Attended:
    """Scores rounded to half precision would be less exact than SDPA's."""
    slots = visible_KSM.shape[1]
    rows = _wide(query_KJRE)
    scores = (rows @ _wide(keys_KJME).mT * _scale(rows, scale)).unflatten(2, (slots, -1))
    scores = scores.masked_fill_(~visible_KSM[:, None, :, None], -torch.inf).flatten(2, 3)
    values = (scores.softmax(-1) @ _wide(values_KJME)).to(query_KJRE.dtype)
    return Attended(values=values, lse=scores.logsumexp(-1))


def _joined(parts: Sequence[Attended], dim: int = 1) -> Attended:
    """Concatenate parts of the queries along a dimension."""
    if len(parts) == 1:
        return parts[0]
    return Attended(
        values=torch.cat([part.values for part in parts], dim),
        lse=torch.cat([part.lse for part in parts], dim),
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


BACKENDS = (
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
)
TRIED = 8192
"""The length of the sequence by which kernels are compared."""


def fastest(
    heads: int, key_heads: int, width: int, dtype: torch.dtype, device: torch.device
) -> SDPBackend | None:
    """The kernel of SDPA that is fastest for long causal attention, measured on this GPU.

    None where there is no choice: on other devices, and in float32.
    """
    if device.type != "cuda" or dtype not in HALF:
        return None
    query = torch.randn(1, heads, TRIED, width, dtype=dtype, device=device)
    key, value = torch.randn(2, 1, key_heads, TRIED, width, dtype=dtype, device=device)
    found: dict[SDPBackend, float] = {}
    for backend in BACKENDS:
        # A kernel that is missing, or cannot do this, warns and raises RuntimeError.
        with suppress(RuntimeError), catch_warnings(action="ignore"), sdpa_kernel(backend):
            found[backend] = _milliseconds(query, key, value)
    LOG.info("Milliseconds of causal attention: %s", {b.name: ms for b, ms in found.items()})
    return min(found, key=found.__getitem__, default=None)


def _milliseconds(query: Tensor, key: Tensor, value: Tensor) -> float:
    """Of causal attention on a GPU, the least of several times after one that warms up."""
    times = []
    for _ in range(4):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        after.record()
        after.synchronize()
        times.append(float(before.elapsed_time(after)))
    return min(times[1:])


@contextmanager
def preferring(backend: SDPBackend | None) -> Iterator[None]:
    """Let SDPA take this kernel where it can, and another one elsewhere."""
    if backend is None:
        yield
        return
    rest = [other for other in (*BACKENDS, SDPBackend.MATH) if other is not backend]
    with sdpa_kernel([backend, *rest], set_priority=True):
        yield


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
