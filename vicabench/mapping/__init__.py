"""Cognitive maps: where a model believes the objects of a video to be, on a grid of 10x10 cells.

After "Thinking in Space" (arXiv 2412.14171, sections 6.1 and 6.2, Table 3 and appendix B.4):
`asking` asks for a map, `reading` reads it, `truth` has the true ones, `distances` compares the
two, `drawn` keeps both, and `given` asks questions with a map.
"""
