"""Read a reply: its text, numbers, letters and thoughts.

The marks below are private-use characters, which are removed from every reply beforehand.
"""

OPEN, CLOSE = "\ue000", "\ue001"
"""Enclose what a reply marks as its answer."""
BAD = "\ue002"
"""Replaces a value that is not read, such as a formula."""
