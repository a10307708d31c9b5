"""Runs on disk and in memory: folders, answers, grades, and the runs of other harnesses."""
