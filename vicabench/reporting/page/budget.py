"""How many frames a page can carry."""

from __future__ import annotations

MOST = 60_000_000
"""Bytes of a page with all its frames: what a browser opens and a mail server may still take."""

USUAL = 8
"""Frames of a video where there is room for them."""

FRAME = 5_500
"""Bytes of a frame that is to be looked at: 240 by 180 pixels, as measured on rooms."""

OUTSIDE = 600
"""Bytes around the frames of a video: their element, times and size."""


def room_per_video(page: int, videos: int, most: int = MOST) -> int:
    """Bytes of JPEGs that each video may have, beside a page of so many bytes; 0 for none.

    Base64 makes four bytes of three.
    """
    return max(0, ((most - page) // max(1, videos) - OUTSIDE) * 3 // 4)


def usual_frames(room: int) -> int:
    """How many frames of a video fit into this room and still show something."""
    return min(USUAL, room // FRAME)
