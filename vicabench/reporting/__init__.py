"""Scores as tables, in the terminal and in files."""
