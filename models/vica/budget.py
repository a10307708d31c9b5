"""How many tokens a video costs, by encoder: the token ratio, as a setting and as a number.

ViCA2 balances two encoders by the triplet (hiera frames, hiera stage, hiera pooling stride),
beside the frames and the pooling stride of SigLIP. With (32, 4, 2) and 64 frames a video is
13,440 semantic and 8,704 spatial tokens, a ratio of 1.54. The model, the processor and the
budget all read the same rules here; no torch is needed to count.
"""

from __future__ import annotations

from dataclasses import dataclass

from vica.errors import BudgetError, counted

BILINEAR, AVERAGE, MAX = "bilinear", "average", "max"
POOL_MODES = (BILINEAR, AVERAGE, MAX)


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One encoder's map of a frame, `side` x `side`, pooled by `stride` in the way `mode`.

    Bilinear pooling rounds the pooled side up, `average` and `max` round it down.
    Raises BudgetError for a pooling that leaves nothing or that does not exist.
    """

    side: int
    stride: int
    mode: str = BILINEAR

    def __post_init__(self) -> None:
        if self.mode not in POOL_MODES:
            raise BudgetError(f"no pooling {self.mode!r}: choose one of {', '.join(POOL_MODES)}")
        if self.stride < 1 or self.pooled < 1:
            raise BudgetError(
                f"a pooling stride of {self.stride} leaves nothing of a map of "
                f"{self.side} x {self.side}: choose 1 to {self.side}"
            )

    @property
    def pooled(self) -> int:
        """The side after pooling."""
        return -(-self.side // self.stride) if self.mode == BILINEAR else self.side // self.stride

    def tokens(self, frames: int) -> int:
        """A row of the pooled map is followed by one newline token."""
        return frames * self.pooled * (self.pooled + 1)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A model's whole arrangement of visual tokens; `spatial` is None for ViCA.

    `spatial_share` = (n, of): the second encoder sees n of every `of` frames.
    """

    semantic: Branch
    spatial: Branch | None
    spatial_share: tuple[int, int]
    context: int

    def __post_init__(self) -> None:
        count, of = self.spatial_share
        if not 1 <= count <= of:
            raise BudgetError(
                f"the spatial encoder cannot see {count} of {counted(of, 'frame')}: choose 1 "
                f"to {of}"
            )

    def spatial_indices(self, frames: int) -> list[int]:
        """Which of `frames` frames the spatial encoder sees; every second one as published."""
        if self.spatial is None:
            return []
        count, of = self.spatial_share
        return [i * of // count for i in range(-(-frames * count // of))]

    def video(self, frames: int) -> Budget:
        """The tokens of a video shown as `frames` frames; raises BudgetError below one frame."""
        if frames < 1:
            raise BudgetError(
                f"a video of {counted(frames, 'frame')} has nothing to show: ask for 1 or more"
            )
        count, of = self.spatial_share
        spatial_frames = -(-frames * count // of) if self.spatial else 0
        spatial = self.spatial.tokens(spatial_frames) if self.spatial else 0
        return Budget(
            frames=frames,
            semantic=self.semantic.tokens(frames),
            spatial_frames=spatial_frames,
            spatial=spatial,
            context=self.context,
        )


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The visual tokens of one video, and the context they have to fit in beside the text."""

    frames: int
    semantic: int
    spatial_frames: int
    spatial: int
    context: int

    @property
    def total(self) -> int:
        """All visual tokens."""
        return self.semantic + self.spatial

    @property
    def ratio(self) -> float | None:
        """Semantic tokens for each spatial one; None where there is no spatial encoder."""
        return self.semantic / self.spatial if self.spatial else None

    def check(self, text: int = 0) -> None:
        """Raise BudgetError when the video and `text` more tokens overflow the context."""
        over = self.total + text - self.context
        if over > 0:
            parts = f"{self.semantic:,} semantic + {self.spatial:,} spatial" + (
                f" + {text:,} of text" if text else ""
            )
            raise BudgetError(
                f"{counted(self.frames, 'frame makes', 'frames make')} "
                f"{counted(self.total + text, 'token')} ({parts}), {over:,} more than the context "
                f"of {self.context:,}: use fewer frames or more pooling"
            )
