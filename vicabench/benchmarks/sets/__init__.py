"""Published benchmarks, one module each: what differs between them and nothing else.

Each module defines `BENCHMARK`, a `vicabench.benchmarks.published.Published`.
"""
