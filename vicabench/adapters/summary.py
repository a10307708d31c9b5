"""What a checkpoint is made of and how many tokens a video costs in it, as lines of text."""

from __future__ import annotations

from typing import Any

from vica import ViCA2Config, ViCAConfig
from vica.budget import FRAME, GRID, NO_TOKEN, ONE_TOKEN, Layout
from vica.images import unpadded
from vica.lineages import STATED_AS

from vicabench.adapters.hf import budget
from vicabench.adapters.hf.budget import HEIGHT, WIDTH
from vicabench.adapters.shapes import is_of_transformers, parameters, shape_of, without_prefix
from vicabench.errors import ConfigError, counted


def summary(
    spec: str,
    *,
    published: str | None = None,
    frames: int | None = None,
    hiera_frames: int | None = None,
    hiera_stage: int | None = None,
    hiera_pool: int | None = None,
) -> list[str]:
    """The lines about `spec`, with the token ratio changed as asked.

    A model of transformers is described by `hf.budget`.

    `published` is the size of `spec` if it is a published checkpoint (see `shapes.shape_of`).
    Raises BudgetError by how much a video overflows the context, and ConfigError for Hiera's
    settings where there is no Hiera.
    """
    changes = {
        "hiera_frames": hiera_frames,
        "hiera_stage": hiera_stage,
        "hiera_pool_stride": hiera_pool,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    if is_of_transformers(spec, published):
        if given:
            raise ConfigError(f"{spec} has no Hiera: leave out its settings.")
        return budget.lines(without_prefix(spec), frames)
    config, source = shape_of(spec, published)
    if given and not isinstance(config, ViCA2Config):
        raise ConfigError(f"{spec} is a ViCA, which has no Hiera: leave out its settings.")
    count = frames or config.video_frames
    if hiera_frames is not None:
        given["video_frames"] = count
    for name, value in given.items():
        setattr(config, name, value)
    return [
        f"{spec}: {source}",
        *_parts(config),
        _parameters(config),
        *_budget(config.layout, count, square=config.square_frames),
    ]


def _parts(config: ViCAConfig) -> list[str]:
    siglip: Any = config.siglip
    lines = [
        f"{config.family_name} ({STATED_AS.get(config.lineage or '', config.model_type)})",
        f"language model: {counted(config.num_hidden_layers, 'layer')}, width "
        f"{config.hidden_size}, {counted(config.vocab_size, 'row')} of vocabulary, context "
        f"{config.tokenizer_model_max_length:,}",
        f"SigLIP: {counted(siglip.num_hidden_layers, 'layer')}, width {siglip.hidden_size}, "
        f"{counted(config.siglip_size, 'pixel')}, {config.siglip_side} x "
        f"{counted(config.siglip_side, 'patch')}",
    ]
    if isinstance(config, ViCA2Config):
        lines.append(
            f"Hiera: stage {config.hiera_stage}, width {config.hiera_width}, "
            f"{counted(config.hiera_size, 'pixel')}, {config.hiera_side} x {config.hiera_side} map"
        )
    return lines


def _parameters(config: ViCAConfig) -> str:
    sizes = parameters(config)
    parts = ", ".join(f"{part.replace('_', ' ')} {count:,}" for part, count in sizes.items())
    return f"parameters: {sum(sizes.values()):,} ({parts})"


PLACES = {
    GRID: "and {} newlines, one after each row",
    FRAME: "and 1 newline",
    ONE_TOKEN: "and 1 newline after the last frame",
    NO_TOKEN: "without newlines",
}
"""Where the newlines of a frame are, given the side of its map."""


def _budget(layout: Layout, frames: int, *, square: bool) -> list[str]:
    video = layout.video(frames)
    video.check()
    side = layout.semantic.pooled
    semantic = f"{counted(frames, 'frame')} in SigLIP, pooled to {side} x {side}"
    each = f"{counted(side * side, 'token')} {PLACES[layout.semantic.newline].format(side)}"
    if square:
        row, column = unpadded((side, side), (HEIGHT, WIDTH))
        shown = (row.stop - row.start) * (column.stop - column.start + 1)
        pixels = f"{WIDTH} x {HEIGHT} pixels"
        return [
            f"a video: {semantic}",
            f"a frame: {each}, without what shows padding; {shown} of both for {pixels}",
            f"tokens: {frames * shown:,} of {video.context:,} for {pixels}; {video.total:,} for "
            "square frames",
        ]
    if layout.spatial is None:
        return [
            f"a video: {semantic}",
            f"a frame: {each}",
            f"tokens: {video.total:,} of {video.context:,}",
        ]
    side = layout.spatial.pooled
    return [
        f"a video: {semantic}; {video.spatial_frames} in Hiera, pooled to {side} x {side}",
        f"a frame: {each}; in Hiera {counted(side * side, 'token')} and {side} newlines",
        f"tokens: {video.semantic:,} + {video.spatial:,} = {video.total:,} "
        f"of {video.context:,}, ratio {video.ratio:.2f}",
    ]
