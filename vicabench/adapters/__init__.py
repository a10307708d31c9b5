"""Ways to answer: one file an adapter, found by the name that `--model` begins with."""
