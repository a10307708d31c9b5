"""Models that vLLM runs, in a separate process and environment."""
