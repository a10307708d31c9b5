"""Models that vLLM runs, in a process and an environment of its own."""
