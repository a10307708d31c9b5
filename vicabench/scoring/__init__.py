"""From replies to scores: grades, estimates with intervals, and paired comparisons."""
