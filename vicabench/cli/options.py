"""Defaults of `vicabench run` that its checks need to know."""

FRAMES = 64  # as the ViCA reports evaluate
WORKERS = 1
VIDEO_TIMEOUT = 120.0
LONGEST_TIMEOUT = 86_400.0
