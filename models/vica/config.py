"""The configuration of a ViCA or ViCA2 model, and the published sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

from transformers import AutoConfig, PreTrainedConfig, Qwen2Config, SiglipVisionConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig

from vica.budget import BILINEAR, GRID, Branch, Layout
from vica.errors import BudgetError
from vica.hub import MODEL_TYPES
from vica.images import stated_sizes
from vica.lineages import restated

SIGLIP_HEAD_WIDTH = 72
"""SigLIP so400m's; the number of heads cannot be read from a checkpoint's tensors."""


def siglip_so400m() -> SiglipVisionConfig:
    """SigLIP so400m patch14 384 without its 27th layer, which the published models leave out."""
    return siglip(width=1152, mlp_width=4304, layers=26, heads=16, image_size=384, patch_size=14)


def siglip(
    *, width: int, mlp_width: int, layers: int, heads: int, image_size: int, patch_size: int
) -> SiglipVisionConfig:
    """A SigLIP vision encoder without a pooling head."""
    return SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=mlp_width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=image_size,
        patch_size=patch_size,
        hidden_act="gelu_pytorch_tanh",
        layer_norm_eps=1e-6,
        vision_use_head=False,
    )


def hiera_tiny() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera tiny."""
    return hiera(
        width=96, heads=1, blocks=(1, 2, 7, 2), globals_=(5, 7, 9), window=(8, 4, 14, 7), grid=7
    )


def hiera_small() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera small."""
    return hiera(
        width=96, heads=1, blocks=(1, 2, 11, 2), globals_=(7, 10, 13), window=(8, 4, 14, 7), grid=7
    )


def hiera_base_plus() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera base-plus, the encoder of the published ViCA2 models."""
    return hiera(
        width=112, heads=2, blocks=(2, 3, 16, 3), globals_=(12, 16, 20), window=(8, 4, 14, 7)
    )


