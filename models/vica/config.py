"""What a ViCA or ViCA2 model is made of, in the layout of the published `config.json`.

The published file is flat: the fields of Qwen2 beside free `mm_*` ones, and nothing about the
vision encoders' sizes. Ours are Qwen2 configurations too, with a sub-configuration for each
encoder and a field for each constant of the original code; what a file does not state is as
published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from transformers import AutoConfig, PreTrainedConfig, Qwen2Config, SiglipVisionConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig

from vica.budget import BILINEAR, Branch, Layout
from vica.errors import BudgetError
from vica.images import stated_sizes
from vica.towers import hiera_base_plus, siglip_so400m

GRID = 6
"""Image grids are up to 6 x 6 tiles; `anyres_max_9` shrinks the features to the area of 9."""


class ViCAConfig(Qwen2Config):
    """ViCA: SigLIP, a projector and Qwen2 (`llava_qwen`).

    `mm_spatial_pool_stride` and `mm_spatial_pool_mode` pool SigLIP's map of each video frame.
    `image_grid_pinpoints` are the sizes, [width, height], that an image may be tiled to, or the
    original's text for them (`pinpoints`).
    `tokenizer_length` is how many ids the tokenizer knows: rows above it are never answered.
    `video_frames` is how many frames of a video the model is shown. `thinking` says whether the
    model was trained to answer in three parts (`vica.thinking`); None where its checkpoint does
    not say, as the published ones do not: their replies show it.
    """

    model_type = "llava_qwen"
    published_architecture = "LlavaQwenForCausalLM"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "vision_config": SubConfigSpec(SiglipVisionConfig)
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    mm_spatial_pool_stride: int = 2
    mm_spatial_pool_mode: str = BILINEAR
    image_aspect_ratio: str = "anyres_max_9"
    image_grid_pinpoints: list[list[int]] | str | None = None
    tokenizer_model_max_length: int = 32768
    tokenizer_padding_side: str = "right"
    tokenizer_length: int | None = None
    video_frames: int = 64
    thinking: bool | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what the published file leaves out."""
        if self.vision_config is None:
            self.vision_config = siglip_so400m()
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.image_grid_pinpoints is None:
            size, steps = self.siglip_size, range(1, GRID + 1)
            self.image_grid_pinpoints = [[size * i, size * j] for i in steps for j in steps]

    @property
    def siglip(self) -> SiglipVisionConfig:
        """`vision_config`, by its type."""
        return cast(SiglipVisionConfig, self.vision_config)

    @property
    def siglip_size(self) -> int:
        """The side of the square that SigLIP sees, in pixels."""
        return square(self.siglip.image_size)

    @property
    def siglip_side(self) -> int:
        """Patches along a side of SigLIP's square map: pixels beyond a whole patch are left out."""
        return self.siglip_size // square(self.siglip.patch_size)

    @property
    def pinpoints(self) -> list[list[int]]:
        """`image_grid_pinpoints` in pixels; raises BudgetError for anything else."""
        return stated_sizes(self.image_grid_pinpoints, self.siglip_size)

    @property
    def max_tiles(self) -> int:
        """The 9 of `anyres_max_9`."""
        kind, _, count = self.image_aspect_ratio.rpartition("_")
        if kind != "anyres_max" or not count.isdigit():
            raise BudgetError(f"image_aspect_ratio {self.image_aspect_ratio!r} is no anyres_max_N")
        return int(count)

    @property
    def layout(self) -> Layout:
        """How the tokens of a video are arranged; raises BudgetError for what cannot be built."""
        return Layout(
            semantic=Branch(
                side=self.siglip_side,
                stride=self.mm_spatial_pool_stride,
                mode=self.mm_spatial_pool_mode,
            ),
            spatial=None,
            spatial_share=(1, 1),
            context=self.tokenizer_model_max_length,
        )


class ViCA2Config(ViCAConfig):
    """ViCA2: ViCA and a second, spatial encoder, SAM 2.1's Hiera (`vica_qwen`).

    The triplet of the token ratio: `hiera_frames` of every `video_frames` frames are shown to
    Hiera, whose map after `hiera_stage` (1 to 4) is pooled by `hiera_pool_stride`. Each stage
    has its own width, so a model is trained for one stage. `hiera_pool_mode` is that of SigLIP's
    map if None, as in the original code.
    """

    model_type = "vica_qwen"
    published_architecture = "VicaQwenForCausalLM"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "vision_config": SubConfigSpec(SiglipVisionConfig),
        "hiera_config": SubConfigSpec(Sam2HieraDetConfig),
    }

    hiera_config: dict[str, Any] | PreTrainedConfig | None = None
    hiera_frames: int = 32
    hiera_stage: int = 4
    hiera_pool_stride: int = 2
    hiera_pool_mode: str | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what the published file leaves out."""
        if self.hiera_config is None:
            self.hiera_config = hiera_base_plus()
        if self.hiera_pool_mode is None:
            self.hiera_pool_mode = self.mm_spatial_pool_mode
        super().__post_init__(**kwargs)

    @property
    def hiera(self) -> Sam2HieraDetConfig:
        """`hiera_config`, by its type."""
        return cast(Sam2HieraDetConfig, self.hiera_config)

    @property
    def hiera_size(self) -> int:
        """The side of the square that Hiera sees, in pixels."""
        return square(self.hiera.image_size)

    @property
    def hiera_width(self) -> int:
        """The width of the chosen stage's features: the spatial projector's input."""
        return self._stage_widths[self.hiera_stage - 1]

    @property
    def _stage_widths(self) -> list[int]:
        """The width of each stage; raises BudgetError unless the chosen one is among them."""
        widths = list(self.hiera.embed_dim_per_stage or [])
        if not 1 <= self.hiera_stage <= len(widths):
            raise BudgetError(f"Hiera has no stage {self.hiera_stage}: choose 1 to {len(widths)}")
        return widths

    @property
    def hiera_side(self) -> int:
        """The side of the chosen stage's square map."""
        patch, pool = square(self.hiera.patch_stride), square(self.hiera.query_stride)
        stage = len(self._stage_widths[: self.hiera_stage])
        pools = min(stage - 1, self.hiera.num_query_pool_stages)
        return self.hiera_size // (patch * int(pool**pools))

    @property
    def spatial(self) -> Branch:
        """How Hiera's map of a video frame is pooled; an image's is not."""
        mode = self.hiera_pool_mode or self.mm_spatial_pool_mode
        return Branch(side=self.hiera_side, stride=self.hiera_pool_stride, mode=mode)

    @property
    def layout(self) -> Layout:
        """How the tokens of a video are arranged; raises BudgetError for what cannot be built."""
        return Layout(
            semantic=super().layout.semantic,
            spatial=self.spatial,
            spatial_share=(self.hiera_frames, self.video_frames),
            context=self.tokenizer_model_max_length,
        )


def square(size: int | Sequence[int] | None) -> int:
    """The side of a size that transformers spells as one number or as two equal ones."""
    sides = {size} if isinstance(size, int) or size is None else set(size)
    if len(sides) != 1 or None in sides:
        raise BudgetError(f"a size of {size}: the encoders see squares, give one side")
    return int(cast(int, sides.pop()))


FAMILIES: dict[str, type[ViCAConfig]] = {c.model_type: c for c in (ViCAConfig, ViCA2Config)}
"""The configurations by the `model_type` of their checkpoints."""

for _name, _class in FAMILIES.items():
    AutoConfig.register(_name, _class)
