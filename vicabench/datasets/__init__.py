"""Benchmarks: questions with ground truth, and the videos they are about."""