def hiera_large() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera large."""
    return hiera(
        width=144,
        heads=2,
        blocks=(2, 6, 36, 4),
        globals_=(23, 33, 43),
        window=(8, 4, 16, 8),
        grid=7,
    )


def hiera(
    *,
    width: int,
    heads: int,
    blocks: Sequence[int],
    globals_: Sequence[int],
    window: Sequence[int],
    grid: int = 14,
    image_size: int = 1024,
) -> Sam2HieraDetConfig:
    """A Hiera whose width and heads double, and whose map halves, at each of its four stages.

    Args:
        width: Width of the first stage.
        heads: Attention heads of the first stage.
        blocks: Number of blocks per stage.
        globals_: Indices of the blocks with global attention.
        window: Attention window per stage.
        grid: Side of the position embedding's background map.
        image_size: Side of the input image in pixels.
    """
    return Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads,
        blocks_per_stage=list(blocks),
        embed_dim_per_stage=[width << stage for stage in range(len(blocks))],
        num_attention_heads_per_stage=[heads << stage for stage in range(len(blocks))],
        window_size_per_stage=list(window),
        global_attention_blocks=list(globals_),
        window_positional_embedding_background_size=[grid, grid],
        image_size=[image_size, image_size],
    )


PUBLISHED_HIERA = {
    "tiny": hiera_tiny,
    "small": hiera_small,
    "base-plus": hiera_base_plus,
    "large": hiera_large,
}


MOST_TILES = 6
"""Image grids have up to 6 x 6 tiles; `anyres_max_9` shrinks the features to the area of 9."""


class ViCAConfig(Qwen2Config):
    """ViCA: SigLIP, a projector and Qwen2 (`llava_qwen`), the layout of LLaVA over Qwen2.

    Attributes:
        mm_spatial_pool_stride: Pooling stride of SigLIP's map of each video frame.
        mm_spatial_pool_mode: Pooling mode of that map.
        mm_newline_position: Where a video has newline tokens (`vica.budget.NEWLINES`).
        image_grid_pinpoints: The sizes, [width, height], to which an image may be tiled, or the
            original code's text for them (`pinpoints`).
        tokenizer_length: How many ids the tokenizer knows; larger ids are never generated.
        video_frames: How many frames of a video the model sees.
        thinking: Whether the model was trained to answer in three parts (`vica.chat`). None if
            the checkpoint does not state it, as the published ones do not: their replies show it.
        lineage: The family of an original checkpoint that is not ViCA's (`vica.lineages`).
        video_side: The side of a frame's map after pooling, instead of a stride.
        square_frames: Pad frames to squares, and leave the tokens of the padding out.
    """

    model_type = "llava_qwen"
    published_architecture = "LlavaQwenForCausalLM"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "vision_config": SubConfigSpec(SiglipVisionConfig)
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    mm_spatial_pool_stride: int = 2
    mm_spatial_pool_mode: str = BILINEAR
    mm_newline_position: str = GRID
    image_aspect_ratio: str = "anyres_max_9"
    image_grid_pinpoints: list[list[int]] | str | None = None
    tokenizer_model_max_length: int = 32768
    tokenizer_padding_side: str = "right"
    tokenizer_length: int | None = None
    video_frames: int = 64
    thinking: bool | None = None
    lineage: str | None = None
    video_side: int | None = None
    square_frames: bool = False

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **options: Any) -> Self:
        """The configuration for the content of a `config.json`; its family is not checked."""
        return super().from_dict(restated(config_dict), **options)

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in the values that the published file leaves out."""
        if self.vision_config is None:
            self.vision_config = siglip_so400m()
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.image_grid_pinpoints is None:
            size, steps = self.siglip_size, range(1, MOST_TILES + 1)
            self.image_grid_pinpoints = [[size * i, size * j] for i in steps for j in steps]

    @property
    def family_name(self) -> str:
        """The name of the family; a LLaVA that states `llava_qwen` is called ViCA."""
        return self.lineage or MODEL_TYPES[self.model_type]

    @property
    def siglip(self) -> SiglipVisionConfig:
        """`vision_config`, typed."""
        return cast(SiglipVisionConfig, self.vision_config)

    @property
    def siglip_size(self) -> int:
        """The side of the square that SigLIP sees, in pixels."""
        return square(self.siglip.image_size)

    @property
    def siglip_side(self) -> int:
        """Patches along a side of SigLIP's square map, without a partial last patch."""
        return self.siglip_size // square(self.siglip.patch_size)

    @property
    def pinpoints(self) -> list[list[int]]:
        """`image_grid_pinpoints` in pixels; raises BudgetError if they are malformed."""
        return stated_sizes(self.image_grid_pinpoints, self.siglip_size)

    @property
    def max_tiles(self) -> int:
        """The 9 of `anyres_max_9`."""
        kind, _, count = self.image_aspect_ratio.rpartition("_")
        if kind != "anyres_max" or not count.isdigit():
            raise BudgetError(
                f"image_aspect_ratio {self.image_aspect_ratio!r} must be anyres_max_N"
            )
        return int(count)

    @property
    def layout(self) -> Layout:
        """The arrangement of a video's tokens; raises BudgetError if it cannot be built."""
        return Layout(
            semantic=Branch(
                side=self.siglip_side,
                stride=self.mm_spatial_pool_stride,
                mode=self.mm_spatial_pool_mode,
                newline=self.mm_newline_position,
                to=self.video_side,
            ),
            spatial=None,
            spatial_share=(1, 1),
            context=self.tokenizer_model_max_length,
        )


class ViCA2Config(ViCAConfig):
    """ViCA2: ViCA and a second, spatial encoder, SAM 2.1's Hiera (`vica_qwen`).

    The token ratio's triplet: Hiera sees `hiera_frames` of every `video_frames` frames, and its
    map after `hiera_stage` (1 to 4) is pooled by `hiera_pool_stride`. The stages differ in width,
    so a model is trained for one stage. If `hiera_pool_mode` is None, it is that of SigLIP's map,
    as in the original code.
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
        """Fill in the values that the published file leaves out."""
        if self.hiera_config is None:
            self.hiera_config = hiera_base_plus()
        if self.hiera_pool_mode is None:
            self.hiera_pool_mode = self.mm_spatial_pool_mode
        super().__post_init__(**kwargs)

    @property
    def hiera(self) -> Sam2HieraDetConfig:
        """`hiera_config`, typed."""
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
        """The width of each stage; raises BudgetError if the chosen stage does not exist."""
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
        """The pooling of Hiera's map of a video frame; an image's map is not pooled."""
        mode = self.hiera_pool_mode or self.mm_spatial_pool_mode
        return Branch(side=self.hiera_side, stride=self.hiera_pool_stride, mode=mode)

    @property
    def layout(self) -> Layout:
        """The arrangement of a video's tokens; raises BudgetError if it cannot be built."""
        return Layout(
            semantic=super().layout.semantic,
            spatial=self.spatial,
            spatial_share=(self.hiera_frames, self.video_frames),
            context=self.tokenizer_model_max_length,
        )


