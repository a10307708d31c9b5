"""Tensor names: those of the published checkpoints, and ours.

They differ only inside the two encoders, which are transformers' classes here.
"""

from __future__ import annotations

import re

_HIERA = (
    ("patch_embed.proj.", "patch_embed.projection."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".mlp.layers.0.", ".mlp.proj_in."),
    (".mlp.layers.1.", ".mlp.proj_out."),
)
"""Published and ours; no other part of the models has names like these."""

_PREFIXES = (
    ("model.vision_tower.vision_tower.vision_model.", "model.vision_tower."),
    ("model.sam_tower.vision_tower.", "model.sam_tower."),
)
_HIERA_ALONE = re.compile(r"^(hiera\.|image_encoder\.trunk\.|vision_encoder\.backbone\.)")

TO_OURS: dict[str, str] = {
    r"^model\.sam_tower\.vision_tower\.hiera\.": "model.sam_tower.",
    **{"^" + re.escape(published): ours for published, ours in _PREFIXES},
    **{re.escape(published): ours for published, ours in _HIERA},
}
"""From published names to ours, as patterns to replace in turn; our own names stay as they are."""


def our_name(published: str) -> str:
    """Our name of a tensor in a published checkpoint, or in one of ours."""
    for pattern, replacement in TO_OURS.items():
        published = re.sub(pattern, replacement, published, count=1)
    return published


def published_name(ours: str) -> str:
    """The published name of one of our tensors."""
    for theirs, prefix in _PREFIXES:
        if ours.startswith(prefix):
            ours = theirs + ours.removeprefix(prefix)
    if ours.startswith(_PREFIXES[1][0]):
        for theirs, part in _HIERA:
            ours = ours.replace(part, theirs)
    return ours


def hiera_alone(name: str) -> str | None:
    """Our name of a tensor in a checkpoint of Hiera alone or of SAM 2; None if it is not Hiera's.

    Hiera's own repositories prefix it `hiera.` or nothing, SAM 2.1 `image_encoder.trunk.`, and
    transformers' conversion of SAM 2.1 `vision_encoder.backbone.`.
    """
    trunk = _HIERA_ALONE.sub("", name)
    if not trunk.startswith(("pos_embed", "patch_embed.", "blocks.")):
        return None
    return our_name(f"{_PREFIXES[1][0]}{trunk}").removeprefix(_PREFIXES[1][1])
