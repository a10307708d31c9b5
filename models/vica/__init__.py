"""The ViCA model family as a library; it knows nothing of the benchmark."""
