"""Texts asked of a language model: each prompt once, and what it replied kept."""
