"""Figures for papers and for the page: every function returns a `matplotlib.figure.Figure`.

    averages(scores, published=())        bars of the averages, published rows beside ours
    tasks(scores)                         every task with its interval
    radar(scores)                         the profile over the tasks
    errors(runs, protocol)                answer / truth of the numeric tasks
    letters(runs, protocol)               letters given against letters right
    by_dataset(runs, protocol)            average by data set
    by_room_size(runs, protocol)          average by the size of the room
    differences(comparisons)              paired differences as a forest plot
    curve(series, published=())           the average over the share of the training data
    curve_tasks(series)                   every task over the share of the training data
    descriptions(judged, judge, prompt)   judged descriptions over checkpoints
    adoption(series=None, published=())   how the replies of a Thinking series came about

`scores` are `vicabench.types.Scores`, `runs` are `vicabench.results.run.Run`, `comparisons` are
`vicabench.scoring.compare.Comparison`, `series` are `vicabench.curves.measure.Series`, `judged` are
`vicabench.judging.judge.Judged`; what is published comes from `vicabench.reference`.
`save(figure, path)` writes PDF, SVG or PNG by the path's ending,
`svg(figure)` gives an element to embed in a page. The same input gives the same bytes.
"""

from vicabench.reporting.figures.bars import averages, by_dataset, by_room_size, tasks
from vicabench.reporting.figures.curves import curve, curve_tasks
from vicabench.reporting.figures.differences import differences, radar
from vicabench.reporting.figures.errors import errors, letters
from vicabench.reporting.figures.output import save, svg
from vicabench.reporting.figures.thinking import adoption, descriptions

__all__ = [
    "adoption",
    "averages",
    "by_dataset",
    "by_room_size",
    "curve",
    "curve_tasks",
    "descriptions",
    "differences",
    "errors",
    "letters",
    "radar",
    "save",
    "svg",
    "tasks",
]
