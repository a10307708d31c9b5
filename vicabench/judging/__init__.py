"""Descriptions of videos scored by a language model, after the ViCA2 report's Figure 3.

The report (arXiv 2505.12363, section 4.3 and Appendix E) shows gpt-4.1-mini the descriptions of
four checkpoints side by side and asks for one score each, from 0 to 10, for informativeness,
fluency and spatial relevance together. Here every description is judged by itself, and each of
the three gets its own score: nothing depends on what else is judged, or in which order.
"""
