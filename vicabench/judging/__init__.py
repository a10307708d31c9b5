"""Language models that canonicalize answers and judge descriptions.

The ViCA2 report (arXiv 2505.12363, Figure 3, section 4.3 and Appendix E) shows gpt-4.1-mini the
descriptions of four checkpoints side by side and asks for one score each, from 0 to 10, for
informativeness, fluency and spatial relevance together. Here every description is judged alone,
with a separate score for each of the three: no score depends on what else is judged, or on the
order.
"""
