"""Runs made ready for others: what is published, and where."""
