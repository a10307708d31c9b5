"""How the score grows with the training data, over a series of checkpoints.

series.py   the checkpoints of a series, by name, by pattern, or from run folders
measure.py  runs of a series -> points with intervals, paired steps, thinking replies, fit, tail
fit.py      a saturating curve, and the gain from twice the data
export.py   everything that is drawn, as rows and as JSON
"""
