"""How the score grows with the data: series of checkpoints, measured or published.

series.py   which checkpoints a series has, by name, by pattern, or from run folders
measure.py  runs of a series -> points with intervals, paired steps, fit and tail
fit.py      a saturating curve, and what twice the data would bring
thinking.py how the replies of a Thinking series came about
export.py   everything that is drawn, as rows and as JSON
"""