def square(size: int | Sequence[int] | None) -> int:
    """The side of a square size, which transformers writes as one number or two equal ones."""
    sides = {size} if isinstance(size, int) or size is None else set(size)
    if len(sides) != 1 or None in sides:
        raise BudgetError(f"a size of {size}: the encoders need squares, so give one side")
    return int(cast(int, sides.pop()))


FAMILIES: dict[str, type[ViCAConfig]] = {c.model_type: c for c in (ViCAConfig, ViCA2Config)}
"""The configurations by the `model_type` of their checkpoints."""

for _name, _class in FAMILIES.items():
    AutoConfig.register(_name, _class)


def vica_7b(**changes: Any) -> ViCAConfig:
    """ViCA-7B as published: SigLIP so400m and Qwen2-7B."""
    return ViCAConfig(**(_qwen2_7b() | changes))


def vica2_7b(**changes: Any) -> ViCA2Config:
    """ViCA2-7B as published: with SAM 2.1 Hiera base-plus."""
    return ViCA2Config(**(_qwen2_7b() | changes))


def vica_tiny(**changes: Any) -> ViCAConfig:
    """A ViCA of about a hundred thousand parameters, for tests and toy scenes on a CPU."""
    return ViCAConfig(**(_tiny() | changes))


def vica2_tiny(**changes: Any) -> ViCA2Config:
    """A ViCA2 of about two hundred thousand parameters, with all parts of the large one."""
    spatial = hiera(
        width=8,
        heads=1,
        blocks=(1, 1, 2, 1),
        globals_=(3,),
        window=(8, 4, 8, 4),
        grid=7,
        image_size=256,
    )
    return ViCA2Config(**(_tiny() | {"hiera_config": spatial} | changes))


def vica2_rooms(**changes: Any) -> ViCA2Config:
    """A ViCA2 of 1.8 million parameters that learns toy scenes on a CPU.

    SigLIP sees 12 frames of 48 pixels and makes 3 x 3 tokens of each; Hiera sees every second
    frame at 64 pixels and makes 2 x 2 tokens.
    """
    spatial = hiera(
        width=16,
        heads=1,
        blocks=(1, 1, 2, 1),
        globals_=(3,),
        window=(8, 4, 4, 2),
        grid=4,
        image_size=64,
    )
    sizes: dict[str, Any] = {
        "hidden_size": 128,
        "intermediate_size": 320,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "rope_theta": 1000000.0,
        "max_position_embeddings": 2048,
        "tokenizer_model_max_length": 2048,
        "video_frames": 12,
        "hiera_frames": 6,
        "hiera_pool_stride": 1,
        "vision_config": siglip(
            width=96, mlp_width=240, layers=2, heads=4, image_size=48, patch_size=8
        ),
        "hiera_config": spatial,
    }
    return ViCA2Config(**(sizes | changes))


SIZES = {"7b": (vica_7b, vica2_7b), "tiny": (vica_tiny, vica2_tiny)}
"""The functions for ViCA and for ViCA2, by size."""


def _qwen2_7b() -> dict[str, Any]:
    """Qwen2-7B. Its tokenizer knows 151,646 ids; the published embeddings have 152,064 rows."""
    return {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "rms_norm_eps": 1e-6,
        "sliding_window": 131072,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "tokenizer_length": 151646,
        "mm_vision_tower": "google/siglip-so400m-patch14-384",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
    }


def _tiny() -> dict[str, Any]:
    return {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "rope_theta": 1000000.0,
        "vision_config": siglip(
            width=32, mlp_width=64, layers=2, heads=4, image_size=112, patch_size=14
        ),
    }
