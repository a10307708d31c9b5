"""Training of the ViCA family: recipes, data, packing, the engine, checkpoints on the way.

A recipe (`recipes`) is a function that returns a `TrainingConfig` (`config`); `mixture` turns its
data into conversations; the rest trains. Recipes, data and the dry run need no torch to be
imported; nothing is imported here.
"""
