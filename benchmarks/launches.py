"""What a GPU would be asked to do, counted without one: launches, waits, bytes, operations.

    python benchmarks/launches.py             # compare with launches.json; fails if a stage gained
    python benchmarks/launches.py --update    # write what is counted now into launches.json

ViCA2-7B answers 18 questions about 64 frames on fake tensors (torch's `FakeTensorMode`), which have
shapes and dtypes but no numbers, and every operator that reaches torch's dispatcher is noted:

- launches: operators other than views. Most are one kernel on a GPU, and few are more.
- syncs: times that the host waits for a value.
- GB: what those operators read and write, if each reads its inputs from memory once.
- TFLOP: of matrix products, convolutions and attention, by torch's formulas.
- peak GB: of tensors alive together, weights included.

The fake tensors are a CPU's, for torch's CPU build cannot index those of CUDA. Where code asks for
the kind of device it takes the CPU's branch; a fused attention kernel is one launch on both, and
torch's fused norm, which a CPU composes, is counted as CUDA's one. What a captured graph saves is
not seen: each operator inside counts. Copies from the host are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import torch
from both import prompts
from report import TYPICAL
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count
from transformers.initialization import no_init_weights
from vica.config import ViCA2Config, ViCAConfig, vica2_7b, vica2_tiny
from vica.merging import Visual
from vica.modeling import MODELS
from vica.predictor import Predictor, Stopwatch
from vica.processing import ViCAProcessor
from vica.tiny import byte_tokenizer, ids_of

STORED = Path(__file__).with_name("launches.json")
FREE = {"empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided", "_unsafe_view"}
"""Operators beside views that launch nothing."""
ATTENDS = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
FRAMES = 64


@dataclass(kw_only=True)
class Count:
    """What one stage asks for."""

    launches: int = 0
    syncs: int = 0
    gigabytes: float = 0.0
    tflop: float = 0.0
    peak_gigabytes: float = 0.0

    def less(self, other: Count) -> Count:
        """What this asks for beyond `other`; the peak is this one's."""
        return Count(
            launches=self.launches - other.launches,
            syncs=self.syncs - other.syncs,
            gigabytes=self.gigabytes - other.gigabytes,
            tflop=self.tflop - other.tflop,
            peak_gigabytes=self.peak_gigabytes,
        )


