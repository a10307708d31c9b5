"""Fields of a `config.json` that ask for another computation than the one here: refused by name.

The original code reads many free fields, and ignores some that it writes. What it would compute
from a field is either computed here too, or refused: a model that runs with another arrangement of
its visual tokens answers, only worse, and nobody notices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from vica.errors import CheckpointError

OURS = "video_frames"
"""A field that only our files have: their other fields are ours as well, and mean what they say."""
ONLY: dict[str, tuple[object, ...]] = {
    "mm_newline_position": ("grid",),
    "mm_patch_merge_type": ("spatial_unpad",),
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_resampler_type": (None,),
    "add_faster_video": (None, False),
    "mm_use_im_start_end": (None, False),
    "tokenizer_padding_side": ("right", "left"),
    "quantization_config": (None,),
}
"""The values of a field that are computed here."""
ABSENT = {"mm_newline_position": "one_token", "mm_patch_merge_type": "flat"}
"""What the original takes where its file says nothing."""
STRIDE = 2
"""Its code pools every video by this, whatever its file says."""


def check_stated(stated: Mapping[str, Any], where: str) -> None:
    """Raise CheckpointError, naming the field, for a configuration that is not computed here."""
    for problem in _problems(stated):
        raise CheckpointError(f"{where}: {problem}")


def _problems(stated: Mapping[str, Any]) -> Iterator[str]:
    theirs = OURS not in stated
    for field, known in ONLY.items():
        value = stated.get(field, ABSENT.get(field, known[0]) if theirs else known[0])
        if not any(value is one or (value == one and type(value) is type(one)) for one in known):
            missing = "" if field in stated else ", as the original takes it where it is missing"
            allowed = " or ".join(repr(one) for one in known)
            yield f"{field} is {value!r}{missing}; only {allowed} can be computed"
    stride = stated.get("mm_spatial_pool_stride", STRIDE)
    if theirs and stride != STRIDE:
        yield (
            f"mm_spatial_pool_stride is {stride!r}, which the original writes and does not use: it "
            f"pools by {STRIDE}. Correct it, or pass mm_spatial_pool_stride={STRIDE}"
        )
    tower = stated.get("mm_vision_tower")
    if isinstance(tower, str) and "siglip" not in tower.lower():
        yield f"mm_vision_tower is {tower!r}; only SigLIP can be computed"
    yield from _language_model(stated)
    for name in ("vision_config", "hiera_config"):
        yield from _encoder(name, stated.get(name))


def _language_model(stated: Mapping[str, Any]) -> Iterator[str]:
    for field in ("rope_scaling", "rope_parameters"):
        rope = stated.get(field)
        if rope is None:
            continue
        kinds = {rope.get(key, "default") for key in ("type", "rope_type")} if _is(rope) else set()
        if kinds != {"default"} or rope.get("factor", 1) != 1:
            yield (
                f"{field} is {rope!r}, and the original code computes without any: set it to null "
                "if the checkpoint was trained by that code"
            )
    if stated.get("use_sliding_window"):
        yield "use_sliding_window is true; only layers that see the whole video can be computed"


def _encoder(name: str, stated: object) -> Iterator[str]:
    """Of a vision encoder: what the arithmetic of its map's side does not hold for."""
    if not _is(stated):
        return
    if stated.get("num_channels", 3) != 3:
        yield f"{name}.num_channels is {stated['num_channels']!r}; pictures have 3 colours"
    if stated.get("vision_use_head"):
        yield f"{name}.vision_use_head is true; the features are those before the head"
    for field, known in (("patch_kernel_size", 7), ("patch_stride", 4), ("patch_padding", 3)):
        value = stated.get(field, known)
        if value not in (known, [known, known]):
            yield f"{name}.{field} is {value!r}; only {known} can be computed"


def _is(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)
