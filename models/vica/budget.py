"""How many tokens a video costs in each encoder: the token ratio.

ViCA2 balances two encoders by the triplet (hiera frames, hiera stage, hiera pooling stride),
in addition to SigLIP's frames and pooling stride. With (32, 4, 2) and 64 frames a video is
13,440 semantic and 8,704 spatial tokens, a ratio of 1.54. The model, the processor and the
budget share these rules; counting needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from vica.errors import BudgetError, counted

BILINEAR, AVERAGE, MAX = "bilinear", "average", "max"
POOL_MODES = (BILINEAR, AVERAGE, MAX)
GRID, FRAME, ONE_TOKEN, NO_TOKEN = "grid", "frame", "one_token", "no_token"
NEWLINES = (GRID, FRAME, ONE_TOKEN, NO_TOKEN)
"""Where the original code puts newline tokens: after each row of a map, after each frame, after
the video, or nowhere."""


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One encoder's map of a frame, `side` x `side`, pooled by `stride` with `mode`.

    Bilinear pooling rounds the pooled side up; `average` and `max` round it down. `newline` is
    one of NEWLINES. `to` is the side after bilinear pooling, instead of a stride.

    Raises:
        BudgetError: The mode or the place of newlines does not exist, or pooling leaves no tokens.
    """

    side: int
    stride: int
    mode: str = BILINEAR
    newline: str = GRID
    to: int | None = None

    def __post_init__(self) -> None:
        if self.newline not in NEWLINES:
            raise BudgetError(
                f"unknown place of newlines {self.newline!r}: choose one of {', '.join(NEWLINES)}"
            )
        if self.mode not in POOL_MODES:
            raise BudgetError(
                f"unknown pooling {self.mode!r}: choose one of {', '.join(POOL_MODES)}"
            )
        if self.stride < 1 or self.pooled < 1:
            raise BudgetError(
                f"a pooling stride of {self.stride} leaves nothing of a map of "
                f"{self.side} x {self.side}: choose 1 to {self.side}"
            )

    @property
    def pooled(self) -> int:
        """The side after pooling."""
        if self.to is not None:
            return self.to
        return -(-self.side // self.stride) if self.mode == BILINEAR else self.side // self.stride

    def tokens(self, frames: int) -> int:
        """The tokens of this many frames, including newline tokens."""
        return frames * self.pooled**2 + self.newlines(frames)

    def newlines(self, frames: int) -> int:
        """The newline tokens of this many frames."""
        counts = {GRID: frames * self.pooled, FRAME: frames, ONE_TOKEN: 1, NO_TOKEN: 0}
        return counts[self.newline]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A model's arrangement of visual tokens; `spatial` is None for ViCA.

    `spatial_share` = (n, of): the spatial encoder sees n of every `of` frames.
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
        """The indices of the frames that the spatial encoder sees; every second as published."""
        if self.spatial is None:
            return []
        count, of = self.spatial_share
        return [i * of // count for i in range(-(-frames * count // of))]

    def video(self, frames: int) -> Budget:
        """The token budget of a video of `frames` frames; raises BudgetError below one frame."""
        if frames < 1:
            raise BudgetError(
                f"a video of {counted(frames, 'frame')} has no tokens: ask for 1 frame or more"
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
    """The visual tokens of one video, and the context that they share with the text."""

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
        """Semantic tokens per spatial token; None without a spatial encoder."""
        return self.semantic / self.spatial if self.spatial else None

    def check(self, text: int = 0) -> None:
        """Raise BudgetError if the video and `text` more tokens overflow the context."""
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
