"""What a reply says: its text, numbers, letters and thoughts. Here are the marks in plain text.

They are private characters, which are taken out of every reply.
"""

OPEN, CLOSE = "\ue000", "\ue001"
"""Around what a reply marks as its answer."""
BAD = "\ue002"
"""In place of what stands for a value that is not read, such as a formula."""
