"""vicabench measures how well video language models understand space."""

__version__ = "0.1.0"
