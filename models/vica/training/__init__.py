"""Training of the ViCA family: recipes, data, packing, the training loop and its checkpoints.

A recipe (`recipes`) is a function that returns a `TrainingConfig` (`config`); `index` turns its
data into conversations; `run` trains. This package imports nothing itself, and recipes and data
do not import torch.
"""
