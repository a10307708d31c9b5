"""Marks in plain text that no reply can hold: private characters, which are taken out of replies."""

OPEN, CLOSE = "\ue000", "\ue001"
"""Around what a reply marks as its answer."""
BAD = "\ue002"
"""In place of what stands for a value that is not read, such as a formula."""
