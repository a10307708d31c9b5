"""Grading: text to number or letter, and from there to a score, by a published protocol."""