class Noted(TorchDispatchMode):
    """Counts the operators that run inside; `held` are tensors that are in memory beforehand."""

    def __init__(self, held: Sequence[Tensor]) -> None:
        super().__init__()
        self.count, self.names = Count(), Counter[str]()
        self._bytes: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._hold(held)

    def _hold(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            self._bytes[storage] = storage.nbytes()
        held = sum(self._bytes.values()) / 1e9
        self.count.peak_gigabytes = max(self.count.peak_gigabytes, held)

    def note(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Note a launch that reads or writes these tensors."""
        moved = {id(t): t.numel() * t.element_size() for t in tensors}
        self.count.launches += 1
        self.names[name] += 1
        self.count.gigabytes += sum(moved.values()) / 1e9

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Note one operator."""
        kwargs, name = kwargs or {}, func._schema.name.partition("::")[2]
        if name == "_local_scalar_dense":
            self.count.syncs += 1
            return 0  # a fake tensor has no value; ours are asked only whether something is wrong
        out = func(*args, **kwargs)
        made = _tensors(out)
        if func.is_view or func.namespace != "aten" or not made:
            return out
        self._hold(made)
        if name in FREE:
            return out
        self.note(name, [*_tensors((args, kwargs)), *made])
        self.count.tflop += _operations(func, args, kwargs, out) / 1e12
        return out


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _operations(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> float:
    if func is ATTENDS:
        whole = float(sdpa_flop_count(*(x.shape for x in args[:3])))
        causal = kwargs.get("is_causal", args[4] if len(args) > 4 else False)
        return whole / 2 if causal else whole
    formula = flop_registry.get(func._overloadpacket)
    return float(formula(*args, **kwargs, out_val=out)) if formula else 0.0


@contextmanager
def _fetched(count: Count) -> Iterator[None]:
    """Give zeros where the host fetches a list of values, and count that it waits once for them."""

    def tolist(tensor: Tensor) -> list[int]:
        count.syncs += 1
        return [0] * tensor.numel()

    with patch.object(FakeTensor, "tolist", tolist):  # torch's fetches one value after another
        yield


class _Norms(TorchFunctionMode):
    """Counts torch's fused norm as one launch, which a CPU composes of several operators."""

    def __init__(self, noted: Noted) -> None:
        super().__init__()
        self._noted = noted

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Pass everything else on."""
        if func is not torch.nn.functional.rms_norm:
            return func(*args, **(kwargs or {}))
        out = torch.empty_like(args[0])
        self._noted.note("rms_norm", [*_tensors((args, kwargs)), out])
        return out


class Stages(Stopwatch):
    """A predictor's stopwatch that counts: one entry for each time that a stage ran."""

    def __init__(self, held: Sequence[Tensor]) -> None:
        super().__init__()
        self.noted, self.held = list[Noted](), list(held)

    @contextmanager
    def measure(self, stage: str, device: torch.device) -> Iterator[None]:
        """Count what the block does; that a stopwatch waits for the device is not counted."""
        del stage, device
        noted = Noted(self.held)
        self.noted.append(noted)
        with _fetched(noted.count), _Norms(noted), noted:
            yield


def counted(
    config: ViCAConfig,
    frames: int,
    questions: int,
    dtype: torch.dtype = torch.bfloat16,
    *,
    batch: int = 0,
) -> dict[str, Count]:
    """What each stage asks for; `step` is one step of decoding, with no reply finished.

    `batch` frames are encoded at once, or all, for which a GPU that holds the model has the memory.
    """
    tokenizer, texts = byte_tokenizer(), prompts(questions)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with FakeTensorMode(), torch.no_grad():
            with no_init_weights():
                model = MODELS[config.model_type](config).train(False)
            processor = ViCAProcessor(tokenizer, config)
            predictor = Predictor(model, processor, vision_batch=batch or frames)
            stages = predictor.spent = Stages([*model.parameters(), *model.buffers()])
            encoded = predictor.encode(_visual(config, frames), texts)
            stages.held += [x for layer in encoded.cache.shared for x in vars(layer).values()]
            for new in (2, 3):
                predictor.answer(encoded, texts, max_new_tokens=new)
    finally:
        torch.set_default_dtype(before)
    vision, prefill, suffixes, few, _, more = (each.count for each in stages.noted)
    return {"vision": vision, "prefill": prefill, "suffixes": suffixes, "step": more.less(few)}


def _visual(config: ViCAConfig, frames: int) -> Visual:
    """A video as it is after preprocessing on a GPU, in float32."""
    spatial = None
    if isinstance(config, ViCA2Config):
        share = len(config.layout.spatial_indices(frames))
        spatial = torch.empty(share, 3, config.hiera_size, config.hiera_size, dtype=torch.float32)
    side = config.siglip_size
    pixels = torch.empty(frames, 3, side, side, dtype=torch.float32)
    return Visual(pixels_FCHW=pixels, hiera_pixels_FCHW=spatial)


def stored_first() -> dict[str, int]:
    """The launches of each stage in the first entry."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))["first"]
    return {name: stage["launches"] for name, stage in stored.items()}


def table(stages: dict[str, Count], first: dict[str, Any]) -> list[str]:
    """The counts, with the launches that `first` had, in Markdown."""
    rows = [
        f"| {name} | {first[name]['launches']:,} | {count.launches:,} | "
        f"**{count.launches / first[name]['launches']:.2f}** | {count.syncs} | "
        f"{count.gigabytes:,.1f} | {count.tflop:,.2f} | {count.peak_gigabytes:.1f} |"
        for name, count in stages.items()
    ]
    return [
        "| stage | launches at first | now | ratio | syncs | GB | TFLOP | peak GB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def gained(stages: dict[str, Count], stored: dict[str, Any]) -> list[str]:
    """What grew since the stored count: launches, and times that the host waits."""
    return [
        f"{name}: {getattr(count, kind):,} {kind}, {stored[name][kind]:,} are stored"
        for name, count in stages.items()
        for kind in ("launches", "syncs")
        if getattr(count, kind) > stored[name][kind]
    ]


def main() -> None:
    """Count, show, and compare or store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="store what is counted now")
    parser.add_argument("--shape", choices=("7b", "tiny"), default="7b")
    chosen = parser.parse_args()
    build, key = (vica2_7b, "7b") if chosen.shape == "7b" else (vica2_tiny, "tiny")
    frames = FRAMES if chosen.shape == "7b" else 2
    stages = counted(build(**ids_of(byte_tokenizer())), frames, TYPICAL)
    now = {name: _rounded(count) for name, count in stages.items()}
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    print("\n".join(table(stages, stored["first"] if key == "7b" else stored[key] or now)))
    if chosen.update or not stored[key]:
        stored[key] = now
        STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    elif more := gained(stages, stored[key]):
        sys.exit("\n".join(["More than stored (--update, if it is meant):", *more]))


def _rounded(count: Count) -> dict[str, float]:
    return {name: round(number, 3) for name, number in asdict(count).items()}


if __name__ == "__main__":
    main()
